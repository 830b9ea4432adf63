/* The cluster at a glance, and handing leadership over. */
#include "cluster-config/ctl.h"

#include <string.h>

static int show_members(const struct ctl_view *v)
{
    static const char *const columns[] = {"id",        "address",     "role",
                                          "connected", "match_index", NULL};
    const json_t *list = json_object_get(v->best, "members");
    char text[160];
    json_t *member;
    size_t i;
    int rc;

    rc = ctl_show_rows(list, columns);
    json_array_foreach(list, i, member)
    {
        json_int_t id = json_integer_value(json_object_get(member, "id"));

        if (ctl_view_behind(v, id)) {
            ctl_view_progress(v, id, text, sizeof text);
            printf("node %" JSON_INTEGER_FORMAT ": %s\n", id, text);
        }
    }
    if (json_is_true(json_object_get(v->best, "change_under_way"))) {
        puts("a change of the members is under way");
    }
    return rc;
}

int ctl_cluster_status(struct ctl *ctl, char **args, int n_args)
{
    static const char *const columns[] = {"endpoint",    "node",   "state",        "ready",
                                          "term",        "leader", "commit_index", "applied_index",
                                          "applied_seq", NULL};
    struct ctl_view v;
    int rc;

    (void)args;
    (void)n_args;
    ctl_view_take(ctl, &v);
    if (ctl->options.json) {
        rc = ctl_show_json(v.rows);
    } else {
        rc = ctl_show_rows(v.rows, columns);
        if (rc == CTL_OK && v.best != NULL) {
            puts("\nmembers");
            rc = show_members(&v);
        }
    }
    if (rc == CTL_OK && v.best == NULL) {
        rc = v.denied ? ctl_fail(CTL_CREDENTIALS, "the key may not see the cluster")
                      : ctl_fail(CTL_UNAVAILABLE, "no endpoint answered");
    }
    ctl_view_release(&v);
    return rc;
}

int ctl_members_show(struct ctl *ctl)
{
    struct ctl_view v;
    int rc;

    ctl_view_take(ctl, &v);
    if (v.best == NULL) {
        rc = ctl_fail(CTL_UNAVAILABLE, "no endpoint answered");
    } else if (ctl->options.json) {
        rc = ctl_show_json(json_object_get(v.best, "members"));
    } else {
        rc = show_members(&v);
    }
    ctl_view_release(&v);
    return rc;
}

int ctl_cluster_transfer(struct ctl *ctl, char **args, int n_args)
{
    struct ctl_reply reply = {0};
    json_t *body;
    json_int_t id;
    int rc;

    if (n_args == 1 && (rc = ctl_node_id(args[0], &id)) != CTL_OK) {
        return rc;
    }
    body = json_object();
    if (n_args == 1) {
        json_object_set_new(body, "to", json_integer(id));
    }
    rc = ctl_call(ctl, "/v1/cluster/transfer", body, &reply);
    if (rc == CTL_OK && reply.body != NULL) {
        rc = ctl->options.json ? ctl_show_json(reply.body) : ctl_show_fields(reply.body);
    }
    ctl_reply_release(&reply);
    return rc;
}

/* Who belongs to the cluster: the calls that change it one by one, and `replace`, which makes all
 * of them in their order.
 *
 * Each call asks for a state of things, not for a step: what is so already is answered as done. So
 * every command here can be given again, after a time-out as after Ctrl-C, and goes on where the
 * cluster is. */
#include "cluster-config/ctl.h"

#include <string.h>

enum { LOOK_EVERY_MS = 300, ASK_EVERY_MS = 10000, PATH_BYTES = 96, TEXT_MAX = 160 };

static int show(struct ctl *ctl, const struct ctl_reply *reply)
{
    return ctl->options.json ? ctl_show_json(reply->body) : ctl_show_fields(reply->body);
}

static int add(struct ctl *ctl, json_int_t id, const char *address, struct ctl_reply *reply)
{
    json_t *body = json_object();

    json_object_set_new(body, "id", json_integer(id));
    json_object_set_new(body, "address", json_string(address));
    return ctl_call(ctl, "/v1/cluster/members", body, reply);
}

static void member_path(char path[static PATH_BYTES], json_int_t id, const char *action)
{
    snprintf(path, PATH_BYTES, "/v1/cluster/members/%" JSON_INTEGER_FORMAT "%s", id, action);
}

/* Looks until it is worth asking again whether the node may have its vote, telling how far it is.
 * False when `deadline` has come; `text` then says how far. */
static bool wait_near(struct ctl *ctl, json_int_t id, uint64_t deadline,
                      struct ctl_progress *progress, char text[static TEXT_MAX])
{
    uint64_t ask_again = ctl_now_ms() + ASK_EVERY_MS;

    for (;;) {
        struct ctl_view v;
        bool near;

        ctl_view_take(ctl, &v);
        ctl_view_progress(&v, id, text, TEXT_MAX);
        near = ctl_view_near(&v, id);
        ctl_view_release(&v);
        ctl_progress(progress, "node %" JSON_INTEGER_FORMAT ": %s", id, text);
        if (ctl_now_ms() >= deadline) {
            return false;
        }
        ctl_pause_ms(LOOK_EVERY_MS);
        if (near || ctl_now_ms() >= ask_again) {
            return true;
        }
    }
}

/* Asks until the node has caught up, for --wait at most. The leader decides what that is; each
 * question is a line in its log, so it is not asked while the answer is plain. */
static int promote(struct ctl *ctl, json_int_t id, struct ctl_reply *reply)
{
    uint64_t deadline = ctl_now_ms() + ctl->options.wait_ms;
    struct ctl_progress progress = {0};
    char path[PATH_BYTES];
    char text[TEXT_MAX];
    bool waiting;
    int rc;

    member_path(path, id, "/promote");
    ctl->expected = "not_caught_up";
    do {
        ctl_reply_release(reply);
        rc = ctl_send(ctl, "POST", path, NULL, reply);
        waiting = rc == CTL_REFUSED && ctl_is_problem(reply, "not_caught_up");
    } while (waiting && wait_near(ctl, id, deadline, &progress, text));
    ctl->expected = NULL;
    ctl_progress_end(&progress);
    if (waiting) {
        rc = ctl_fail(CTL_REFUSED,
                      "node %" JSON_INTEGER_FORMAT " has not caught up in time (%s); the same "
                      "command goes on waiting, --wait says for how long",
                      id, text);
    }
    return rc;
}

int ctl_cluster_add(struct ctl *ctl, char **args, int n_args)
{
    struct ctl_reply reply = {0};
    json_int_t id;
    int rc = ctl_node_id(args[0], &id);

    (void)n_args;
    if (rc == CTL_OK) {
        rc = add(ctl, id, args[1], &reply);
    }
    if (rc == CTL_OK) {
        rc = show(ctl, &reply);
    }
    ctl_reply_release(&reply);
    return rc;
}

int ctl_cluster_promote(struct ctl *ctl, char **args, int n_args)
{
    struct ctl_reply reply = {0};
    json_int_t id;
    int rc = ctl_node_id(args[0], &id);

    (void)n_args;
    if (rc == CTL_OK) {
        rc = promote(ctl, id, &reply);
    }
    if (rc == CTL_OK) {
        rc = show(ctl, &reply);
    }
    ctl_reply_release(&reply);
    return rc;
}

/* One call for one member that is named by its id. */
static int change(struct ctl *ctl, const char *id_text, const char *method, const char *action)
{
    struct ctl_reply reply = {0};
    char path[PATH_BYTES];
    json_int_t id;
    int rc = ctl_node_id(id_text, &id);

    if (rc == CTL_OK) {
        member_path(path, id, action);
        rc = ctl_send(ctl, method, path, NULL, &reply);
    }
    if (rc == CTL_OK && reply.status == 404) { /* an attempt that was not answered removed it */
        json_decref(reply.body);
        reply.body = json_pack("{s:I,s:b}", "id", id, "removed", 1);
    }
    if (rc == CTL_OK) {
        rc = show(ctl, &reply);
    }
    ctl_reply_release(&reply);
    return rc;
}

int ctl_cluster_demote(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return change(ctl, args[0], "POST", "/demote");
}

int ctl_cluster_remove(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return change(ctl, args[0], "DELETE", "");
}

/* --- replace --- */

struct replacement {
    json_int_t old, new;
    const char *address;
    bool has_old; /* still a member */
    bool has_new; /* a member already */
    bool raised;  /* it has a vote, or the old one has none either */
};

static bool role_is(const json_t *member, const char *role)
{
    const char *text = json_string_value(json_object_get(member, "role"));

    return text != NULL && strcmp(text, role) == 0;
}

/* Where the cluster is: how much of the dance is done. */
static int look(struct ctl *ctl, struct replacement *r)
{
    struct ctl_view v;
    const json_t *old, *new;
    const char *address;
    int rc = CTL_OK;

    ctl_view_take(ctl, &v);
    old = ctl_view_member(&v, r->old);
    new = ctl_view_member(&v, r->new);
    address = json_string_value(json_object_get(new, "address"));
    r->has_old = old != NULL;
    r->has_new = new != NULL;
    r->raised = role_is(new, "voter") || role_is(old, "standby");
    if (v.best == NULL) {
        rc = v.denied ? ctl_fail(CTL_CREDENTIALS, "the key may not see the cluster")
                      : ctl_fail(CTL_UNAVAILABLE, "no endpoint answered");
    } else if (old == NULL && new == NULL) {
        rc = ctl_fail(CTL_REFUSED,
                      "neither node %" JSON_INTEGER_FORMAT " nor node %" JSON_INTEGER_FORMAT
                      " is a member",
                      r->old, r->new);
    } else if (address != NULL && strcmp(address, r->address) != 0) {
        rc = ctl_fail(CTL_REFUSED,
                      "node %" JSON_INTEGER_FORMAT " is a member already, with the address %s",
                      r->new, address);
    }
    ctl_view_release(&v);
    return rc;
}

static int add_new(struct ctl *ctl, const struct replacement *r)
{
    struct ctl_reply reply = {0};
    int rc;

    ctl_say(ctl, "node %" JSON_INTEGER_FORMAT ": adding it at %s", r->new, r->address);
    rc = add(ctl, r->new, r->address, &reply);
    ctl_reply_release(&reply);
    return rc;
}

static int raise_new(struct ctl *ctl, const struct replacement *r)
{
    struct ctl_reply reply = {0};
    int rc;

    ctl_say(ctl, "node %" JSON_INTEGER_FORMAT ": making it a voter, once it has caught up", r->new);
    rc = promote(ctl, r->new, &reply);
    ctl_reply_release(&reply);
    return rc;
}

static int remove_old(struct ctl *ctl, const struct replacement *r)
{
    struct ctl_reply reply = {0};
    char path[PATH_BYTES];
    int rc;

    ctl_say(ctl, "node %" JSON_INTEGER_FORMAT ": removing it", r->old);
    member_path(path, r->old, "");
    rc = ctl_send(ctl, "DELETE", path, NULL, &reply);
    ctl_reply_release(&reply);
    return rc;
}

int ctl_cluster_replace(struct ctl *ctl, char **args, int n_args)
{
    struct replacement r = {.address = args[2]};
    int rc = ctl_node_id(args[0], &r.old);

    (void)n_args;
    if (rc == CTL_OK) {
        rc = ctl_node_id(args[1], &r.new);
    }
    if (rc == CTL_OK && r.old == r.new) {
        rc = ctl_fail(CTL_USAGE, "a node that lost its data comes back under a new id: its old one "
                                 "has voted, and must not vote again");
    }
    if (rc == CTL_OK) {
        rc = look(ctl, &r);
    }
    if (rc == CTL_OK && !r.has_new) {
        rc = add_new(ctl, &r);
    }
    if (rc == CTL_OK && !r.raised) {
        rc = raise_new(ctl, &r);
    }
    if (rc == CTL_OK && r.has_old) {
        rc = remove_old(ctl, &r);
    }
    if (rc == CTL_OK) {
        ctl_say(ctl, "node %" JSON_INTEGER_FORMAT " stands in for node %" JSON_INTEGER_FORMAT,
                r.new, r.old);
    }
    return rc == CTL_OK ? ctl_members_show(ctl) : rc;
}

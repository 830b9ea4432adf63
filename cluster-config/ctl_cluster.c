/* The cluster as each node sees it. Every endpoint is asked once: a node that does not answer is a
 * row of the table, not a reason to ask another. */
#include "cluster-config/ctl.h"

#include <inttypes.h>
#include <string.h>

#include "cluster-config/value.h"
#include "statemachine/bytes.h"

enum { STATUS_TRY_MS = 2000 };

/* The row of one endpoint; takes nothing over. */
static json_t *row_of(struct ctl *ctl, unsigned endpoint, bool *answered)
{
    struct ctl_reply reply = {0};
    struct fault fault = {""};
    json_t *row = NULL;
    bool up = ctl_http_try(ctl, endpoint, "/v1/cluster", NULL, STATUS_TRY_MS, &reply, &fault) ==
              TRY_ANSWERED;

    *answered = up && reply.status == 200 && json_is_object(reply.body);
    if (*answered) {
        row = json_incref(reply.body);
    } else {
        row = json_object();
        if (up) {
            const char *code = json_string_value(json_object_get(reply.body, "code"));
            json_object_set_new(row, "state", json_string(code != NULL ? code : "error"));
            json_object_set_new(row, "status", json_integer(reply.status));
        } else {
            json_object_set_new(row, "state", json_string("unreachable"));
            json_object_set_new(row, "why", json_string(fault.text));
        }
    }
    json_object_set_new(row, "endpoint", json_string(ctl->endpoints[endpoint]));
    ctl_reply_release(&reply);

    struct ctl_reply ready = {0};
    up = up && ctl_http_try(ctl, endpoint, "/readyz", NULL, STATUS_TRY_MS, &ready, &fault) ==
                   TRY_ANSWERED;
    json_object_set_new(row, "ready", json_string(up && ready.status == 200 ? "yes" : "no"));
    ctl_reply_release(&ready);
    return row;
}

static int show(struct ctl *ctl, const json_t *rows, const json_t *first)
{
    static const char *const columns[] = {"endpoint",    "node",   "state",        "ready",
                                          "term",        "leader", "commit_index", "applied_index",
                                          "applied_seq", NULL};
    static const char *const members[] = {"id",        "address",     "role",
                                          "connected", "match_index", NULL};
    int rc;

    if (ctl->options.json) {
        return ctl_show_json(rows);
    }
    rc = ctl_show_rows(rows, columns);
    json_t *list = json_object_get(first, "members");
    if (rc == CTL_OK && json_is_array(list)) {
        puts("\nmembers");
        rc = ctl_show_rows(list, members);
    }
    return rc;
}

int ctl_cluster_status(struct ctl *ctl, char **args, int n_args)
{
    json_t *rows = json_array();
    const json_t *view = NULL; /* whose list of members is shown: the leader's, if it answered */
    unsigned n_answered = 0;
    bool denied = false;
    int rc;

    (void)args;
    (void)n_args;
    for (unsigned i = 0; i < ctl->n_endpoints; i++) {
        bool answered;
        json_t *row = row_of(ctl, i, &answered);
        const char *state = json_string_value(json_object_get(row, "state"));
        json_int_t status = json_integer_value(json_object_get(row, "status"));

        json_array_append_new(rows, row);
        n_answered += answered;
        denied = denied || (!answered && (status == 401 || status == 403));
        if (answered && (view == NULL || (state != NULL && strcmp(state, "leader") == 0))) {
            view = row;
        }
    }
    rc = show(ctl, rows, view);
    json_decref(rows);
    if (rc == CTL_OK && n_answered == 0) {
        return denied ? ctl_fail(CTL_CREDENTIALS, "the key may not see the cluster")
                      : ctl_fail(CTL_UNAVAILABLE, "no endpoint answered");
    }
    return rc;
}

int ctl_cluster_transfer(struct ctl *ctl, char **args, int n_args)
{
    struct ctl_reply reply = {0};
    json_t *body = json_object();
    uint64_t id;
    int rc;

    if (n_args == 1) {
        if (value_number(slice_of(args[0]), &id) != 0 || id < 1 || id > INT64_MAX) {
            json_decref(body);
            return ctl_fail(CTL_USAGE, "the node id is not a number from 1 on");
        }
        json_object_set_new(body, "to", json_integer((json_int_t)id));
    }
    rc = ctl_call(ctl, "/v1/cluster/transfer", body, &reply);
    if (rc == CTL_OK && reply.body != NULL) {
        rc = ctl->options.json ? ctl_show_json(reply.body) : ctl_show_fields(reply.body);
    }
    ctl_reply_release(&reply);
    return rc;
}

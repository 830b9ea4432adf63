/* The cluster as each node sees it. Every endpoint is asked once: a node that does not answer is a
 * row of the table, not a reason to ask another. */
#include "cluster-config/ctl.h"

#include <inttypes.h>
#include <string.h>

#include "cluster-config/value.h"
#include "statemachine/bytes.h"

enum { STATUS_TRY_MS = 2000 };

json_t *ctl_cluster_row(struct ctl *ctl, unsigned endpoint, uint64_t timeout_ms, bool *answered)
{
    struct ctl_reply reply = {0};
    struct fault fault = {""};
    json_t *row = NULL;
    bool up = ctl_http_try(ctl, endpoint, "/v1/cluster", NULL, timeout_ms, &reply, &fault) ==
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
    up = up &&
         ctl_http_try(ctl, endpoint, "/readyz", NULL, timeout_ms, &ready, &fault) == TRY_ANSWERED;
    json_object_set_new(row, "ready", json_string(up && ready.status == 200 ? "yes" : "no"));
    ctl_reply_release(&ready);
    return row;
}

static int show(struct ctl *ctl, const json_t *rows)
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
    json_t *list = json_object_get(ctl_cluster_view(rows), "members");
    if (rc == CTL_OK && json_is_array(list)) {
        puts("\nmembers");
        rc = ctl_show_rows(list, members);
    }
    return rc;
}

const json_t *ctl_cluster_view(const json_t *rows)
{
    const json_t *view = NULL;
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        const char *state = json_string_value(json_object_get(row, "state"));

        if (json_is_array(json_object_get(row, "members")) &&
            (view == NULL || (state != NULL && strcmp(state, "leader") == 0))) {
            view = row;
        }
    }
    return view;
}

int ctl_cluster_verdict(const json_t *rows)
{
    bool denied = false;
    size_t i;
    json_t *row;

    if (ctl_cluster_view(rows) != NULL) {
        return CTL_OK;
    }
    json_array_foreach(rows, i, row)
    {
        json_int_t status = json_integer_value(json_object_get(row, "status"));

        denied = denied || status == 401 || status == 403;
    }
    return denied ? ctl_fail(CTL_CREDENTIALS, "the key may not see the cluster")
                  : ctl_fail(CTL_UNAVAILABLE, "no endpoint answered");
}

int ctl_cluster_status(struct ctl *ctl, char **args, int n_args)
{
    json_t *rows = json_array();
    int rc;

    (void)args;
    (void)n_args;
    for (unsigned i = 0; i < ctl->n_endpoints; i++) {
        bool answered;

        json_array_append_new(rows, ctl_cluster_row(ctl, i, STATUS_TRY_MS, &answered));
    }
    rc = show(ctl, rows);
    if (rc == CTL_OK) {
        rc = ctl_cluster_verdict(rows);
    }
    json_decref(rows);
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

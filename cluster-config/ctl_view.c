/* The cluster as each node sees it, for status and for the commands that wait for it. Every
 * endpoint is asked once: a node that does not answer is a row, not a reason to ask another. */
#include "cluster-config/ctl.h"

#include <inttypes.h>
#include <string.h>

#include "cluster-config/value.h"

enum { LOOK_MS = 2000, NEAR_ENTRIES = 1000 };

/* The row of one endpoint. */
static json_t *row_of(struct ctl *ctl, unsigned endpoint, bool *answered)
{
    static const struct ctl_request ask_cluster = {"GET", "/v1/cluster", NULL};
    static const struct ctl_request ask_ready = {"GET", "/readyz", NULL};
    struct ctl_reply reply = {0};
    struct fault fault = {""};
    json_t *row;
    bool up = ctl_http_try(ctl, endpoint, &ask_cluster, LOOK_MS, &reply, &fault) == TRY_ANSWERED;

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

    up = up && ctl_http_try(ctl, endpoint, &ask_ready, LOOK_MS, &reply, &fault) == TRY_ANSWERED;
    json_object_set_new(row, "ready", json_string(up && reply.status == 200 ? "yes" : "no"));
    ctl_reply_release(&reply);
    return row;
}

static bool leads(const json_t *row)
{
    const char *state = json_string_value(json_object_get(row, "state"));

    return state != NULL && strcmp(state, "leader") == 0;
}

void ctl_view_take(struct ctl *ctl, struct ctl_view *v)
{
    *v = (struct ctl_view){.rows = json_array()};
    for (unsigned i = 0; i < ctl->n_endpoints; i++) {
        bool answered;
        json_t *row = row_of(ctl, i, &answered);
        json_int_t status = json_integer_value(json_object_get(row, "status"));

        json_array_append_new(v->rows, row);
        v->denied = v->denied || (!answered && (status == 401 || status == 403));
        if (answered && (v->best == NULL || leads(row))) {
            v->best = row;
        }
    }
}

void ctl_view_release(struct ctl_view *v)
{
    json_decref(v->rows);
    *v = (struct ctl_view){0};
}

bool ctl_view_has_leader(const struct ctl_view *v)
{
    return leads(v->best);
}

/* The object of a list whose `key` is this number, or NULL. */
static json_t *find(const json_t *list, const char *key, json_int_t id)
{
    json_t *object;
    size_t i;

    json_array_foreach(list, i, object)
    {
        if (json_integer_value(json_object_get(object, key)) == id) {
            return object;
        }
    }
    return NULL;
}

json_t *ctl_view_member(const struct ctl_view *v, json_int_t id)
{
    return find(json_object_get(v->best, "members"), "id", id);
}

json_t *ctl_view_node(const struct ctl_view *v, json_int_t id)
{
    return find(v->rows, "node", id);
}

/* The copy that a node sends to this member, as any of the rows tells; NULL: none. */
static const json_t *copy_to(const struct ctl_view *v, json_int_t id)
{
    json_t *row, *copy;
    size_t i, k;

    json_array_foreach(v->rows, i, row)
    {
        json_array_foreach(json_object_get(row, "copies"), k, copy)
        {
            const char *direction = json_string_value(json_object_get(copy, "direction"));

            if (direction != NULL && strcmp(direction, "sending") == 0 &&
                json_integer_value(json_object_get(copy, "peer")) == id) {
                return copy;
            }
        }
    }
    return NULL;
}

static double mib(const json_t *object, const char *key)
{
    return (double)json_integer_value(json_object_get(object, key)) / (1 << 20);
}

void ctl_view_progress(const struct ctl_view *v, json_int_t id, char *text, size_t cap)
{
    const json_t *member = ctl_view_member(v, id);
    const json_t *copy = copy_to(v, id);
    json_int_t match = json_integer_value(json_object_get(member, "match_index"));

    if (v->best == NULL) {
        snprintf(text, cap, "no endpoint answers");
    } else if (member == NULL) {
        snprintf(text, cap, "it is not a member");
    } else if (copy != NULL) {
        snprintf(text, cap,
                 "gets the state: %.1f of %.1f MiB, %" JSON_INTEGER_FORMAT " %%, %.1f MiB/s",
                 mib(copy, "bytes"), mib(copy, "total"),
                 json_integer_value(json_object_get(copy, "percent")), mib(copy, "bytes_per_s"));
    } else if (!ctl_view_has_leader(v)) {
        snprintf(text, cap, "no endpoint's node leads");
    } else if (!json_is_true(json_object_get(member, "connected"))) {
        snprintf(text, cap, "not connected: does it run, and is its address right?");
    } else {
        snprintf(text, cap,
                 "has entry %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " of the log", match,
                 json_integer_value(json_object_get(v->best, "last_index")));
    }
}

bool ctl_view_behind(const struct ctl_view *v, json_int_t id)
{
    const json_t *member = ctl_view_member(v, id);

    return copy_to(v, id) != NULL ||
           (ctl_view_has_leader(v) && !json_is_true(json_object_get(member, "connected")));
}

bool ctl_view_near(const struct ctl_view *v, json_int_t id)
{
    const json_t *member = ctl_view_member(v, id);
    json_int_t match = json_integer_value(json_object_get(member, "match_index"));
    json_int_t last = json_integer_value(json_object_get(v->best, "last_index"));

    return ctl_view_has_leader(v) && json_is_true(json_object_get(member, "connected")) &&
           copy_to(v, id) == NULL && last - match <= NEAR_ENTRIES;
}

int ctl_node_id(const char *text, json_int_t *id)
{
    uint64_t number;

    if (value_number(slice_of(text), &number) != 0 || number < 1 || number > INT64_MAX) {
        return ctl_fail(CTL_USAGE, "\"%s\" is not a node's id; expected a number from 1 on", text);
    }
    *id = (json_int_t)number;
    return CTL_OK;
}

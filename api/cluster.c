/* The node and the cluster: state, hand-over, health, figures. */
#include <stdlib.h>

#include "api/fields.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/routes.h"

static int ask_status(struct exchange *x, struct cluster_status *status)
{
    struct ticket *t = ticket_new(TICKET_STATUS);
    int result = ask_submit(x->api->gate, t, x->timeout_ms, &x->problem);

    if (result == 0 && t->out.len != sizeof *status) {
        result = problem_set(&x->problem, PROBLEM_INTERNAL, "%s", "");
    }
    if (result == 0) {
        memcpy(status, t->out.base, sizeof *status);
    }
    ticket_release(t);
    return result;
}

static void put_node(struct writer *w, const char *key, uint64_t id)
{
    writer_key(w, key);
    if (id == 0) {
        writer_null(w);
    } else {
        writer_u64(w, id);
    }
}

static const char *member_role(enum member_role role)
{
    switch (role) {
    case MEMBER_STANDBY:
        return "standby";
    case MEMBER_VOTER:
        return "voter";
    case MEMBER_SPARE:
        return "spare";
    }
    return "unknown";
}

static void write_members(struct writer *w, const struct cluster_status *s)
{
    bool leads = s->leader_id == s->node_id;
    uint32_t i;

    writer_key(w, "members");
    writer_open_list(w);
    for (i = 0; i < s->n_members && i < STATUS_MEMBERS_MAX; i++) {
        writer_open_map(w);
        writer_put_u64(w, "id", s->members[i].id);
        writer_put_string(w, "address", s->members[i].address);
        writer_put_string(w, "role", member_role(s->members[i].role));
        writer_put_bool(w, "connected", s->members[i].connected);
        if (leads) {
            writer_put_u64(w, "match_index", s->members[i].match_index);
        }
        writer_close_map(w);
    }
    writer_close_list(w);
}

static void write_disk(struct writer *w, const struct cluster_status *s)
{
    writer_key(w, "disk");
    writer_open_map(w);
    writer_put_u64(w, "free_bytes", s->disk_free_bytes);
    writer_put_u64(w, "reserve_bytes", s->disk_reserve_bytes);
    writer_put_bool(w, "short", s->short_of_room);
    writer_put_bool(w, "writes_refused", s->no_room);
    writer_close_map(w);
}

int handle_cluster(struct exchange *x)
{
    struct cluster_status s;
    struct gate_view view;
    char clock[TIME_TEXT_MAX];
    struct writer *w = &x->w;

    if (ask_status(x, &s) != 0) {
        return -1;
    }
    gate_view(x->api->gate, &view);
    time_render(s.clock_ms, clock);
    writer_open_map(w);
    writer_put_u64(w, "node", s.node_id);
    writer_put_string(w, "state", s.state);
    put_node(w, "leader", s.leader_id);
    writer_put_u64(w, "term", s.term);
    writer_put_bool(w, "ready", view.ready);
    writer_put_bool(w, "stopping", view.stopping);
    writer_put_u64(w, "first_index", s.first_index);
    writer_put_u64(w, "last_index", s.last_index);
    writer_put_u64(w, "stored_index", s.stored_index);
    writer_put_u64(w, "commit_index", s.commit_index);
    writer_put_u64(w, "applied_index", s.applied_index);
    writer_put_u64(w, "checkpoint_index", s.checkpoint_index);
    writer_put_u64(w, "applied_seq", s.applied_seq);
    writer_put_string(w, "clock", clock);
    write_members(w, &s);
    write_disk(w, &s);
    writer_close_map(w);
    return 0;
}

int handle_transfer(struct exchange *x)
{
    static const struct field fields[] = {{"to", FIELD_NODE, 0, false}};
    struct gate_view view;
    struct ticket *t;
    uint64_t to = 0;
    int result;

    if (x->json != NULL && fields_read(x->json, fields, 1, &to, &x->problem) != 0) {
        return -1;
    }
    t = ticket_new(TICKET_TRANSFER);
    t->target = to;
    result = ask_submit(x->api->gate, t, x->timeout_ms, &x->problem);
    ticket_release(t);
    if (result == 0) {
        gate_view(x->api->gate, &view);
        writer_open_map(&x->w);
        put_node(&x->w, "leader", view.leader_id);
        writer_close_map(&x->w);
    }
    return result;
}

int handle_health(struct exchange *x)
{
    writer_open_map(&x->w);
    writer_put_string(&x->w, "status", "alive");
    writer_close_map(&x->w);
    return 0;
}

int handle_ready(struct exchange *x)
{
    const struct query q = {.type = QUERY_HEAD};
    struct ticket *held;
    struct answer a;

    if (ask_query(x->api->gate, TICKET_QUERY, &q,
                  x->timeout_ms < READY_TIMEOUT_MS ? x->timeout_ms : READY_TIMEOUT_MS, &held, &a,
                  &x->problem) != 0) {
        return -1;
    }
    ticket_release(held);
    writer_open_map(&x->w);
    writer_put_string(&x->w, "status", "ready");
    writer_close_map(&x->w);
    return 0;
}

int handle_metrics(struct exchange *x)
{
    struct metrics_label *labels = calloc((size_t)routes_count, sizeof *labels);
    struct cluster_status status;
    bool known;
    int i;

    if (labels == NULL) {
        return problem_set(&x->problem, PROBLEM_OVERLOADED, "%s", "");
    }
    for (i = 0; i < routes_count; i++) {
        labels[i] = (struct metrics_label){routes[i].method, routes[i].path};
    }
    known = ask_status(x, &status) == 0;
    x->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write(x->api->metrics, labels, known ? &status : NULL, x->out);
    free(labels);
    return 0;
}

/* The node and the cluster: state, health, figures. */
#include <stdlib.h>

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

static uint64_t percent(const struct status_copy *c)
{
    if (c->total == 0) {
        return 0;
    }
    /* The total is an estimate, which the bytes may pass. */
    return c->bytes >= c->total ? 100 : c->bytes * 100 / c->total;
}

static void write_copy(struct writer *w, const char *direction, const struct status_copy *c)
{
    if (c->peer == 0) {
        return;
    }
    writer_open_map(w);
    writer_put_string(w, "direction", direction);
    writer_put_u64(w, "peer", c->peer);
    writer_put_u64(w, "bytes", c->bytes);
    writer_put_u64(w, "total", c->total);
    writer_put_u64(w, "percent", percent(c));
    writer_put_u64(w, "bytes_per_s", c->bytes_per_s);
    writer_close_map(w);
}

static void write_copies(struct writer *w, const struct cluster_status *s)
{
    int i;

    writer_key(w, "copies");
    writer_open_list(w);
    write_copy(w, "fetching", &s->fetch);
    for (i = 0; i < STATUS_SENDS_MAX; i++) {
        write_copy(w, "sending", &s->sends[i]);
    }
    writer_close_list(w);
}

static void write_formats(struct writer *w, const struct status_formats *f)
{
    writer_key(w, "formats");
    writer_open_map(w);
    writer_put_u64(w, "entry", f->entry);
    writer_put_u64(w, "log", f->log);
    writer_put_u64(w, "snapshot", f->snapshot);
    writer_put_u64(w, "link", f->link);
    writer_put_u64(w, "message", f->message);
    writer_close_map(w);
}

int handle_cluster(struct exchange *x)
{
    struct cluster_status s;
    struct gate_view view;
    char clock[TIME_TEXT_MAX], started[TIME_TEXT_MAX];
    struct writer *w = &x->w;

    if (ask_status(x, &s) != 0) {
        return -1;
    }
    gate_view(x->api->gate, &view);
    time_render(s.clock_ms, clock);
    time_render(x->api->started_ms, started);
    writer_open_map(w);
    writer_put_u64(w, "node", s.node_id);
    writer_put_string(w, "state", s.state);
    render_node(w, "leader", s.leader_id);
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
    writer_put_string(w, "started_at", started);
    write_members(w, &s);
    write_disk(w, &s);
    writer_put_u64(w, "members_index", s.members_index);
    writer_put_u64(w, "highest_member_id", s.highest_member_id);
    writer_put_bool(w, "change_under_way", s.change_index != 0);
    write_copies(w, &s);
    write_formats(w, &s.formats);
    writer_close_map(w);
    return 0;
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
    /* A node with much to do is ready: taken out by a proxy, it would leave its load to the others,
     * who have as much. */
    const struct asker asker = {.name = x->request_id,
                                .timeout_ms = x->timeout_ms < READY_TIMEOUT_MS ? x->timeout_ms
                                                                               : READY_TIMEOUT_MS,
                                .exempt = true};
    struct ticket *held;
    struct answer a;

    if (ask_query(x->api->gate, TICKET_QUERY, &q, &asker, &held, &a, &x->problem) != 0) {
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

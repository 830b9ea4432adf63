#include "api/metrics.h"
#include "api/metrics_private.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Every status that we answer; another one is counted in the last place. */
static const int statuses[] = {200, 201, 400, 401, 403, 404, 405, 409, 411,
                               413, 415, 422, 429, 500, 503, 504, 505, 0};
enum { STATUSES = sizeof statuses / sizeof *statuses };

struct route_counts {
    atomic_ullong by_status[STATUSES];
    atomic_ullong bucket[STATUS_BUCKETS];
    atomic_ullong sum_us;
};

struct metrics {
    int n_routes;
    atomic_ullong cut;
    atomic_ullong https, https_open, https_failed;
    atomic_llong https_end_s;     /* 0: no HTTPS */
    struct route_counts counts[]; /* the last one is that of no route */
};

struct metrics *metrics_new(int n_routes)
{
    struct metrics *m = calloc(1, sizeof *m + ((size_t)n_routes + 1) * sizeof(struct route_counts));

    if (m == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    m->n_routes = n_routes;
    return m;
}

void metrics_free(struct metrics *m)
{
    free(m);
}

static void add(atomic_ullong *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t read_counter(const atomic_ullong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_count(struct metrics *m, int route, int status, uint64_t duration_us)
{
    struct route_counts *c = &m->counts[route < 0 || route >= m->n_routes ? m->n_routes : route];
    size_t i = 0;
    size_t b = 0;

    while (statuses[i] != 0 && statuses[i] != status) {
        i++;
    }
    while (status_bucket_us[b] != 0 && duration_us > status_bucket_us[b]) {
        b++;
    }
    add(&c->by_status[i], 1);
    add(&c->bucket[b], 1);
    add(&c->sum_us, duration_us);
}

void metrics_count_cut(struct metrics *m)
{
    add(&m->cut, 1);
}

void metrics_count_https(struct metrics *m, uint64_t open)
{
    add(&m->https, 1);
    metrics_set_https_connections(m, open);
}

void metrics_set_https_connections(struct metrics *m, uint64_t open)
{
    atomic_store_explicit(&m->https_open, open, memory_order_relaxed);
}

void metrics_count_https_failed(struct metrics *m)
{
    add(&m->https_failed, 1);
}

void metrics_set_https_end(struct metrics *m, int64_t unix_s)
{
    atomic_store_explicit(&m->https_end_s, unix_s, memory_order_relaxed);
}

static void line(struct bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct bytes *out, const char *format, ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bytes_append(out, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
    bytes_append_u8(out, '\n');
}

static void head(struct bytes *out, const char *name, const char *type, const char *help)
{
    line(out, "# HELP %s %s", name, help);
    line(out, "# TYPE %s %s", name, type);
}

void metrics_one(struct bytes *out, const char *name, const char *type, const char *help,
                 uint64_t value)
{
    head(out, name, type, help);
    line(out, "%s %llu", name, (unsigned long long)value);
}

/* Microseconds as seconds, exactly: no float anywhere near a figure. */
struct seconds {
    char text[32];
};

static struct seconds seconds_of(uint64_t us)
{
    struct seconds s;

    snprintf(s.text, sizeof s.text, "%llu.%06llu", (unsigned long long)(us / 1000000),
             (unsigned long long)(us % 1000000));
    return s;
}

void metrics_seconds(struct bytes *out, const char *name, const char *type, const char *help,
                     uint64_t us)
{
    head(out, name, type, help);
    line(out, "%s %s", name, seconds_of(us).text);
}

/* One series; `label` is like `route="x",` or empty. */
static void histogram(struct bytes *out, const char *name, const char *label,
                      const uint64_t bucket[STATUS_BUCKETS], uint64_t sum_us)
{
    uint64_t count = 0;
    int trimmed = (int)strlen(label) - (label[0] == '\0' ? 0 : 1); /* without the comma */
    size_t i;

    for (i = 0; i < STATUS_BUCKETS; i++) {
        struct seconds bound = seconds_of(status_bucket_us[i]);

        count += bucket[i];
        line(out, "%s_bucket{%sle=\"%s\"} %llu", name, label,
             status_bucket_us[i] == 0 ? "+Inf" : bound.text, (unsigned long long)count);
    }
    line(out, "%s_sum{%.*s} %s", name, trimmed, label, seconds_of(sum_us).text);
    line(out, "%s_count{%.*s} %llu", name, trimmed, label, (unsigned long long)count);
}

static void write_http(const struct metrics *m, const struct metrics_label *labels,
                       struct bytes *out)
{
    static const struct metrics_label none = {"any", "none"};
    uint64_t bucket[STATUS_BUCKETS];
    char label[160];
    int r;
    size_t i;

    head(out, "florin_http_requests_total", "counter", "Requests answered.");
    for (r = 0; r <= m->n_routes; r++) {
        const struct metrics_label *l = r == m->n_routes ? &none : &labels[r];

        for (i = 0; i < STATUSES; i++) {
            uint64_t n = read_counter(&m->counts[r].by_status[i]);

            if (n > 0) {
                line(out,
                     "florin_http_requests_total{route=\"%s\",method=\"%s\",status=\"%d\"} %llu",
                     l->path, l->method, statuses[i], (unsigned long long)n);
            }
        }
    }
    head(out, "florin_http_request_seconds", "histogram",
         "From the parsed request to the sent answer.");
    for (r = 0; r <= m->n_routes; r++) {
        const struct metrics_label *l = r == m->n_routes ? &none : &labels[r];
        uint64_t any = 0;

        for (i = 0; i < STATUS_BUCKETS; i++) {
            bucket[i] = read_counter(&m->counts[r].bucket[i]);
            any |= bucket[i];
        }
        if (any != 0) {
            snprintf(label, sizeof label, "route=\"%s\",method=\"%s\",", l->path, l->method);
            histogram(out, "florin_http_request_seconds", label, bucket,
                      read_counter(&m->counts[r].sum_us));
        }
    }
    metrics_one(out, "florin_http_connections_cut_total", "counter",
                "Slow connections cut because no thread was free.", read_counter(&m->cut));
}

static void write_https(const struct metrics *m, struct bytes *out)
{
    long long end_s = atomic_load_explicit(&m->https_end_s, memory_order_relaxed);

    if (end_s == 0) {
        return;
    }
    metrics_one(out, "florin_https_connections_total", "counter", "TLS connections of clients.",
                read_counter(&m->https));
    metrics_one(out, "florin_https_connections", "gauge", "Those that are open.",
                read_counter(&m->https_open));
    metrics_one(out, "florin_https_handshakes_failed_total", "counter",
                "TLS handshakes of clients that failed or took too long.",
                read_counter(&m->https_failed));
    metrics_one(out, "florin_https_certificate_end_seconds", "gauge",
                "When the certificate shown to clients ends, Unix time.", (uint64_t)end_s);
}

static void write_raft(const struct cluster_status *s, struct bytes *out)
{
    metrics_one(out, "florin_leader", "gauge", "1 on the node that leads.",
                s->leader_id == s->node_id);
    metrics_one(out, "florin_leader_known", "gauge", "1 when this node knows a leader.",
                s->leader_id != 0);
    metrics_one(out, "florin_term", "gauge", "Raft's term.", s->term);
    metrics_one(out, "florin_first_index", "gauge", "First index in the log.", s->first_index);
    metrics_one(out, "florin_last_index", "gauge", "Last index in the log.", s->last_index);
    metrics_one(out, "florin_stored_index", "gauge", "Last index that is durable here.",
                s->stored_index);
    metrics_one(out, "florin_commit_index", "gauge", "Last index known to be committed.",
                s->commit_index);
    metrics_one(out, "florin_applied_index", "gauge", "Last index applied here.", s->applied_index);
    metrics_one(out, "florin_applied_seq", "gauge", "Last sequence number of the ledger here.",
                s->applied_seq);
    metrics_one(out, "florin_checkpoint_index", "gauge",
                "Applied index of the last durable checkpoint.", s->checkpoint_index);
    metrics_one(out, "florin_leader_changes_total", "counter",
                "Times another leader was learnt of.", s->leader_changes);
    metrics_one(out, "florin_elections_won_total", "counter", "Times this node became leader.",
                s->elections_won);
    metrics_one(out, "florin_members", "gauge", "Members of the cluster.", s->n_members);
    metrics_one(out, "florin_entries_committed_total", "counter", "Log entries committed.",
                s->entries_committed);
    metrics_one(out, "florin_commands_applied_total", "counter", "Commands applied.",
                s->commands_applied);
}

static void write_members(const struct cluster_status *s, struct bytes *out)
{
    uint32_t i;

    head(out, "florin_peer_connected", "gauge", "1 while the link to this member is up.");
    for (i = 0; i < s->n_members; i++) {
        if (s->members[i].id != s->node_id) {
            line(out, "florin_peer_connected{peer=\"%llu\"} %d",
                 (unsigned long long)s->members[i].id, s->members[i].connected);
        }
    }
    if (s->leader_id != s->node_id) {
        return;
    }
    head(out, "florin_peer_match_index", "gauge",
         "On the leader: the last index that this member is known to hold.");
    for (i = 0; i < s->n_members; i++) {
        line(out, "florin_peer_match_index{peer=\"%llu\"} %llu",
             (unsigned long long)s->members[i].id, (unsigned long long)s->members[i].match_index);
    }
}

static void write_work(const struct cluster_status *s, struct bytes *out)
{
    head(out, "florin_group_size", "summary", "Commands in one group commit led by this node.");
    line(out, "florin_group_size_sum %llu", (unsigned long long)s->group_commands);
    line(out, "florin_group_size_count %llu", (unsigned long long)s->groups);
    head(out, "florin_commit_latency_seconds", "histogram",
         "From proposed to applied, on the leader.");
    histogram(out, "florin_commit_latency_seconds", "", s->commit_latency.bucket,
              s->commit_latency.sum_us);
    head(out, "florin_log_sync_seconds", "histogram", "One write and sync of the log.");
    histogram(out, "florin_log_sync_seconds", "", s->sync_latency.bucket, s->sync_latency.sum_us);
    metrics_one(out, "florin_log_bytes_written_total", "counter", "Bytes written to the log.",
                s->log_bytes_written);
    metrics_one(out, "florin_log_syncs_total", "counter", "Syncs of the log.", s->log_syncs);
    metrics_one(out, "florin_reads_total", "counter", "Linearizable reads.", s->reads);
    metrics_one(out, "florin_barriers_total", "counter", "Barriers proposed for reads.",
                s->barriers);
    metrics_one(out, "florin_forwarded_total", "counter", "Tickets sent to the leader.",
                s->forwarded);
    metrics_one(out, "florin_repeated_total", "counter", "Tickets sent again after a lost leader.",
                s->repeated);
    metrics_one(out, "florin_overloaded_total", "counter",
                "Calls refused because too many were under way.", s->overloaded);
    metrics_one(out, "florin_writes_refused_total", "counter",
                "Tickets refused because disks were nearly full.", s->writes_refused);
    metrics_one(out, "florin_writes_refused", "gauge",
                "1 while this leader refuses writes for that.", s->no_room);
    metrics_one(out, "florin_disk_short", "gauge", "1 while this node's disk is nearly full.",
                s->short_of_room);
    metrics_one(out, "florin_disk_free_bytes", "gauge", "Free space where data_dir is.",
                s->disk_free_bytes);
    metrics_one(out, "florin_disk_reserve_bytes", "gauge", "Writes are refused when less is free.",
                s->disk_reserve_bytes);
    metrics_one(out, "florin_queue_tickets", "gauge", "Tickets waiting or under way.",
                s->queue_tickets);
    metrics_one(out, "florin_queue_limit", "gauge",
                "Tickets that may be; it falls when they take longer than queue_target.",
                s->queue_limit);
    metrics_one(out, "florin_queue_bytes", "gauge", "Their bytes.", s->queue_bytes);
    metrics_one(out, "florin_changes_bytes", "gauge",
                "Changes in memory since the last checkpoint.", s->changes_bytes);
    metrics_one(out, "florin_reading_ids", "gauge",
                "1 while known ids are read for the filter: until then each new one is looked up.",
                s->reading_ids);
    metrics_one(out, "florin_checkpoints_total", "counter", "Checkpoints written.", s->checkpoints);
    metrics_seconds(out, "florin_checkpoint_seconds_total", "counter",
                    "Time spent writing checkpoints.", s->checkpoint_total_us);
    metrics_seconds(out, "florin_checkpoint_last_seconds", "gauge", "Time that the last one took.",
                    s->checkpoint_last_us);
}

void metrics_write(const struct metrics *m, const struct metrics_label *labels,
                   const struct cluster_status *status, struct bytes *out)
{
    metrics_one(out, "florin_up", "gauge", "1 when the node answers for itself.", status != NULL);
    head(out, "florin_build_info", "gauge", "The version that runs.");
    line(out, "florin_build_info{version=\"" FLORIN_VERSION "\"} 1");
    metrics_write_process(out);
    write_http(m, labels, out);
    write_https(m, out);
    if (status != NULL) {
        write_raft(status, out);
        write_members(status, out);
        write_work(status, out);
    }
}

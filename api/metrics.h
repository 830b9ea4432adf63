/* Counts requests, and writes all of a node's figures as Prometheus text.
 *
 * Counting is lock-free and allocates nothing; any thread. */
#ifndef FLORIN_METRICS_H
#define FLORIN_METRICS_H

#include "consensus/submit.h"
#include "statemachine/bytes.h"

struct metrics;

/* `n_routes` routes; route -1 stands for everything that has none. */
struct metrics *metrics_new(int n_routes);
void metrics_free(struct metrics *m);

void metrics_count(struct metrics *m, int route, int status, uint64_t duration_us);
void metrics_count_cut(struct metrics *m);

/* Of HTTPS: a connection more, `open` with it; so many are open; a handshake failed; the
 * certificate ends then (Unix seconds; until it is said, nothing of HTTPS is written). */
void metrics_count_https(struct metrics *m, uint64_t open);
void metrics_set_https_connections(struct metrics *m, uint64_t open);
void metrics_count_https_failed(struct metrics *m);
void metrics_set_https_end(struct metrics *m, int64_t unix_s);

/* How a route is called in the text. */
struct metrics_label {
    const char *method;
    const char *path;
};

/* Appends the text; `labels` has one entry for each route. `status` may be NULL when the node could
 * not tell: then only the counters of requests are written, and florin_up is 0. */
void metrics_write(const struct metrics *m, const struct metrics_label *labels,
                   const struct cluster_status *status, struct bytes *out);

#endif

#include "api/request_log.h"

#include "api/handlers.h"
#include "api/limiter.h"
#include "api/routes.h"

void request_log(const struct exchange *x, uint64_t took_us)
{
    /* 50 lines at once and 10 a second after that. A name with slashes: no key is called so. */
    static const struct limiter_rule rule = {.burst = 50, .interval_ns = 100000000};
    /* That a node is not ready is an answer, and asked for again and again. */
    bool failed = x->status >= 500 && (x->route < 0 || routes[x->route].handle != handle_ready);
    /* A stream lasts as long as its client wants. */
    bool slow = x->stream == NULL && took_us >= (uint64_t)x->api->slow_ms * 1000;
    unsigned retry_after_s;

    if ((!failed && !slow) || !limiter_take(x->api->limiter, slice_of("/log/request/"), rule,
                                            limiter_now_ns(), &retry_after_s)) {
        return;
    }
    report(x->api->reporter, x->status == 500 ? LEVEL_ERROR : LEVEL_WARN, "api",
           failed ? "request failed" : "slow request",
           "request=%s method=%s route=%s from=%s principal=%s status=%d code=%s ms=%llu",
           x->request_id, x->method == NULL ? "-" : x->method,
           x->route < 0 ? "-" : routes[x->route].path, x->remote,
           x->who.name[0] == '\0' ? "-" : x->who.name, x->status,
           failed && x->problem.code != NULL ? x->problem.code : "-",
           (unsigned long long)took_us / 1000);
}

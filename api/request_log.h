/* Lines in the node's log about single requests: those that the node failed at, and the slow ones.
 *
 * Each has the request's id, which the client has too: that is how the two sides find each other.
 * When all requests fail at once their lines are thinned out; the metrics count all of them. */
#ifndef FLORIN_REQUEST_LOG_H
#define FLORIN_REQUEST_LOG_H

#include "api/exchange.h"

/* After the answer was sent. Any thread. */
void request_log(const struct exchange *x, uint64_t took_us);

#endif

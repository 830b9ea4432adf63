/* All paths that a node answers, in one table: for finding the handler, for the labels of the
 * metrics, and for holding the reference (api/openapi.yaml) against what is really there. */
#ifndef FLORIN_ROUTES_H
#define FLORIN_ROUTES_H

#include "api/exchange.h"

enum route_body { BODY_NONE, BODY_OPTIONAL, BODY_REQUIRED };

struct route {
    const char *method;
    const char *path; /* {name} stands for one id */
    unsigned roles;   /* bits 1 << enum role; 0: no credentials needed */
    enum route_body body;
    /* 0 when the answer is written, -1 when the problem is set. */
    int (*handle)(struct exchange *x);
};

extern const struct route routes[];
extern const int routes_count;

/* Finds the route, checks credentials and body, runs the handler. Afterwards the exchange holds the
 * answer, whatever happened. Worker thread; may wait up to the request's time-out. */
void routes_answer(struct exchange *x);

#endif

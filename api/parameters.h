/* What stands behind the `?` of a path, read strictly; and percent-encoded ids. */
#ifndef FLORIN_PARAMETERS_H
#define FLORIN_PARAMETERS_H

#include "api/exchange.h"

enum parameter_kind {
    PARAMETER_CONSISTENCY, /* enum ticket_kind; `consistency`: linearizable or stale */
    PARAMETER_NUMBER,      /* uint64_t: a sequence number */
    PARAMETER_LIMIT,       /* uint32_t: 1 to QUERY_RECORDS_MAX */
    PARAMETER_ID,          /* char[ID_MAX + 1]: an id */
    PARAMETER_PAIR,        /* struct parameter_pair: two ids with a slash between them */
};

struct parameter_pair {
    char first[ID_MAX + 1];
    char second[ID_MAX + 1];
};

struct parameter {
    const char *name;
    enum parameter_kind kind;
    void *out; /* keeps its value when the parameter is absent */
};

/* 0, or -1 with x->problem: an unknown parameter, one that comes twice, or a wrong value. */
int parameters_read(struct exchange *x, const struct parameter *parameters, size_t n);

/* Undoes percent-encoding (a client's library may well encode the colon), and checks. 0 or -1. */
int parameters_decode_id(struct slice text, char id[static ID_MAX + 1]);

/* Digits only, and it fits. 0 or -1. */
int parameters_number(struct slice text, uint64_t *out);

#endif

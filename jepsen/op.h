/* One call that a client can make: plain data, so that it can be kept and made again. */
#ifndef FLORIN_OP_H
#define FLORIN_OP_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "jepsen/history.h"

enum { OP_TEXT_MAX = 48, OP_ITEMS_MAX = 3 };

/* Absent where "". */
struct op_item {
    const char *type; /* bet, win, rollback or adjust */
    char id[OP_TEXT_MAX], amount[OP_TEXT_MAX], original[OP_TEXT_MAX];
};

struct op {
    enum fn f;
    char id[OP_TEXT_MAX], player[OP_TEXT_MAX], amount[OP_TEXT_MAX], round[OP_TEXT_MAX];
    char original[OP_TEXT_MAX], bet[OP_TEXT_MAX];
    struct op_item items[OP_ITEMS_MAX];
    unsigned n_items;
    bool close_round, stale;
    uint64_t from, limit; /* FN_LEDGER */
};

/* Whose key a call needs. */
enum op_key { KEY_PROVIDER, KEY_PLATFORM };
enum op_key op_key(const struct op *op);

enum { OP_PATH_MAX = 160 };

/* The request: its method, its path, and its body (the caller's) or NULL. */
const char *op_method(const struct op *op);
void op_path(const struct op *op, char path[static OP_PATH_MAX]);
json_t *op_body(const struct op *op);

/* What stands in the history under :value when it is invoked at `node`; the caller's. */
json_t *op_invoked(const struct op *op, unsigned node);

/* The ending of an operation by what came back, and what stands under :value then (the caller's).
 * status 0: nothing came; `refused`: not even a connection. */
enum ending op_ended(const struct op *op, unsigned node, long status, bool refused,
                     const json_t *answer, uint64_t applied, json_t **value);

#endif

/* One line of EDN, as Jepsen writes histories: maps, vectors, lists, keywords, strings, integers,
 * nil, true and false. No sets, no tagged values, no floating point: no history of ours has them,
 * and a checker must not guess.
 *
 * Bounded: at most EDN_NODES values, nested at most EDN_DEPTH deep. Everything borrows from the
 * text; a string stays as written between its quotes, escapes included (edn_unescape). Pure. */
#ifndef FLORIN_EDN_H
#define FLORIN_EDN_H

#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum { EDN_NODES = 2048, EDN_DEPTH = 8 };

enum edn_kind { EDN_NIL, EDN_BOOL, EDN_INTEGER, EDN_KEYWORD, EDN_STRING, EDN_MAP, EDN_VECTOR };

/* Values lie in the order of the text, a collection before what it holds; `next` is the index
 * behind the value and all that it holds. A map holds key, value, key, value ... */
struct edn_node {
    enum edn_kind kind;
    uint32_t next;
    struct slice text; /* keyword without its colon, string without its quotes */
    int64_t integer;   /* 0 or 1 of a bool */
};

struct edn {
    uint32_t n;
    struct edn_node nodes[EDN_NODES];
};

/* Exactly one value and white space. 0, or -1 with the fault. */
int edn_parse(struct slice text, struct edn *e, struct fault *fault);

/* The value under a keyword of the map at `map`, or NULL: none, nil, or no map. */
const struct edn_node *edn_get(const struct edn *e, const struct edn_node *map, const char *key);

/* First and following values inside a vector; NULL at the end, and for what is no vector. */
const struct edn_node *edn_first(const struct edn *e, const struct edn_node *vector);
const struct edn_node *edn_next(const struct edn *e, const struct edn_node *vector,
                                const struct edn_node *item);

/* Appends a string's meaning. */
void edn_unescape(struct slice raw, struct bytes *out);

#endif

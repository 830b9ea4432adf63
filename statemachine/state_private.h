/* What the state's own files share. */
#ifndef FLORIN_STATE_PRIVATE_H
#define FLORIN_STATE_PRIVATE_H

#include "statemachine/state.h"
#include "statemachine/texts.h"

/* -1, saying which stored thing can't be read. */
int state_damaged(struct fault *fault, const char *what, struct slice name);

/* Puts s->value. */
static inline void state_put(struct state *s, enum store_table table, struct slice key)
{
    layers_put(&s->layers, table, key, (struct slice){(const char *)s->value.base, s->value.len});
}

static inline struct cursor cursor_over(struct slice s)
{
    return cursor_of(s.base, s.len);
}

#endif

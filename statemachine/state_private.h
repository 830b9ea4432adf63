/* What the state's own files share. */
#ifndef FLORIN_STATE_PRIVATE_H
#define FLORIN_STATE_PRIVATE_H

#include <assert.h>

#include "statemachine/state.h"
#include "statemachine/texts.h"

/* -1, saying which stored thing can't be read. */
int state_damaged(struct fault *fault, const char *what, struct slice name);

/* Puts a text into a key at `at`; returns where the next part goes. */
static inline size_t put_key_text(char *out, size_t at, struct slice text)
{
    assert(at + 1 + text.len <= STORE_KEY_MAX);
    out[at] = (char)text.len;
    memcpy(out + at + 1, text.base, text.len);
    return at + 1 + text.len;
}

/* The key of what is stored by id. */
struct slice id_key(struct id_space ids, struct slice id, char out[static STORE_KEY_MAX]);

/* Puts s->value. */
static inline void state_put(struct state *s, enum store_table table, struct slice key)
{
    layers_put(&s->layers, table, key, (struct slice){(const char *)s->value.base, s->value.len});
}

static inline void state_put_at(struct state *s, struct layers_key *key)
{
    layers_put_at(&s->layers, key, (struct slice){(const char *)s->value.base, s->value.len});
}

static inline struct cursor cursor_over(struct slice s)
{
    return cursor_of(s.base, s.len);
}

#endif

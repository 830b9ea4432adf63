/* Opening and closing the state, and the meta table that ties a checkpoint to its index. */
#include <stdlib.h>

#include "statemachine/state.h"

static void put_meta(struct state *s, const char *name)
{
    layers_put(&s->layers, TABLE_META, slice_of(name),
               (struct slice){(const char *)s->value.base, s->value.len});
    bytes_clear(&s->value);
}

void state_put_meta(struct state *s, uint64_t applied_index)
{
    bytes_clear(&s->value);
    bytes_append_u32(&s->value, STATE_FORMAT);
    put_meta(s, "format");
    bytes_append_u64(&s->value, applied_index);
    put_meta(s, "applied");
    bytes_append_u64(&s->value, s->seq);
    bytes_append(&s->value, s->hash, HASH_BYTES);
    put_meta(s, "chain");
    bytes_append_u64(&s->value, MUTANT(s, MUTANT_UNSAVED_CLOCK) ? 0 : s->clock_ms);
    put_meta(s, "clock");
    bytes_append_u64(&s->value, s->directory);
    put_meta(s, "directory");
    bytes_append_u64(&s->value, s->actions.number);
    bytes_append(&s->value, s->actions.hash, HASH_BYTES);
    bytes_append_u64(&s->value, s->actions.seq);
    put_meta(s, "actions");
}

/* Finds a meta value of exactly `len` bytes. */
static int meta(const struct state *s, const char *name, size_t len, struct cursor *in,
                struct fault *fault)
{
    struct slice value;
    int rc = layers_get(&s->layers, TABLE_META, slice_of(name), &value, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || value.len != len) {
        return fault_set(
            fault,
            "state: the store lacks its '%s', so it is damaged; rebuild this node from "
            "the others, or restore a backup",
            name);
    }
    *in = cursor_of(value.base, value.len);
    return 0;
}

/* *format 0: there is nothing yet. */
static int read_format(const struct state *s, uint32_t *format, struct fault *fault)
{
    struct slice value;
    struct cursor in;
    int rc = layers_get(&s->layers, TABLE_META, slice_of("format"), &value, fault);

    if (rc < 0) {
        return -1;
    }
    *format = 0;
    if (rc == 0) {
        return 0;
    }
    in = cursor_of(value.base, value.len);
    *format = cursor_u32(&in);
    if (in.failed || *format < STATE_FORMAT_OLDEST || *format > STATE_FORMAT) {
        return fault_set(fault,
                         "state: the store has format %u, this florind knows %d; start the version "
                         "that wrote it, or a newer one",
                         *format, STATE_FORMAT);
    }
    return 0;
}

static int read_actions(struct state *s, struct fault *fault)
{
    struct cursor in;

    if (meta(s, "actions", 8 + HASH_BYTES + 8, &in, fault) != 0) {
        return -1;
    }
    s->actions.number = cursor_u64(&in);
    memcpy(s->actions.hash, cursor_take(&in, HASH_BYTES), HASH_BYTES);
    s->actions.seq = cursor_u64(&in);
    return 0;
}

static int read_meta(struct state *s, uint64_t *applied_index, struct fault *fault)
{
    uint32_t format;
    struct cursor in;

    *applied_index = 0;
    if (read_format(s, &format, fault) != 0) {
        return -1;
    }
    if (format == 0) {
        return 0;
    }
    if (meta(s, "applied", 8, &in, fault) != 0) {
        return -1;
    }
    *applied_index = cursor_u64(&in);
    if (meta(s, "clock", 8, &in, fault) != 0) {
        return -1;
    }
    s->clock_ms = cursor_u64(&in);
    if (meta(s, "directory", 8, &in, fault) != 0) {
        return -1;
    }
    s->directory = cursor_u64(&in);
    if (meta(s, "chain", 8 + HASH_BYTES, &in, fault) != 0) {
        return -1;
    }
    s->seq = cursor_u64(&in);
    memcpy(s->hash, cursor_take(&in, HASH_BYTES), HASH_BYTES);
    return format >= STATE_FORMAT_ACTIONS ? read_actions(s, fault) : 0;
}

int state_open(struct state *s, struct store store, const uint8_t hash_key[CHANGES_HASH_KEY_BYTES],
               size_t filter_bytes, uint64_t *applied_index, struct fault *fault)
{
    *s = (struct state){0};
    layers_open(&s->layers, store, hash_key, filter_bytes);
    bytes_init(&s->value);
    bytes_init(&s->sealed);
    bytes_init(&s->items);
    bytes_init(&s->spare);
    return read_meta(s, applied_index, fault);
}

void state_close(struct state *s)
{
    layers_close(&s->layers);
    bytes_release(&s->value);
    bytes_release(&s->sealed);
    bytes_release(&s->items);
    bytes_release(&s->spare);
    free(s->currencies);
}

/* The actions, and which command left which. */
#include "statemachine/state_private.h"

/* Big-endian, so that the order of the keys is the order of the actions. */
static struct slice number_key(uint64_t number, char out[static 8])
{
    uint64_t big_endian = htobe64(number);

    memcpy(out, &big_endian, sizeof big_endian);
    return (struct slice){out, sizeof big_endian};
}

void state_append_action(struct state *s, struct action *a, uint64_t origin)
{
    struct action_head *head = &s->actions;
    char key[8];

    a->number = head->number + 1;
    a->at_ms = s->clock_ms;
    a->seq = s->seq;
    memcpy(a->head, s->hash, HASH_BYTES);
    memcpy(a->prev_hash, head->hash, HASH_BYTES);
    bytes_clear(&s->value);
    action_encode(a, &s->value);
    record_hash(head->hash, s->value.base, s->value.len, a->hash);
    bytes_append(&s->value, a->prev_hash, HASH_BYTES);
    bytes_append(&s->value, a->hash, HASH_BYTES);
    state_put(s, TABLE_ACTION, number_key(a->number, key));
    head->number = a->number;
    memcpy(head->hash, a->hash, HASH_BYTES);
    head->seq = s->seq;

    bytes_clear(&s->value);
    bytes_append_u64(&s->value, a->number);
    state_put(s, TABLE_ORIGIN, number_key(origin, key));
}

int state_sealed_action(const struct state *s, uint64_t number, struct slice *sealed,
                        struct fault *fault)
{
    char key[8];
    int rc = layers_get(&s->layers, TABLE_ACTION, number_key(number, key), sealed, fault);

    return rc == 0 ? fault_set(fault, "state: action %llu is missing", (unsigned long long)number)
                   : (rc < 0 ? -1 : 0);
}

int state_action(const struct state *s, uint64_t number, struct action *a, struct fault *fault)
{
    struct slice sealed;

    if (state_sealed_action(s, number, &sealed, fault) != 0) {
        return -1;
    }
    if (action_unseal(sealed.base, sealed.len, a, fault) != 0 || a->number != number) {
        return fault_set(fault,
                         "state: action %llu is damaged; rebuild this node from the others, or "
                         "restore a backup",
                         (unsigned long long)number);
    }
    return 0;
}

int state_origin(const struct state *s, uint64_t origin, uint64_t *number, struct fault *fault)
{
    char key[8];
    struct slice value;
    struct cursor in;
    int rc = layers_get(&s->layers, TABLE_ORIGIN, number_key(origin, key), &value, fault);

    if (rc != 1) {
        return rc;
    }
    in = cursor_over(value);
    *number = cursor_u64(&in);
    if (in.failed || in.left > 0 || *number == 0 || *number > s->actions.number) {
        return state_damaged(fault, "origin", slice_of(""));
    }
    return 1;
}

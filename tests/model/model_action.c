/* Actions: whatever says by whom it came is written down with how it ended, once for each origin.
 */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/model.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "model: out of memory\n");
        exit(1);
    }
    return memory;
}

static struct m_origin *origin_of(struct model *m, uint64_t origin)
{
    char text[24];
    struct table_key key;

    snprintf(text, sizeof text, "%" PRIu64, origin);
    key = table_key1(slice_of(text));
    return table_at(&m->origins, &key);
}

bool model_acted_before(struct model *m, const struct command *c, struct outcome *o)
{
    const struct m_origin *origin = origin_of(m, c->origin);

    if (origin->number == 0) {
        return false;
    }
    o->verdict = m->actions[origin->number - 1].verdict;
    return true;
}

void model_write_action(struct model *m, const struct command *c, const struct outcome *o)
{
    crypto_generichash_state hash;
    struct bytes detail;
    struct action *a;

    bytes_init(&detail);
    action_describe(c, &detail);
    m->actions = must(reallocarray(m->actions, m->n_actions + 1, sizeof *m->actions));
    a = &m->actions[m->n_actions];
    *a = (struct action){
        .number = m->n_actions + 1,
        .at_ms = m->clock_ms,
        .seq = m->seq,
        .by = c->by[0],
        .call = c->type == COMMAND_ACTION ? c->id : slice_of(command_type_name(c->type)),
        .subject = c->name.len > 0 ? c->name : c->player,
        .detail = {(const char *)detail.base, detail.len},
        .asked = c->type == COMMAND_ACTION,
        .verdict = o->verdict,
    };
    if (m->seq > 0) {
        memcpy(a->head, m->records[m->seq - 1].hash, HASH_BYTES);
    }
    if (m->n_actions > 0) {
        memcpy(a->prev_hash, m->actions[m->n_actions - 1].hash, HASH_BYTES);
    }
    bytes_clear(&m->scratch);
    action_encode(a, &m->scratch);
    crypto_generichash_init(&hash, NULL, 0, HASH_BYTES);
    crypto_generichash_update(&hash, a->prev_hash, HASH_BYTES);
    crypto_generichash_update(&hash, m->scratch.base, m->scratch.len);
    crypto_generichash_final(&hash, a->hash, HASH_BYTES);
    m->n_actions++;
    origin_of(m, c->origin)->number = a->number;
}

/* The keys of what a money command names; made ahead of it, they say what will be asked for.
 *
 * A bet's keys lead to six or seven places in memory that are read at random. Told some commands
 * before, the processor fetches them all at once while it decides others. */
#include "statemachine/state_private.h"

void command_keys_make(const struct state *s, struct id_space ids, const struct command *c,
                       struct command_keys *keys)
{
    keys->ids_per_player = ids.player.len > 0;
    keys->transaction.len = keys->player.len = keys->purse.len = 0;
    if (c->id.len > 0 && c->principal.len > 0) { /* an action's id is none of this kind */
        transaction_key(s, ids, c->id, &keys->transaction);
    }
    if (c->player.len > 0) {
        player_key(s, c->player, &keys->player);
    }
    if (c->player.len > 0 && c->currency.len > 0) {
        purse_key(s, c->player, c->currency, &keys->purse);
    }
}

void state_expect(const struct state *s, const struct command *c, struct command_keys *keys)
{
    struct id_space ids = {.principal = c->principal};
    struct fault fault;

    if (c->principal.len > 0) {
        /* Whoever decides the command meets a fault again. */
        (void)state_id_space(s, c->principal, c->player, &ids, &fault);
    }
    command_keys_make(s, ids, c, keys);
    if (keys->transaction.len > 0) {
        layers_prefetch(&s->layers, &keys->transaction);
    }
    if (keys->player.len > 0) {
        layers_prefetch(&s->layers, &keys->player);
    }
    if (keys->purse.len > 0) {
        layers_prefetch(&s->layers, &keys->purse);
    }
}

void state_expect_entries(const struct state *s, const struct command_keys *keys)
{
    if (keys->player.len > 0) {
        layers_prefetch_entry(&s->layers, &keys->player);
    }
    if (keys->purse.len > 0) {
        layers_prefetch_entry(&s->layers, &keys->purse);
    }
}

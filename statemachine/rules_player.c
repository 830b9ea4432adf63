/* The rules for players: created, their state and limits changed, a password set. */
#include "statemachine/machine_private.h"

int rules_player_create(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault)
{
    struct player p;
    struct currency *currency;
    uint8_t i;
    int rc = state_player(s, c->player, &p, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 1) {
        d->verdict = p.origin == c->origin ? VERDICT_APPLIED : VERDICT_ALREADY_EXISTS;
        return 0;
    }
    p = (struct player){.created_at_ms = s->clock_ms, .origin = c->origin};
    for (i = 0; i < c->n_currencies; i++) {
        rc = state_currency(s, c->currencies[i], &currency, fault);
        if (rc < 0) {
            return -1;
        }
        if (rc == 0) {
            d->verdict = VERDICT_UNKNOWN_CURRENCY;
            return 0;
        }
        /* A currency named twice is allowed once. */
        if (p.n_allowed == 0 || !player_may_hold(&p, c->currencies[i])) {
            p.allowed[p.n_allowed++] = c->currencies[i];
        }
    }
    state_put_player(s, c->player, &p);
    return 0;
}

/* A self-exclusion lasts: it may only become longer. */
static bool forbidden(const struct player *p, const struct command *c, uint64_t clock_ms)
{
    if ((c->sets & SET_STATUS) == 0 || player_status_at(p, clock_ms) != PLAYER_SELF_EXCLUDED) {
        return false;
    }
    if (c->status != PLAYER_SELF_EXCLUDED) {
        return true;
    }
    return c->until_ms != 0 && (p->until_ms == 0 || c->until_ms < p->until_ms);
}

/* Nothing is changed unless all of it can be. */
int rules_player_update(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault)
{
    struct player p;
    struct limits limits;
    int rc = state_player(s, c->player, &p, fault);

    if (rc < 1) {
        d->verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    if (forbidden(&p, c, s->clock_ms)) {
        d->verdict = VERDICT_FORBIDDEN_CHANGE;
        return 0;
    }
    if (c->n_limits > 0) {
        if (state_limits(s, c->player, &limits, fault) < 0 ||
            rules_change_limits(s, c, &limits, &d->verdict, fault) != 0) {
            return -1;
        }
        if (d->verdict != VERDICT_APPLIED) {
            return 0;
        }
        state_put_limits(s, c->player, &limits);
        p.has_limits = limits.n > 0;
    }
    if (c->sets & SET_STATUS) {
        p.status = c->status;
        p.until_ms = c->until_ms;
    }
    if (c->sets & SET_REMINDER) {
        p.reminder_s = c->reminder_s;
    }
    state_put_player(s, c->player, &p);
    return 0;
}

int rules_password_set(struct state *s, const struct command *c, struct decision *d,
                       struct fault *fault)
{
    struct player p;
    int rc = state_player(s, c->player, &p, fault);

    if (rc < 1) {
        d->verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    state_put_password(s, c->player, c->password_hash);
    p.has_password = true;
    state_put_player(s, c->player, &p);
    return 0;
}

/* The rules of sessions: opened by a platform or a player, known by a token of which only the hash
 * is here, closed or over by the ledger's clock.
 *
 * Guarantees: a token opens one session, and only the newest token of it; a session belongs to one
 * player and one provider. A player's session (from a login) has no provider, and so can't bet. */
#include "statemachine/machine_private.h"

static void answer(struct decision *d, const struct session *session)
{
    d->has_session = true;
    d->session = session->info;
}

static bool is_over(const struct state *s, const struct session *session)
{
    return session->info.closed_at_ms != 0 || session->info.expires_at_ms <= s->clock_ms;
}

/* The session whose present token this is. 1, 0 or -1. */
static int by_token(const struct state *s, const uint8_t hash[SECRET_HASH_BYTES],
                    struct session *session, struct fault *fault)
{
    struct slice id;
    int rc = state_token(s, hash, &id, fault);

    if (rc != 1) {
        return rc;
    }
    rc = state_session(s, id, session, fault);
    if (rc != 1) {
        return rc < 0 ? -1 : fault_set(fault, "state machine: a token's session is missing");
    }
    return memcmp(session->token_hash, hash, SECRET_HASH_BYTES) == 0 ? 1 : 0;
}

/* The player's session that launches this one. */
static int check_parent(const struct state *s, const struct command *c, enum verdict *verdict,
                        struct fault *fault)
{
    struct session parent;
    int rc;

    if (c->parent_hash == NULL) {
        return 0;
    }
    rc = by_token(s, c->parent_hash, &parent, fault);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || parent.info.provider.len > 0 || !slice_equal(parent.info.player, c->player)) {
        *verdict = VERDICT_UNKNOWN_SESSION;
    } else if (is_over(s, &parent)) {
        *verdict = VERDICT_SESSION_EXPIRED;
    }
    return 0;
}

static int check_provider(const struct state *s, const struct command *c, enum verdict *verdict,
                          struct fault *fault)
{
    struct principal p;
    int rc;

    if (c->principal.len == 0) {
        return 0;
    }
    rc = state_principal(s, c->principal, &p, fault);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || p.role != ROLE_PROVIDER) {
        *verdict = VERDICT_UNKNOWN_PROVIDER;
    }
    return 0;
}

/* The first that stands in the way: provider, player, parent, the player's state, the token. */
static int check_open(const struct state *s, const struct command *c, struct player *p,
                      enum verdict *verdict, struct fault *fault)
{
    struct slice id;
    int rc;

    if (check_provider(s, c, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict != VERDICT_APPLIED) {
        return 0;
    }
    rc = state_player(s, c->player, p, fault);
    if (rc < 1) {
        *verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    if (check_parent(s, c, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict != VERDICT_APPLIED) {
        return 0;
    }
    if (player_status_at(p, s->clock_ms) != PLAYER_ACTIVE) {
        *verdict = VERDICT_PLAYER_BLOCKED;
        return 0;
    }
    rc = state_token(s, c->token_hash, &id, fault);
    if (rc == 1) {
        *verdict = VERDICT_ALREADY_EXISTS;
    }
    return rc < 0 ? -1 : 0;
}

int rules_session_open(struct state *s, const struct command *c, struct decision *d,
                       struct fault *fault)
{
    struct session session;
    struct player p;
    int rc = state_session(s, c->name, &session, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 1) {
        if (session.origin != c->origin) {
            d->verdict = VERDICT_ALREADY_EXISTS;
        } else {
            answer(d, &session);
        }
        return 0;
    }
    if (check_open(s, c, &p, &d->verdict, fault) != 0) {
        return -1;
    }
    if (d->verdict != VERDICT_APPLIED) {
        return 0;
    }
    session = (struct session){
        .info = {.id = c->name,
                 .player = c->player,
                 .provider = c->principal,
                 .game = c->game,
                 .opened_at_ms = s->clock_ms,
                 .expires_at_ms = s->clock_ms + UINT64_C(1000) * c->ttl_s,
                 .reminder_s = c->reminder_s != 0 ? c->reminder_s : p.reminder_s},
        .origin = c->origin,
        .token_hash = c->token_hash,
    };
    state_put_session(s, &session);
    state_put_token(s, c->token_hash, c->name);
    answer(d, &session);
    return 0;
}

/* Closed is closed: the first time stays. */
int rules_session_close(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault)
{
    struct session session;
    int rc = state_session(s, c->name, &session, fault);

    if (rc < 1) {
        d->verdict = VERDICT_UNKNOWN_SESSION;
        return rc;
    }
    if (session.info.closed_at_ms == 0) {
        session.info.closed_at_ms = s->clock_ms;
        state_put_session(s, &session);
    }
    answer(d, &session);
    return 0;
}

int rules_session_rotate(struct state *s, const struct command *c, struct decision *d,
                         struct fault *fault)
{
    struct session session;
    struct slice id;
    int rc = state_session(s, c->name, &session, fault);

    if (rc < 1) {
        d->verdict = VERDICT_UNKNOWN_SESSION;
        return rc;
    }
    if (memcmp(session.token_hash, c->token_hash, SECRET_HASH_BYTES) == 0) {
        answer(d, &session); /* our own nodes repeat a command: it was rotated to this one */
        return 0;
    }
    if (is_over(s, &session)) {
        d->verdict = VERDICT_SESSION_EXPIRED;
        return 0;
    }
    rc = state_token(s, c->token_hash, &id, fault);
    if (rc != 0) {
        d->verdict = VERDICT_ALREADY_EXISTS;
        return rc < 0 ? -1 : 0;
    }
    session.token_hash = c->token_hash;
    if (c->ttl_s != 0) {
        session.info.expires_at_ms = s->clock_ms + UINT64_C(1000) * c->ttl_s;
    }
    state_put_session(s, &session);
    state_put_token(s, c->token_hash, c->name);
    answer(d, &session);
    return 0;
}

int rules_session_authenticate(struct state *s, const struct command *c, struct decision *d,
                               struct fault *fault)
{
    struct session session;
    int rc = by_token(s, c->token_hash, &session, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || !slice_equal(session.info.provider, c->principal)) {
        d->verdict = VERDICT_UNKNOWN_SESSION;
        return 0;
    }
    if (is_over(s, &session)) {
        d->verdict = VERDICT_SESSION_EXPIRED;
        return 0;
    }
    if (session.info.authenticated_at_ms == 0) {
        session.info.authenticated_at_ms = s->clock_ms;
        state_put_session(s, &session);
    }
    answer(d, &session);
    return 0;
}

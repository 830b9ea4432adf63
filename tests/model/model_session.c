/* Sessions: opened by the platform, known to the provider by a token, over by time or by hand. */
#include "tests/model/model.h"

static struct slice hash_of(const uint8_t *hash)
{
    return (struct slice){(const char *)hash, hash == NULL ? 0 : SECRET_HASH_BYTES};
}

static struct m_token *token_of(struct model *m, const uint8_t *hash)
{
    struct table_key key = table_key1(hash_of(hash));

    return table_at(&m->tokens, &key);
}

static bool over(const struct model *m, const struct m_session *s)
{
    return s->info.closed_at_ms != 0 || s->info.expires_at_ms <= m->clock_ms;
}

/* The session that this token opens now. */
static struct m_session *by_token(struct model *m, const uint8_t *hash)
{
    struct m_session *s = model_session(m, token_of(m, hash)->session);

    return s->exists && slice_equal(s->token, hash_of(hash)) ? s : NULL;
}

static void tell(const struct m_session *s, enum verdict verdict, struct outcome *o)
{
    o->verdict = verdict;
    if (verdict == VERDICT_APPLIED) {
        o->has_session = true;
        o->session = s->info;
    }
}

static enum verdict may_open(struct model *m, const struct command *c)
{
    const struct m_player *player = model_player(m, c->player);

    if (c->principal.len > 0 && model_principal(m, c->principal)->role != ROLE_PROVIDER) {
        return VERDICT_UNKNOWN_PROVIDER;
    }
    if (!player->exists) {
        return VERDICT_UNKNOWN_PLAYER;
    }
    if (c->parent_hash != NULL) {
        const struct m_session *parent = by_token(m, c->parent_hash);

        if (parent == NULL || parent->info.provider.len > 0 ||
            !slice_equal(parent->info.player, c->player)) {
            return VERDICT_UNKNOWN_SESSION;
        }
        if (over(m, parent)) {
            return VERDICT_SESSION_EXPIRED;
        }
    }
    if (model_status(m, player) != PLAYER_ACTIVE) {
        return VERDICT_PLAYER_BLOCKED;
    }
    return token_of(m, c->token_hash)->session.len > 0 ? VERDICT_ALREADY_EXISTS : VERDICT_APPLIED;
}

static enum verdict open_session(struct model *m, const struct command *c, struct m_session *s)
{
    enum verdict verdict;

    if (s->exists) {
        return s->origin == c->origin ? VERDICT_APPLIED : VERDICT_ALREADY_EXISTS;
    }
    verdict = may_open(m, c);
    if (verdict != VERDICT_APPLIED) {
        return verdict;
    }
    *s = (struct m_session){
        .exists = true,
        .origin = c->origin,
        .token = hash_of(c->token_hash),
        .info = {.id = c->name,
                 .player = c->player,
                 .provider = c->principal,
                 .game = c->game,
                 .opened_at_ms = m->clock_ms,
                 .expires_at_ms = m->clock_ms + 1000 * (uint64_t)c->ttl_s,
                 .reminder_s =
                     c->reminder_s != 0 ? c->reminder_s : model_player(m, c->player)->reminder_s},
    };
    token_of(m, c->token_hash)->session = c->name;
    return VERDICT_APPLIED;
}

static enum verdict rotate(struct model *m, const struct command *c, struct m_session *s)
{
    if (!s->exists) {
        return VERDICT_UNKNOWN_SESSION;
    }
    if (s->rotated_by == c->origin || slice_equal(s->token, hash_of(c->token_hash))) {
        return VERDICT_APPLIED;
    }
    if (over(m, s)) {
        return VERDICT_SESSION_EXPIRED;
    }
    if (token_of(m, c->token_hash)->session.len > 0) {
        return VERDICT_ALREADY_EXISTS;
    }
    s->token = hash_of(c->token_hash);
    s->rotated_by = c->origin;
    if (c->ttl_s != 0) {
        s->info.expires_at_ms = m->clock_ms + 1000 * (uint64_t)c->ttl_s;
    }
    token_of(m, c->token_hash)->session = c->name;
    return VERDICT_APPLIED;
}

static enum verdict authenticate(struct model *m, const struct command *c, struct m_session *s)
{
    if (s == NULL || !slice_equal(s->info.provider, c->principal)) {
        return VERDICT_UNKNOWN_SESSION;
    }
    if (over(m, s)) {
        return VERDICT_SESSION_EXPIRED;
    }
    if (s->info.authenticated_at_ms == 0) {
        s->info.authenticated_at_ms = m->clock_ms;
    }
    return VERDICT_APPLIED;
}

static enum verdict close_session(struct model *m, struct m_session *s)
{
    if (!s->exists) {
        return VERDICT_UNKNOWN_SESSION;
    }
    if (s->info.closed_at_ms == 0) {
        s->info.closed_at_ms = m->clock_ms;
    }
    return VERDICT_APPLIED;
}

void model_sessions(struct model *m, const struct command *c, struct outcome *o)
{
    struct m_session *s = c->type == COMMAND_SESSION_AUTHENTICATE ? by_token(m, c->token_hash)
                                                                  : model_session(m, c->name);

    switch (c->type) {
    case COMMAND_SESSION_OPEN:
        tell(s, open_session(m, c, s), o);
        break;
    case COMMAND_SESSION_CLOSE:
        tell(s, close_session(m, s), o);
        break;
    case COMMAND_SESSION_ROTATE:
        tell(s, rotate(m, c, s), o);
        break;
    default:
        tell(s, authenticate(m, c, s), o);
    }
}

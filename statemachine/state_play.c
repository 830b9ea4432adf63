/* Sessions and their tokens, rounds, holds. */
#include "statemachine/state_private.h"

/* ---- sessions ---- */

int session_decode(struct slice id, struct slice value, struct session *s, struct fault *fault)
{
    struct cursor in = cursor_over(value);

    s->info.id = id;
    s->info.player = text_take(&in);
    s->info.provider = text_take(&in);
    s->info.game = text_take(&in);
    s->info.opened_at_ms = cursor_u64(&in);
    s->info.expires_at_ms = cursor_u64(&in);
    s->info.closed_at_ms = cursor_u64(&in);
    s->info.authenticated_at_ms = cursor_u64(&in);
    s->info.reminder_s = cursor_u32(&in);
    s->origin = cursor_u64(&in);
    s->token_hash = cursor_take(&in, SECRET_HASH_BYTES);
    return in.failed || in.left > 0 || s->info.player.len == 0 ? state_damaged(fault, "session", id)
                                                               : 0;
}

int state_session(const struct state *s, struct slice id, struct session *session,
                  struct fault *fault)
{
    struct slice value;
    int rc = layers_get(&s->layers, TABLE_SESSION, id, &value, fault);

    if (rc != 1) {
        return rc;
    }
    return session_decode(id, value, session, fault) == 0 ? 1 : -1;
}

void state_put_session(struct state *s, const struct session *session)
{
    const struct session_info *info = &session->info;

    bytes_clear(&s->value);
    text_append(&s->value, info->player);
    text_append(&s->value, info->provider);
    text_append(&s->value, info->game);
    bytes_append_u64(&s->value, info->opened_at_ms);
    bytes_append_u64(&s->value, info->expires_at_ms);
    bytes_append_u64(&s->value, info->closed_at_ms);
    bytes_append_u64(&s->value, info->authenticated_at_ms);
    bytes_append_u32(&s->value, info->reminder_s);
    bytes_append_u64(&s->value, session->origin);
    bytes_append(&s->value, session->token_hash, SECRET_HASH_BYTES);
    state_put(s, TABLE_SESSION, info->id);
}

static struct slice token_key(const uint8_t hash[SECRET_HASH_BYTES])
{
    return (struct slice){(const char *)hash, SECRET_HASH_BYTES};
}

int state_token(const struct state *s, const uint8_t hash[SECRET_HASH_BYTES], struct slice *id,
                struct fault *fault)
{
    return layers_get(&s->layers, TABLE_TOKEN, token_key(hash), id, fault);
}

void state_put_token(struct state *s, const uint8_t hash[SECRET_HASH_BYTES], struct slice id)
{
    layers_put(&s->layers, TABLE_TOKEN, token_key(hash), id);
}

/* ---- rounds ---- */

struct slice round_key(struct slice provider, struct slice player, struct slice name,
                       char out[static STORE_KEY_MAX])
{
    size_t len = put_key_text(out, 0, provider);

    if (player.len > 0) {
        len = put_key_text(out, len, player);
    }
    if (name.len > 0) {
        len = put_key_text(out, len, name);
    }
    return (struct slice){out, len};
}

int round_decode(struct slice value, struct round *r, struct fault *fault)
{
    struct cursor in = cursor_over(value);

    r->opened_at_ms = cursor_u64(&in);
    r->closed_at_ms = cursor_u64(&in);
    r->closed_by = cursor_u64(&in);
    r->bets = cursor_u32(&in);
    r->currency = text_take(&in);
    return in.failed || in.left > 0 || r->currency.len == 0
               ? state_damaged(fault, "round of", slice_of("a player"))
               : 0;
}

int state_round(const struct state *s, struct slice provider, struct slice player,
                struct slice name, struct round *r, struct fault *fault)
{
    char buffer[STORE_KEY_MAX];
    struct slice value;
    int rc = layers_get(&s->layers, TABLE_ROUND, round_key(provider, player, name, buffer), &value,
                        fault);

    if (rc != 1) {
        return rc;
    }
    return round_decode(value, r, fault) == 0 ? 1 : -1;
}

void state_put_round(struct state *s, struct slice provider, struct slice player, struct slice name,
                     const struct round *r)
{
    char buffer[STORE_KEY_MAX];

    bytes_clear(&s->value);
    bytes_append_u64(&s->value, r->opened_at_ms);
    bytes_append_u64(&s->value, r->closed_at_ms);
    bytes_append_u64(&s->value, r->closed_by);
    bytes_append_u32(&s->value, r->bets);
    text_append(&s->value, r->currency);
    state_put(s, TABLE_ROUND, round_key(provider, player, name, buffer));
}

/* ---- holds ---- */

int hold_decode(struct slice value, struct hold *h, struct fault *fault)
{
    struct cursor in = cursor_over(value);

    h->seq = cursor_u64(&in);
    h->closed_by = cursor_u64(&in);
    h->expires_at_ms = cursor_u64(&in);
    h->amount_minor = (int64_t)cursor_u64(&in);
    h->player = text_take(&in);
    h->currency = text_take(&in);
    h->gateway = text_take(&in);
    return in.failed || in.left > 0 || h->amount_minor <= 0
               ? state_damaged(fault, "hold of", h->player)
               : 0;
}

int state_hold(const struct state *s, struct id_space ids, struct slice id, struct hold *h,
               struct fault *fault)
{
    char buffer[STORE_KEY_MAX];
    struct slice value;
    int rc = layers_get(&s->layers, TABLE_HOLD, id_key(ids, id, buffer), &value, fault);

    if (rc != 1) {
        return rc;
    }
    return hold_decode(value, h, fault) == 0 ? 1 : -1;
}

void state_put_hold(struct state *s, struct id_space ids, struct slice id, const struct hold *h)
{
    char buffer[STORE_KEY_MAX];

    bytes_clear(&s->value);
    bytes_append_u64(&s->value, h->seq);
    bytes_append_u64(&s->value, h->closed_by);
    bytes_append_u64(&s->value, h->expires_at_ms);
    bytes_append_u64(&s->value, (uint64_t)h->amount_minor);
    text_append(&s->value, h->player);
    text_append(&s->value, h->currency);
    text_append(&s->value, h->gateway);
    state_put(s, TABLE_HOLD, id_key(ids, id, buffer));
}

#include "api/render.h"

void render_hex(const uint8_t *data, size_t len, char *text)
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < len; i++) {
        text[2 * i] = digits[data[i] >> 4];
        text[2 * i + 1] = digits[data[i] & 15];
    }
    text[2 * len] = '\0';
}

static void put_money(struct writer *w, const char *key, int64_t minor, uint8_t scale)
{
    char text[AMOUNT_TEXT_MAX];
    int len = money_format(minor, scale, text);

    writer_put_text(w, key, (struct slice){text, (size_t)len});
}

static void put_account(struct writer *w, const char *key, struct account a)
{
    char text[ACCOUNT_TEXT_MAX];
    int len = account_format(a, text);

    writer_put_text(w, key, (struct slice){text, (size_t)len});
}

void render_put_hash(struct writer *w, const char *key, const uint8_t hash[HASH_BYTES])
{
    char text[HEX_MAX];

    render_hex(hash, HASH_BYTES, text);
    writer_put_text(w, key, (struct slice){text, 2 * HASH_BYTES});
}

void render_put_time(struct writer *w, const char *key, uint64_t unix_ms)
{
    char text[TIME_TEXT_MAX];
    int len = time_render(unix_ms, text);

    writer_put_text(w, key, (struct slice){text, (size_t)len});
}

/* What every form of a transaction begins with. */
static void put_common(struct writer *w, const struct record *r)
{
    writer_put_text(w, "id", r->id);
    writer_put_string(w, "type", command_type_name(r->type));
    writer_put_text(w, "player", r->player);
    writer_put_text(w, "currency", r->currency);
    put_money(w, "amount", r->amount_minor, r->scale);
    put_money(w, "balance", r->balance_minor, r->scale);
    writer_put_u64(w, "seq", r->seq);
    render_put_time(w, "at", r->at_ms);
}

/* What stands there only when the client gave it. */
static void put_given(struct writer *w, const struct record *r)
{
    writer_put_given(w, "round", r->round);
    writer_put_given(w, "game", r->game);
    writer_put_given(w, "session", r->session);
    writer_put_given(w, "bet", r->bet);
    writer_put_given(w, "original", r->original);
    writer_put_given(w, "gateway", r->gateway);
    if (r->win_kind != WIN_PLAIN) {
        writer_put_string(w, "kind", win_kind_name(r->win_kind));
    }
    if (r->seq != 0) { /* a dry run has no place in the chain */
        render_put_hash(w, "hash", r->hash);
    }
}

static void put_requested(struct writer *w, const struct record *r)
{
    if (r->requested_minor != r->amount_minor) {
        put_money(w, "requested", r->requested_minor, r->scale);
    }
}

static void put_outcome(struct writer *w, const struct record *r)
{
    writer_put_string(w, "outcome", verdict_code(r->verdict));
    put_requested(w, r);
}

void render_transaction(struct writer *w, const struct outcome *o)
{
    const struct record *r = &o->record;

    put_common(w, r);
    writer_put_bool(w, "replayed", o->replayed);
    if (o->replayed) {
        put_money(w, "balance_now", o->balance_now_minor, r->scale);
    }
    if (o->dry_run) {
        writer_put_bool(w, "dry_run", true);
    }
    put_given(w, r);
    if (r->type == COMMAND_WITHDRAW) { /* nothing has moved yet: say what is held */
        put_requested(w, r);
    }
}

void render_decided(struct writer *w, const struct record *r)
{
    put_common(w, r);
    writer_put_bool(w, "replayed", false);
    put_given(w, r);
    put_outcome(w, r);
}

void render_entry(struct writer *w, const struct record *r)
{
    size_t i;

    put_common(w, r);
    put_given(w, r);
    put_outcome(w, r);
    put_account(w, "debit", r->debit);
    put_account(w, "credit", r->credit);
    writer_put_text(w, "provider", r->principal);
    render_put_hash(w, "prev_hash", r->prev_hash);
    writer_put_u64(w, "previous", r->previous);
    if (r->action != 0) {
        writer_put_u64(w, "action", r->action);
        render_put_hash(w, "action_hash", r->action_hash);
    }
    writer_key(w, "postings");
    writer_open_list(w);
    for (i = 0; i < r->n_postings; i++) {
        const struct posting *p = &r->postings[i];

        writer_open_map(w);
        put_account(w, "debit", p->debit);
        put_account(w, "credit", p->credit);
        put_money(w, "amount", p->amount_minor, r->scale);
        put_money(w, "debit_balance", p->debit_balance_minor, r->scale);
        put_money(w, "credit_balance", p->credit_balance_minor, r->scale);
        writer_close_map(w);
    }
    writer_close_list(w);
}

void render_action(struct writer *w, const struct action *a)
{
    writer_put_u64(w, "number", a->number);
    render_put_time(w, "at", a->at_ms);
    writer_put_text(w, "call", a->call);
    writer_put_given(w, "subject", a->subject);
    writer_put_given(w, "detail", a->detail);
    writer_put_string(w, "outcome", action_outcome(a));
    writer_put_text(w, "principal", a->by.principal);
    writer_put_string(w, "role", role_name(a->by.role));
    writer_put_text(w, "key", a->by.key);
    writer_put_text(w, "from", a->by.address);
    writer_put_u64(w, "node", a->by.node);
    writer_put_text(w, "request", a->by.request);
    writer_put_u64(w, "seq", a->seq);
    render_put_hash(w, "ledger_hash", a->head);
    render_put_hash(w, "prev_hash", a->prev_hash);
    render_put_hash(w, "hash", a->hash);
}

void render_balance(struct writer *w, const struct balance *b)
{
    writer_put_text(w, "currency", b->currency);
    put_money(w, "balance", b->balance_minor, b->scale);
    put_money(w, "available", b->available_minor, b->scale);
}

void render_session(struct writer *w, const struct session_info *s)
{
    writer_put_text(w, "id", s->id);
    writer_put_text(w, "player", s->player);
    writer_put_given(w, "provider", s->provider);
    writer_put_given(w, "game", s->game);
    render_put_time(w, "opened_at", s->opened_at_ms);
    render_put_time(w, "expires_at", s->expires_at_ms);
    if (s->authenticated_at_ms != 0) {
        render_put_time(w, "authenticated_at", s->authenticated_at_ms);
    }
    if (s->closed_at_ms != 0) {
        render_put_time(w, "closed_at", s->closed_at_ms);
    }
    if (s->reminder_s != 0) {
        writer_put_u64(w, "reminder_s", s->reminder_s);
    }
}

static void render_limit(struct writer *w, const struct limit_info *l)
{
    writer_put_string(w, "kind", limit_kind_name(l->kind));
    writer_put_string(w, "period", limit_period_name(l->period));
    writer_put_text(w, "currency", l->currency);
    put_money(w, "amount", l->amount_minor, l->scale);
    put_money(w, "used", l->used_minor, l->scale);
    if (!l->pending) {
        return;
    }
    writer_key(w, "pending");
    writer_open_map(w);
    if (l->pending_none) {
        writer_key(w, "amount");
        writer_null(w);
    } else {
        put_money(w, "amount", l->pending_minor, l->scale);
    }
    render_put_time(w, "effective_at", l->effective_at_ms);
    writer_close_map(w);
}

void render_player(struct writer *w, struct slice player, const struct answer *a)
{
    uint32_t i;

    writer_put_text(w, "id", player);
    writer_put_string(w, "status", player_status_name(a->status));
    if (a->until_ms != 0) {
        render_put_time(w, "until", a->until_ms);
    }
    render_put_time(w, "created_at", a->created_at_ms);
    if (a->reminder_s != 0) {
        writer_put_u64(w, "reminder_s", a->reminder_s);
    }
    writer_put_bool(w, "has_password", a->has_password);
    writer_key(w, "limits");
    writer_open_list(w);
    for (i = 0; i < a->n_limits; i++) {
        writer_open_map(w);
        render_limit(w, &a->limits[i]);
        writer_close_map(w);
    }
    writer_close_list(w);
}

static void put_texts(struct writer *w, const char *key, const struct slice *texts, size_t n)
{
    size_t i;

    writer_key(w, key);
    writer_open_list(w);
    for (i = 0; i < n; i++) {
        writer_text(w, texts[i]);
    }
    writer_close_list(w);
}

void render_principal(struct writer *w, struct slice name, const struct answer *a)
{
    const struct policy *p = &a->policy;

    writer_put_text(w, "id", name);
    writer_put_string(w, "role", role_name(a->role));
    writer_put_bool(w, "disabled", a->principal_disabled);
    writer_put_string(w, "ids_scope", ids_scope_name(p->ids_scope));
    writer_put_string(w, "shortfall", shortfall_name(p->shortfall));
    put_texts(w, "currencies", p->currencies, p->n_currencies);
    writer_put_u64(w, "rate_per_s", p->rate_per_s);
    put_texts(w, "ip_allow", p->ip_allow, p->n_ip_allow);
}

void render_round(struct writer *w, const struct round_info *r)
{
    writer_put_text(w, "round", r->round);
    writer_put_text(w, "player", r->player);
    writer_put_given(w, "currency", r->currency);
    render_put_time(w, "opened_at", r->opened_at_ms);
    writer_put_u64(w, "bets", r->bets);
}

void render_node(struct writer *w, const char *key, uint64_t id)
{
    writer_key(w, key);
    if (id == 0) {
        writer_null(w);
    } else {
        writer_u64(w, id);
    }
}

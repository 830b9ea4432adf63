#include "api/render.h"

#include <stdio.h>
#include <time.h>

int render_time(uint64_t unix_ms, char text[static TIME_TEXT_MAX])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    size_t len;

    if (unix_ms / 1000 > UINT64_C(253402300799) || gmtime_r(&seconds, &tm) == NULL) {
        seconds = 0; /* beyond the year 9999 RFC 3339 ends, and no clock of ours gets there */
        gmtime_r(&seconds, &tm);
    }
    len = strftime(text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    return (int)len +
           snprintf(text + len, TIME_TEXT_MAX - len, ".%03uZ", (unsigned)(unix_ms % 1000));
}

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

static void put_hash(struct writer *w, const char *key, const uint8_t hash[HASH_BYTES])
{
    char text[HEX_MAX];

    render_hex(hash, HASH_BYTES, text);
    writer_put_text(w, key, (struct slice){text, 2 * HASH_BYTES});
}

static void put_time(struct writer *w, const char *key, uint64_t unix_ms)
{
    char text[TIME_TEXT_MAX];
    int len = render_time(unix_ms, text);

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
    put_time(w, "at", r->at_ms);
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
    put_hash(w, "hash", r->hash);
}

static void put_outcome(struct writer *w, const struct record *r)
{
    writer_put_string(w, "outcome", verdict_code(r->verdict));
    if (r->requested_minor != r->amount_minor) {
        put_money(w, "requested", r->requested_minor, r->scale);
    }
}

void render_transaction(struct writer *w, const struct record *r, bool replayed,
                        int64_t balance_now_minor)
{
    put_common(w, r);
    writer_put_bool(w, "replayed", replayed);
    if (replayed) {
        put_money(w, "balance_now", balance_now_minor, r->scale);
    }
    put_given(w, r);
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
    put_hash(w, "prev_hash", r->prev_hash);
    writer_put_u64(w, "previous", r->previous);
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

void render_balance(struct writer *w, const struct balance *b)
{
    writer_put_text(w, "currency", b->currency);
    put_money(w, "balance", b->balance_minor, b->scale);
    put_money(w, "available", b->available_minor, b->scale);
}

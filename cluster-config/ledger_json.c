#define _GNU_SOURCE 1 /* strptime, timegm */
#include "cluster-config/ledger_json.h"

#include <stdio.h>
#include <time.h>

enum { TIME_TEXT_LEN = 24 }; /* 2026-01-02T03:04:05.678Z */

struct reader {
    const json_t *entry;
    struct fault *fault;
};

static int wrong(const struct reader *in, const char *field, const char *why)
{
    return fault_set(in->fault, "field %s %s", field, why);
}

/* A member that is a string; absent is an empty slice. */
static int read_text(const struct reader *in, const char *field, struct slice *out)
{
    const json_t *v = json_object_get(in->entry, field);

    *out = (struct slice){NULL, 0};
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    if (!json_is_string(v)) {
        return wrong(in, field, "is not a string");
    }
    *out = (struct slice){json_string_value(v), json_string_length(v)};
    return 0;
}

static int read_id(const struct reader *in, const char *field, bool needed, struct slice *out)
{
    if (read_text(in, field, out) != 0) {
        return -1;
    }
    if (out->len == 0 ? needed : !id_valid(*out)) {
        return wrong(in, field, "is missing or not an id");
    }
    return 0;
}

static int read_number(const struct reader *in, const char *field, uint64_t *out)
{
    const json_t *v = json_object_get(in->entry, field);

    *out = 0;
    if (v == NULL || json_is_null(v)) {
        return 0;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        return wrong(in, field, "is not a whole number");
    }
    *out = (uint64_t)json_integer_value(v);
    return 0;
}

/* A decimal with exactly `scale` digits after the point, or any number of them when *scale is
 * unknown (negative), which then becomes known. A house's balance may be negative. */
static int read_money(const struct reader *in, const char *field, int *scale, int64_t *out)
{
    struct slice text;
    struct decimal d;

    if (read_text(in, field, &text) != 0) {
        return -1;
    }
    bool negative = text.len > 0 && text.base[0] == '-';
    struct slice digits = text;
    if (negative) {
        digits = (struct slice){text.base + 1, text.len - 1};
    }
    if (decimal_parse(digits, &d) != 0) {
        return wrong(in, field, "is not an amount");
    }
    if (*scale >= 0 && d.after_point != *scale) {
        return wrong(in, field, "has another number of digits after the point than amount");
    }
    *scale = d.after_point;
    *out = negative ? -d.digits : d.digits;
    return 0;
}

/* Exactly what the API writes: the text is rendered again and must be the same. */
static int read_time(const struct reader *in, const char *field, uint64_t *unix_ms)
{
    struct tm tm = {0};
    struct slice text;
    unsigned ms = 0;
    char again[TIME_TEXT_LEN + 1];

    if (read_text(in, field, &text) != 0) {
        return -1;
    }
    if (text.len != TIME_TEXT_LEN ||
        strptime(text.base, "%Y-%m-%dT%H:%M:%S", &tm) != text.base + 19 ||
        sscanf(text.base + 19, ".%3uZ", &ms) != 1) {
        return wrong(in, field, "is not a time like 2026-01-02T03:04:05.678Z");
    }
    time_t seconds = timegm(&tm);
    size_t len = strftime(again, sizeof again, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(again + len, sizeof again - len, ".%03uZ", ms % 1000);
    if (seconds < 0 || !slice_is(text, again)) {
        return wrong(in, field, "is not a time like 2026-01-02T03:04:05.678Z");
    }
    *unix_ms = (uint64_t)seconds * 1000 + ms;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hash(const struct reader *in, const char *field, uint8_t out[HASH_BYTES])
{
    struct slice text;

    if (read_text(in, field, &text) != 0) {
        return -1;
    }
    if (text.len != (size_t)2 * HASH_BYTES) {
        return wrong(in, field, "is not 64 lower-case hex digits");
    }
    for (size_t i = 0; i < HASH_BYTES; i++) {
        int high = hex_digit(text.base[2 * i]);
        int low = hex_digit(text.base[2 * i + 1]);

        if (high < 0 || low < 0) {
            return wrong(in, field, "is not 64 lower-case hex digits");
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

static int read_account(const struct reader *in, const char *field, struct account *out)
{
    struct slice text;

    if (read_text(in, field, &text) != 0) {
        return -1;
    }
    return text.len > 0 && account_parse(text, out) == 0 ? 0
                                                         : wrong(in, field, "is not an account");
}

static int read_type(const struct reader *in, enum command_type *out)
{
    static const enum command_type types[] = {
        COMMAND_BET,        COMMAND_WIN,      COMMAND_ROLLBACK,         COMMAND_DEPOSIT,
        COMMAND_ADJUST,     COMMAND_WITHDRAW, COMMAND_WITHDRAW_CONFIRM, COMMAND_WITHDRAW_CANCEL,
        COMMAND_ROUND_CLOSE};
    struct slice text;

    if (read_text(in, "type", &text) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (slice_is(text, command_type_name(types[i]))) {
            *out = types[i];
            return 0;
        }
    }
    return wrong(in, "type", "is not one that this program knows");
}

static int read_verdict(const struct reader *in, enum verdict *out)
{
    struct slice text;

    if (read_text(in, "outcome", &text) != 0) {
        return -1;
    }
    /* From above: a deposit's refusal and a change's have the code self_excluded in common, and no
     * action is a deposit's. */
    for (unsigned v = UINT8_MAX + 1; v-- > 0;) {
        if (verdict_known(v) && verdict_is_recorded((enum verdict)v) &&
            slice_is(text, verdict_code((enum verdict)v))) {
            *out = (enum verdict)v;
            return 0;
        }
    }
    return wrong(in, "outcome", "is not one that this program knows");
}

static int read_kind(const struct reader *in, enum win_kind *out)
{
    struct slice text;

    *out = WIN_PLAIN;
    if (read_text(in, "kind", &text) != 0) {
        return -1;
    }
    return text.len == 0 || win_kind_parse(text, out) == 0
               ? 0
               : wrong(in, "kind", "is not one that this program knows");
}

static int read_postings(const struct reader *in, int scale, struct record *r)
{
    const json_t *list = json_object_get(in->entry, "postings");
    size_t n = json_array_size(list);

    if (!json_is_array(list) || n > POSTINGS_MAX) {
        return wrong(in, "postings", "is not a list of at most two");
    }
    for (size_t i = 0; i < n; i++) {
        struct posting *p = &r->postings[i];
        const struct reader item = {json_array_get(list, i), in->fault};

        if (read_account(&item, "debit", &p->debit) != 0 ||
            read_account(&item, "credit", &p->credit) != 0 ||
            read_money(&item, "amount", &scale, &p->amount_minor) != 0 ||
            read_money(&item, "debit_balance", &scale, &p->debit_balance_minor) != 0 ||
            read_money(&item, "credit_balance", &scale, &p->credit_balance_minor) != 0) {
            return -1;
        }
    }
    r->n_postings = (uint8_t)n;
    return 0;
}

/* The end of a withdrawal is called as that is, and a word behind it. */
static int read_record_id(const struct reader *in, enum command_type type, struct slice *out)
{
    struct slice end = slice_of(type == COMMAND_WITHDRAW_CONFIRM  ? ":confirm"
                                : type == COMMAND_WITHDRAW_CANCEL ? ":cancel"
                                                                  : "");
    struct slice own;

    if (read_text(in, "id", out) != 0) {
        return -1;
    }
    if (out->len <= end.len) {
        return wrong(in, "id", "is missing or too short");
    }
    own = (struct slice){out->base, out->len - end.len};
    if (!id_valid(own) || !slice_equal((struct slice){out->base + own.len, end.len}, end)) {
        return wrong(in, "id", "is not an id of this type of transaction");
    }
    return 0;
}

static int read_names(const struct reader *in, struct record *r)
{
    return read_id(in, "provider", true, &r->principal) != 0 ||
                   read_record_id(in, r->type, &r->id) != 0 ||
                   read_id(in, "player", true, &r->player) != 0 ||
                   read_id(in, "currency", true, &r->currency) != 0 ||
                   read_id(in, "round", false, &r->round) != 0 ||
                   read_id(in, "game", false, &r->game) != 0 ||
                   read_id(in, "session", false, &r->session) != 0 ||
                   read_id(in, "bet", false, &r->bet) != 0 ||
                   read_id(in, "original", false, &r->original) != 0 ||
                   read_id(in, "gateway", false, &r->gateway) != 0
               ? -1
               : 0;
}

static int read_amounts(const struct reader *in, struct record *r)
{
    int scale = -1;

    if (read_money(in, "amount", &scale, &r->amount_minor) != 0 ||
        read_money(in, "balance", &scale, &r->balance_minor) != 0) {
        return -1;
    }
    r->scale = (uint8_t)scale;
    r->requested_minor = r->amount_minor;
    if (json_object_get(in->entry, "requested") != NULL &&
        read_money(in, "requested", &scale, &r->requested_minor) != 0) {
        return -1;
    }
    return read_postings(in, scale, r);
}

/* The newest action, which the first record after it holds. */
static int read_action(const struct reader *in, struct record *r)
{
    if (read_number(in, "action", &r->action) != 0) {
        return -1;
    }
    return r->action == 0 ? 0 : read_hash(in, "action_hash", r->action_hash);
}

int ledger_record_from_json(const json_t *entry, struct record *r, struct fault *fault)
{
    const struct reader in = {entry, fault};

    memset(r, 0, sizeof *r);
    if (!json_is_object(entry)) {
        return fault_set(fault, "the entry is not an object");
    }
    return read_number(&in, "seq", &r->seq) != 0 || read_time(&in, "at", &r->at_ms) != 0 ||
                   read_type(&in, &r->type) != 0 || read_verdict(&in, &r->verdict) != 0 ||
                   read_kind(&in, &r->win_kind) != 0 ||
                   read_number(&in, "previous", &r->previous) != 0 || read_names(&in, r) != 0 ||
                   read_amounts(&in, r) != 0 || read_account(&in, "debit", &r->debit) != 0 ||
                   read_account(&in, "credit", &r->credit) != 0 || read_action(&in, r) != 0 ||
                   read_hash(&in, "prev_hash", r->prev_hash) != 0 ||
                   read_hash(&in, "hash", r->hash) != 0
               ? -1
               : 0;
}

static int read_outcome(const struct reader *in, struct action *a)
{
    struct slice text;

    if (read_text(in, "outcome", &text) != 0) {
        return -1;
    }
    a->asked = slice_is(text, "asked");
    if (a->asked) {
        return 0;
    }
    /* From above: a deposit's refusal and a change's have the code self_excluded in common, and no
     * action is a deposit's. */
    for (unsigned v = UINT8_MAX + 1; v-- > 0;) {
        if (verdict_known(v) && slice_is(text, verdict_code((enum verdict)v))) {
            a->verdict = (enum verdict)v;
            return 0;
        }
    }
    return wrong(in, "outcome", "is not one that this program knows");
}

static int read_actor(const struct reader *in, struct actor *by)
{
    struct slice role;

    if (read_text(in, "role", &role) != 0) {
        return -1;
    }
    if (role_parse(role, &by->role) != 0) {
        return wrong(in, "role", "is not one that this program knows");
    }
    return read_id(in, "principal", true, &by->principal) != 0 ||
                   read_id(in, "key", true, &by->key) != 0 ||
                   read_id(in, "from", true, &by->address) != 0 ||
                   read_id(in, "request", true, &by->request) != 0 ||
                   read_number(in, "node", &by->node) != 0
               ? -1
               : 0;
}

static int read_detail(const struct reader *in, struct slice *detail)
{
    if (read_text(in, "detail", detail) != 0) {
        return -1;
    }
    return detail->len <= ACTION_DETAIL_MAX ? 0 : wrong(in, "detail", "is too long");
}

int ledger_action_from_json(const json_t *entry, struct action *a, struct fault *fault)
{
    const struct reader in = {entry, fault};

    *a = (struct action){.number = 0};
    if (!json_is_object(entry)) {
        return fault_set(fault, "the action is not an object");
    }
    return read_number(&in, "number", &a->number) != 0 || read_time(&in, "at", &a->at_ms) != 0 ||
                   read_number(&in, "seq", &a->seq) != 0 || read_actor(&in, &a->by) != 0 ||
                   read_id(&in, "call", true, &a->call) != 0 ||
                   read_id(&in, "subject", false, &a->subject) != 0 ||
                   read_detail(&in, &a->detail) != 0 || read_outcome(&in, a) != 0 ||
                   read_hash(&in, "ledger_hash", a->head) != 0 ||
                   read_hash(&in, "prev_hash", a->prev_hash) != 0 ||
                   read_hash(&in, "hash", a->hash) != 0
               ? -1
               : 0;
}

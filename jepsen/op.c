#include "jepsen/op.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CURRENCY "EUR"
#define GATEWAY  "bank"

/* Principals, as cluster_seed makes them. */
static const char *const principals[] = {[KEY_PROVIDER] = "demo", [KEY_PLATFORM] = "casino"};

enum op_key op_key(const struct op *op)
{
    switch (op->f) {
    case FN_DEPOSIT:
    case FN_WITHDRAW:
    case FN_CONFIRM:
    case FN_CANCEL:
    case FN_LEDGER:
        return KEY_PLATFORM;
    default:
        return KEY_PROVIDER;
    }
}

const char *op_method(const struct op *op)
{
    return fn_is_read(op->f) ? "GET" : "POST";
}

void op_path(const struct op *op, char path[static OP_PATH_MAX])
{
    switch (op->f) {
    case FN_BET:
    case FN_WIN:
    case FN_ROLLBACK:
    case FN_DEPOSIT:
        snprintf(path, OP_PATH_MAX, "/v1/%ss", fn_name(op->f));
        break;
    case FN_WITHDRAW:
        snprintf(path, OP_PATH_MAX, "/v1/withdrawals");
        break;
    case FN_CONFIRM:
    case FN_CANCEL:
        snprintf(path, OP_PATH_MAX, "/v1/withdrawals/%s/%s", op->original, fn_name(op->f));
        break;
    case FN_CLOSE:
        snprintf(path, OP_PATH_MAX, "/v1/rounds/%s/close", op->round);
        break;
    case FN_ATOMIC:
        snprintf(path, OP_PATH_MAX, "/v1/transactions");
        break;
    case FN_BALANCE:
        snprintf(path, OP_PATH_MAX, "/v1/players/%s/balances%s", op->player,
                 op->stale ? "?consistency=stale" : "");
        break;
    case FN_TRANSACTION:
        snprintf(path, OP_PATH_MAX, "/v1/transactions/%s", op->id);
        break;
    case FN_LEDGER:
        snprintf(path, OP_PATH_MAX, "/v1/ledger?from=%" PRIu64 "&limit=%" PRIu64 "%s", op->from,
                 op->limit, op->stale ? "&consistency=stale" : "");
        break;
    case FN_COUNT:
        break;
    }
}

static void put(json_t *map, const char *key, const char *text)
{
    if (text[0] != '\0') {
        json_object_set_new(map, key, json_string(text));
    }
}

static json_t *items_of(const struct op *op)
{
    json_t *items = json_array();
    unsigned i;

    for (i = 0; i < op->n_items; i++) {
        json_t *item = json_object();
        put(item, "type", op->items[i].type);
        put(item, "id", op->items[i].id);
        put(item, "amount", op->items[i].amount);
        put(item, "original", op->items[i].original);
        json_array_append_new(items, item);
    }
    return items;
}

/* What the body says; the history has these under the same names. */
static json_t *content(const struct op *op)
{
    json_t *map = json_object();

    if (op->f != FN_CONFIRM && op->f != FN_CANCEL) {
        put(map, "id", op->id);
        put(map, "player", op->player);
    }
    if (op->f != FN_CLOSE && op->f != FN_CONFIRM && op->f != FN_CANCEL && op->f != FN_TRANSACTION &&
        op->f != FN_LEDGER) {
        put(map, "currency", CURRENCY);
    }
    put(map, "amount", op->amount);
    put(map, "bet", op->bet);
    if (op->f == FN_DEPOSIT || op->f == FN_WITHDRAW) {
        put(map, "gateway", GATEWAY);
    }
    if (op->f == FN_ROLLBACK) {
        put(map, "original", op->original);
    } else if (op->f != FN_CLOSE) {
        put(map, "round", op->round);
    }
    if (op->f == FN_ATOMIC) {
        json_object_set_new(map, "items", items_of(op));
        if (op->close_round) {
            json_object_set_new(map, "close_round", json_true());
        }
    }
    return map;
}

json_t *op_body(const struct op *op)
{
    return fn_is_read(op->f) ? NULL : content(op);
}

json_t *op_invoked(const struct op *op, unsigned node)
{
    json_t *map = content(op);

    json_object_set_new(map, "node", json_integer(node));
    if (op->f == FN_LEDGER) {
        json_object_set_new(map, "from", json_integer((json_int_t)op->from));
        json_object_set_new(map, "limit", json_integer((json_int_t)op->limit));
    } else if (op->f != FN_BALANCE) {
        put(map, "provider", principals[op_key(op)]);
    }
    if (op->f == FN_CLOSE) {
        put(map, "round", op->round);
    } else if (op->f == FN_CONFIRM || op->f == FN_CANCEL) {
        put(map, "original", op->original);
    }
    if (op->stale) {
        json_object_set_new(map, "stale", json_true());
    }
    return map;
}

/* Copies what the history keeps of a transaction. */
static void keep(json_t *value, const json_t *answer)
{
    static const char *const kept[] = {"id",   "seq",      "amount",      "balance", "at",
                                       "hash", "replayed", "balance_now", "outcome"};
    size_t i;

    for (i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_t *item = json_object_get(answer, kept[i]);
        if (item != NULL) {
            json_object_set(value, kept[i], item);
        }
    }
}

static void keep_balance(json_t *value, const json_t *answer)
{
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(answer, "balances"), i, item)
    {
        const char *currency = json_string_value(json_object_get(item, "currency"));
        if (currency != NULL && strcmp(currency, CURRENCY) == 0) {
            json_object_set(value, "balance", json_object_get(item, "balance"));
            json_object_set(value, "available", json_object_get(item, "available"));
        }
    }
    if (json_object_get(value, "balance") == NULL) { /* never had any */
        json_object_set_new(value, "balance", json_string("0"));
    }
}

static void keep_page(json_t *value, const json_t *answer)
{
    const json_t *entries = json_object_get(answer, "entries");
    size_t n = json_array_size(entries);

    json_object_set_new(value, "count", json_integer((json_int_t)n));
    if (n > 0) {
        const json_t *last = json_array_get(entries, n - 1);
        json_object_set(value, "last", json_object_get(last, "seq"));
        json_object_set(value, "hash", json_object_get(last, "hash"));
    }
}

static void keep_transactions(json_t *value, const json_t *answer)
{
    json_t *list = json_array();
    json_t *item;
    size_t i;

    json_array_foreach(json_object_get(answer, "transactions"), i, item)
    {
        json_t *kept = json_object();
        keep(kept, item);
        json_array_append_new(list, kept);
    }
    json_object_set_new(value, "transactions", list);
}

static enum ending succeeded(const struct op *op, const json_t *answer, uint64_t applied,
                             json_t *value)
{
    switch (op->f) {
    case FN_BALANCE:
        keep_balance(value, answer);
        break;
    case FN_LEDGER:
        keep_page(value, answer);
        break;
    case FN_ATOMIC:
        keep_transactions(value, answer);
        break;
    case FN_TRANSACTION:
        keep(value, answer);
        break;
    default:
        keep(value, answer);
        json_object_set_new(value, "outcome", json_string("applied"));
    }
    if (fn_is_read(op->f)) {
        json_object_set_new(value, "applied", json_integer((json_int_t)applied));
    }
    return END_OK;
}

/* A problem: decided for ever, certainly not applied, or unknown. */
static enum ending refused_with(const struct op *op, long status, const json_t *answer,
                                json_t *value)
{
    const char *code = json_string_value(json_object_get(answer, "code"));
    bool conflict = code != NULL && strcmp(code, "idempotency_conflict") == 0;
    const json_t *seq = json_object_get(answer, "seq");

    if (code != NULL && op->f == FN_TRANSACTION && strcmp(code, "unknown_transaction") == 0) {
        put(value, "outcome", code);
        return END_OK;
    }
    if (code != NULL && !fn_is_read(op->f) && !conflict && json_is_integer(seq)) {
        put(value, "outcome", code);
        json_object_set(value, "seq", (json_t *)seq);
        if (json_object_get(answer, "item") != NULL) {
            json_object_set(value, "item", json_object_get(answer, "item"));
        }
        return END_OK;
    }
    put(value, "error", code == NULL ? "no code" : code);
    if (conflict && json_object_get(answer, "fields") != NULL) {
        json_object_set(value, "fields", json_object_get(answer, "fields"));
    }
    if (fn_is_read(op->f)) {
        return END_FAIL;
    }
    return code != NULL && (status < 500 || status == 503) ? END_FAIL : END_UNKNOWN;
}

enum ending op_ended(const struct op *op, unsigned node, long status, bool refused,
                     const json_t *answer, uint64_t applied, json_t **value)
{
    *value = json_object();
    json_object_set_new(*value, "node", json_integer(node));
    if (status == 200 && json_is_object(answer)) {
        return succeeded(op, answer, applied, *value);
    }
    if (status != 0) {
        return refused_with(op, status, answer, *value);
    }
    put(*value, "error", refused ? "refused" : "no answer");
    return refused || fn_is_read(op->f) ? END_FAIL : END_UNKNOWN;
}

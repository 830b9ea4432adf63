#include "jepsen/history.h"

#include <inttypes.h>
#include <stdlib.h>

#include "jepsen/edn.h"

static const char *const fn_names[FN_COUNT] = {
    "bet",    "win",   "rollback", "deposit", "withdraw",    "confirm",
    "cancel", "close", "atomic",   "balance", "transaction", "ledger",
};

const char *fn_name(enum fn f)
{
    return fn_names[f];
}

void history_init(struct history *h)
{
    memset(h, 0, sizeof *h);
    bytes_init(&h->calls_);
    bytes_init(&h->parts_);
    bytes_init(&h->events_);
}

void history_release(struct history *h)
{
    bytes_release(&h->calls_);
    bytes_release(&h->parts_);
    bytes_release(&h->events_);
    history_init(h);
}

/* One line while it is read. */
struct line {
    struct history *h;
    struct edn *e;
    const struct edn_node *value;
    struct ref text;
    int64_t time_ns;
    struct fault *fault;
};

static struct ref ref_of(const struct history *h, struct slice s)
{
    return s.len == 0 ? (struct ref){0, 0}
                      : (struct ref){(uint32_t)(s.base - h->text.base), (uint32_t)s.len};
}

static int wrong(const struct line *in, const char *key)
{
    return fault_set(in->fault, "%s is missing or of the wrong kind", key);
}

/* A string or keyword; absent is an empty ref. */
static int take_text(const struct line *in, const struct edn_node *map, const char *key,
                     struct ref *out)
{
    const struct edn_node *n = edn_get(in->e, map, key);

    *out = (struct ref){0, 0};
    if (n != NULL && n->kind != EDN_STRING && n->kind != EDN_KEYWORD) {
        return wrong(in, key);
    }
    if (n != NULL) {
        *out = ref_of(in->h, n->text);
    }
    return 0;
}

static int take_number(const struct line *in, const struct edn_node *map, const char *key,
                       uint64_t max, uint64_t *out)
{
    const struct edn_node *n = edn_get(in->e, map, key);

    *out = 0;
    if (n == NULL) {
        return 0;
    }
    if (n->kind != EDN_INTEGER || n->integer < 0 || (uint64_t)n->integer > max) {
        return wrong(in, key);
    }
    *out = (uint64_t)n->integer;
    return 0;
}

static bool take_true(const struct line *in, const struct edn_node *map, const char *key)
{
    const struct edn_node *n = edn_get(in->e, map, key);

    return n != NULL && n->kind == EDN_BOOL && n->integer == 1;
}

/* --- what was asked --------------------------------------------------------------------------- */

static const enum command_type types[FN_COUNT] = {
    [FN_BET] = COMMAND_BET,
    [FN_WIN] = COMMAND_WIN,
    [FN_ROLLBACK] = COMMAND_ROLLBACK,
    [FN_DEPOSIT] = COMMAND_DEPOSIT,
    [FN_WITHDRAW] = COMMAND_WITHDRAW,
    [FN_CONFIRM] = COMMAND_WITHDRAW_CONFIRM,
    [FN_CANCEL] = COMMAND_WITHDRAW_CANCEL,
    [FN_CLOSE] = COMMAND_ROUND_CLOSE,
};

static int read_part(const struct line *in, const struct edn_node *map, struct part *p)
{
    struct ref kind;

    if (take_text(in, map, "id", &p->id) != 0 || take_text(in, map, "amount", &p->amount) != 0 ||
        take_text(in, map, "original", &p->original) != 0 ||
        take_text(in, map, "bet", &p->bet) != 0 || take_text(in, map, "kind", &kind) != 0) {
        return -1;
    }
    if (kind.len > 0 && win_kind_parse(history_text(in->h, kind), &p->kind) != 0) {
        return wrong(in, "kind");
    }
    if (p->amount.len > 0 && in->h->text.base[p->amount.at] == '-') {
        p->negative = true;
        p->amount.at++;
        p->amount.len--;
    }
    return 0;
}

static int read_items(const struct line *in, struct call *c)
{
    const struct edn_node *items = edn_get(in->e, in->value, "items");
    const struct edn_node *item;

    for (item = edn_first(in->e, items); item != NULL; item = edn_next(in->e, items, item)) {
        struct part p = {.call = (uint32_t)in->h->n_calls};
        struct ref type;
        struct slice name;

        if (read_part(in, item, &p) != 0 || take_text(in, item, "type", &type) != 0) {
            return -1;
        }
        name = history_text(in->h, type);
        p.type = slice_is(name, "bet")        ? COMMAND_BET
                 : slice_is(name, "win")      ? COMMAND_WIN
                 : slice_is(name, "rollback") ? COMMAND_ROLLBACK
                                              : COMMAND_ADJUST;
        if (p.type == COMMAND_ADJUST && !slice_is(name, "adjust")) {
            return wrong(in, "the type of an item");
        }
        bytes_append(&in->h->parts_, &p, sizeof p);
        c->n_parts++;
    }
    return c->n_parts > 0 ? 0 : wrong(in, "items");
}

static int read_names(const struct line *in, struct call *c)
{
    const struct edn_node *v = in->value;

    return take_text(in, v, "provider", &c->provider) != 0 || take_text(in, v, "id", &c->id) != 0 ||
                   take_text(in, v, "player", &c->player) != 0 ||
                   take_text(in, v, "currency", &c->currency) != 0 ||
                   take_text(in, v, "round", &c->round) != 0 ||
                   take_text(in, v, "game", &c->game) != 0 ||
                   take_text(in, v, "session", &c->session) != 0 ||
                   take_text(in, v, "gateway", &c->gateway) != 0 ||
                   take_number(in, v, "from", INT64_MAX, &c->from) != 0 ||
                   take_number(in, v, "limit", INT64_MAX, &c->limit) != 0
               ? -1
               : 0;
}

/* Without these a call can't be judged. */
static int check_names(const struct line *in, const struct call *c, const struct part *p)
{
    bool own = c->f == FN_BALANCE || c->f == FN_LEDGER;
    bool ended = c->f == FN_CONFIRM || c->f == FN_CANCEL;

    if (!own && c->provider.len == 0) {
        return wrong(in, "provider");
    }
    if (!own && !ended && c->f != FN_ATOMIC && p->id.len == 0) {
        return wrong(in, "id");
    }
    if ((ended || c->f == FN_ROLLBACK) && p->original.len == 0) {
        return wrong(in, "original");
    }
    if (!ended && c->f != FN_TRANSACTION && c->f != FN_LEDGER && c->player.len == 0) {
        return wrong(in, "player");
    }
    if (c->f == FN_BALANCE && c->currency.len == 0) {
        return wrong(in, "currency");
    }
    return 0;
}

static int read_invoke(const struct line *in, struct slice f, uint32_t process)
{
    struct history *h = in->h;
    struct call c = {.invoked_ns = in->time_ns,
                     .ended_ns = INT64_MAX,
                     .invoke_line = in->text,
                     .process = process,
                     .f = FN_COUNT};
    struct part p = {.call = (uint32_t)h->n_calls};
    uint64_t node;

    for (unsigned i = 0; i < FN_COUNT; i++) {
        c.f = slice_is(f, fn_names[i]) ? (enum fn)i : c.f;
    }
    if (c.f == FN_COUNT) {
        return fault_set(in->fault, "an operation that is unknown: %.*s", (int)f.len, f.base);
    }
    c.first_part = (uint32_t)h->n_parts;
    c.stale = take_true(in, in->value, "stale");
    p.type = types[c.f];
    if (take_number(in, in->value, "node", NODES_MAX - 1, &node) != 0 || read_names(in, &c) != 0 ||
        read_part(in, in->value, &p) != 0 || check_names(in, &c, &p) != 0) {
        return -1;
    }
    c.node = (uint32_t)node;
    if (c.f == FN_ATOMIC) {
        if (read_items(in, &c) != 0) {
            return -1;
        }
    } else {
        bytes_append(&h->parts_, &p, sizeof p);
        c.n_parts = 1;
    }
    bytes_append(&h->calls_, &c, sizeof c);
    return 0;
}

/* --- what was answered ------------------------------------------------------------------------ */

static int read_answer(const struct line *in, const struct edn_node *map, struct part *p)
{
    const struct edn_node *replayed = edn_get(in->e, map, "replayed");

    if (take_number(in, map, "seq", INT64_MAX, &p->seq) != 0 ||
        take_text(in, map, "amount", &p->got_amount) != 0 ||
        take_text(in, map, "balance", &p->got_balance) != 0 ||
        take_text(in, map, "balance-now", &p->got_balance_now) != 0 ||
        take_text(in, map, "hash", &p->got_hash) != 0 ||
        take_text(in, map, "outcome", &p->got_outcome) != 0) {
        return -1;
    }
    p->replay_told = replayed != NULL && replayed->kind == EDN_BOOL;
    p->replayed = p->replay_told && replayed->integer == 1;
    p->answered = p->seq != 0;
    return 0;
}

static int read_atomic_answer(const struct line *in, struct call *c)
{
    struct part *parts = in->h->parts + c->first_part;
    const struct edn_node *list = edn_get(in->e, in->value, "transactions");
    const struct edn_node *t;
    uint64_t item, i = 0;

    if (list == NULL) { /* refused by one item */
        if (take_number(in, in->value, "item", c->n_parts - 1, &item) != 0) {
            return -1;
        }
        return read_answer(in, in->value, &parts[item]);
    }
    for (t = edn_first(in->e, list); t != NULL && i < c->n_parts; t = edn_next(in->e, list, t)) {
        if (read_answer(in, t, &parts[i++]) != 0) {
            return -1;
        }
    }
    return t == NULL && i == c->n_parts ? 0 : wrong(in, "transactions (one for each item)");
}

static int read_end(const struct line *in, struct call *c, enum ending end)
{
    struct part *p = in->h->parts + c->first_part;

    c->end = end;
    c->ended_ns = in->time_ns;
    c->end_line = in->text;
    if (in->time_ns < c->invoked_ns) {
        return fault_set(in->fault, "ends before it was invoked");
    }
    if (end != END_OK) {
        return take_text(in, in->value, "error", &c->error);
    }
    if (c->f == FN_ATOMIC) {
        return read_atomic_answer(in, c);
    }
    if (c->f == FN_LEDGER) {
        return take_number(in, in->value, "count", INT64_MAX, &c->count) != 0 ||
                       take_number(in, in->value, "last", INT64_MAX, &p->seq) != 0 ||
                       take_text(in, in->value, "hash", &p->got_hash) != 0
                   ? -1
                   : 0;
    }
    if (read_answer(in, in->value, p) != 0) {
        return -1;
    }
    if (!fn_is_read(c->f) && !p->answered) {
        return wrong(in, "seq");
    }
    return c->f == FN_BALANCE && p->got_balance.len == 0 ? wrong(in, "balance") : 0;
}

static int read_event(const struct line *in, struct slice f)
{
    struct event ev = {.time_ns = in->time_ns, .f = ref_of(in->h, f), .line = in->text};
    const struct edn_node *nodes = edn_get(in->e, in->value, "nodes");
    uint64_t node, within;

    if (take_text(in, in->value, "what", &ev.what) != 0 ||
        take_number(in, in->value, "node", NODES_MAX - 1, &node) != 0 ||
        take_number(in, in->value, "term", INT64_MAX, &ev.term) != 0 ||
        take_number(in, in->value, "within-ms", INT32_MAX, &within) != 0) {
        return -1;
    }
    ev.node = (uint32_t)node;
    ev.within_ms = (int64_t)within;
    for (const struct edn_node *n = edn_first(in->e, nodes); n != NULL;
         n = edn_next(in->e, nodes, n)) {
        if (n->kind != EDN_INTEGER || n->integer < 0 || n->integer >= NODES_MAX) {
            return wrong(in, "nodes");
        }
        ev.nodes |= UINT64_C(1) << n->integer;
    }
    bytes_append(&in->h->events_, &ev, sizeof ev);
    return 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* After every append: the arrays may have moved. */
static void settle(struct history *h)
{
    h->calls = (struct call *)(void *)h->calls_.base;
    h->parts = (struct part *)(void *)h->parts_.base;
    h->events = (struct event *)(void *)h->events_.base;
    h->n_calls = h->calls_.len / sizeof *h->calls;
    h->n_parts = h->parts_.len / sizeof *h->parts;
    h->n_events = h->events_.len / sizeof *h->events;
}

enum { PROCESS_FREE = 0, PROCESS_GONE = UINT32_MAX };

/* The process's open call plus one, PROCESS_FREE or PROCESS_GONE. */
static uint32_t *process_slot(struct bytes *open, int64_t process)
{
    size_t need = ((size_t)process + 1) * sizeof(uint32_t);

    if (open->len < need) {
        bytes_reserve(open, need - open->len);
        memset(open->base + open->len, 0, need - open->len);
        open->len = need;
    }
    return (uint32_t *)(void *)open->base + process;
}

static int read_client(const struct line *in, struct slice type, struct slice f, int64_t process,
                       struct bytes *open)
{
    uint32_t *slot;

    if (process < 0 || process >= PROCESSES_MAX) {
        return wrong(in, "process");
    }
    slot = process_slot(open, process);
    if (slice_is(type, "invoke")) {
        if (*slot != PROCESS_FREE) {
            return fault_set(in->fault, "process %" PRId64 " %s", process,
                             *slot == PROCESS_GONE ? "ended in :info before"
                                                   : "has not ended what it began");
        }
        *slot = (uint32_t)in->h->n_calls + 1;
        return read_invoke(in, f, (uint32_t)process);
    }
    if (*slot == PROCESS_FREE || *slot == PROCESS_GONE) {
        return fault_set(in->fault, "process %" PRId64 " ends what it did not begin", process);
    }
    struct call *c = &in->h->calls[*slot - 1];
    if (!slice_is(f, fn_names[c->f])) {
        return fault_set(in->fault, "process %" PRId64 " ends another operation than it began",
                         process);
    }
    if (slice_is(type, "ok") || slice_is(type, "fail")) {
        *slot = PROCESS_FREE;
        return read_end(in, c, slice_is(type, "ok") ? END_OK : END_FAIL);
    }
    *slot = PROCESS_GONE;
    return slice_is(type, "info") ? read_end(in, c, END_UNKNOWN) : wrong(in, "type");
}

static int read_line(struct line *in, struct bytes *open)
{
    const struct edn_node *map, *type, *f, *process, *time;

    if (in->text.len > LINE_BYTES_MAX) {
        return fault_set(in->fault, "longer than %d bytes", LINE_BYTES_MAX);
    }
    if (edn_parse(history_text(in->h, in->text), in->e, in->fault) != 0) {
        return -1;
    }
    map = &in->e->nodes[0];
    type = edn_get(in->e, map, "type");
    f = edn_get(in->e, map, "f");
    process = edn_get(in->e, map, "process");
    time = edn_get(in->e, map, "time");
    in->value = edn_get(in->e, map, "value");
    if (type == NULL || type->kind != EDN_KEYWORD) {
        return wrong(in, "type");
    }
    if (f == NULL || f->kind != EDN_KEYWORD) {
        return wrong(in, "f");
    }
    if (time == NULL || time->kind != EDN_INTEGER || time->integer < 0) {
        return wrong(in, "time");
    }
    in->time_ns = time->integer;
    if (process != NULL && process->kind == EDN_KEYWORD) {
        return read_event(in, f->text);
    }
    return process == NULL || process->kind != EDN_INTEGER
               ? wrong(in, "process")
               : read_client(in, type->text, f->text, process->integer, open);
}

int history_parse(struct history *h, struct slice text, struct fault *fault)
{
    struct edn *e = malloc(sizeof *e);
    struct bytes open;
    int rc = 0;

    bytes_init(&open);
    h->text = text;
    if (e == NULL || text.len > UINT32_MAX) {
        rc = fault_set(fault, e == NULL ? "out of memory" : "a history of more than 4 GiB");
    }
    for (size_t at = 0; rc == 0 && at < text.len;) {
        const char *end = memchr(text.base + at, '\n', text.len - at);
        size_t len = end == NULL ? text.len - at : (size_t)(end - text.base) - at;
        struct line in = {.h = h, .e = e, .text = {(uint32_t)at, (uint32_t)len}, .fault = fault};

        h->n_lines++;
        if (len > 0 && read_line(&in, &open) != 0) {
            struct fault why = *fault;
            rc = fault_set(fault, "line %zu: %.400s", h->n_lines, why.text);
        }
        settle(h);
        at += len + 1;
    }
    bytes_release(&open);
    free(e);
    return rc;
}

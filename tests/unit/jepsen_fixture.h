/* Hand-made histories and the ledgers to go with them: a wallet of two digits with players, the
 * provider demo and the gateway bank, kept by this fixture and by nothing of ours, so that a test
 * can make it do what no node may. Included by tests only; all functions are static. */
#ifndef FLORIN_JEPSEN_FIXTURE_H
#define FLORIN_JEPSEN_FIXTURE_H

#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "jepsen/check.h"

enum { RIG_PLAYERS = 64, RIG_SCALE = 2 };

struct rig {
    struct bytes history, ledger;
    uint64_t line, seq;
    int64_t time_ns, step_ns;     /* from one line to the next */
    int64_t players[RIG_PLAYERS]; /* minor units; by number in the name: p0 .. p63 */
    uint64_t last[RIG_PLAYERS];   /* seq of the player's last entry */
    int64_t demo, bank;
    uint8_t hash[HASH_BYTES];
    struct bytes canonical;
    struct bytes answers; /* struct rig_answer of each seq */
};

struct rig_answer {
    int64_t amount_minor, balance_minor;
    char hash[2 * HASH_BYTES + 1];
    enum verdict verdict;
};

static inline void rig_print(struct bytes *out, const char *format, va_list args)
{
    char text[2048];
    int len = vsnprintf(text, sizeof text, format, args);

    if (len < 0 || len >= (int)sizeof text) {
        abort();
    }
    bytes_append(out, text, (size_t)len);
}

static inline void rig_put(struct bytes *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void rig_put(struct bytes *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    rig_print(out, format, args);
    va_end(args);
}

/* One line of the history, a millisecond after the one before unless the test says otherwise. */
static inline void rig_line(struct rig *g, int process, const char *type, const char *f,
                            const char *value_format, ...) __attribute__((format(printf, 5, 6)));
static inline void rig_line(struct rig *g, int process, const char *type, const char *f,
                            const char *value_format, ...)
{
    va_list args;

    rig_put(&g->history, "{:type :%s, :f :%s, :process ", type, f);
    if (process < 0) {
        rig_put(&g->history, ":nemesis");
    } else {
        rig_put(&g->history, "%d", process);
    }
    rig_put(&g->history, ", :time %" PRId64 ", :index %" PRIu64 ", :value {", g->time_ns,
            g->line++);
    va_start(args, value_format);
    rig_print(&g->history, value_format, args);
    va_end(args);
    rig_put(&g->history, "}}\n");
    g->time_ns += g->step_ns;
}

static inline void rig_open(struct rig *g)
{
    memset(g, 0, sizeof *g);
    g->time_ns = g->step_ns = 1000000;
    bytes_init(&g->history);
    bytes_init(&g->ledger);
    bytes_init(&g->canonical);
    bytes_init(&g->answers);
    rig_line(g, -1, "info", "test", ":nodes [1 2 3] :seed 1 :workload \"bank\" :nemesis \"none\"");
}

static inline void rig_close(struct rig *g)
{
    bytes_release(&g->history);
    bytes_release(&g->ledger);
    bytes_release(&g->canonical);
    bytes_release(&g->answers);
}

static inline struct rig_answer *rig_answer(struct rig *g, uint64_t seq)
{
    return (struct rig_answer *)(void *)g->answers.base + seq - 1;
}

static inline void rig_put_json(struct rig *g, const struct record *r)
{
    char amount[AMOUNT_TEXT_MAX], balance[AMOUNT_TEXT_MAX], account[2][ACCOUNT_TEXT_MAX];
    char left[AMOUNT_TEXT_MAX], right[AMOUNT_TEXT_MAX], hex[2 * HASH_BYTES + 1];

    money_format(r->amount_minor, r->scale, amount);
    money_format(r->balance_minor, r->scale, balance);
    account_format(r->debit, account[0]);
    account_format(r->credit, account[1]);
    sodium_bin2hex(hex, sizeof hex, r->prev_hash, HASH_BYTES);
    rig_put(&g->ledger,
            "{\"id\":\"%.*s\",\"type\":\"%s\",\"player\":\"%.*s\",\"currency\":\"EUR\","
            "\"amount\":\"%s\",\"balance\":\"%s\",\"seq\":%" PRIu64
            ",\"at\":\"2026-01-01T00:00:00.000Z\",\"outcome\":\"%s\",\"debit\":\"%s\","
            "\"credit\":\"%s\",\"provider\":\"%.*s\",\"prev_hash\":\"%s\",\"previous\":%" PRIu64,
            (int)r->id.len, r->id.base, command_type_name(r->type), (int)r->player.len,
            r->player.base, amount, balance, r->seq, verdict_code(r->verdict), account[0],
            account[1], (int)r->principal.len, r->principal.base, hex, r->previous);
    if (r->requested_minor != r->amount_minor) {
        money_format(r->requested_minor, r->scale, amount);
        rig_put(&g->ledger, ",\"requested\":\"%s\"", amount);
    }
    if (r->original.len > 0) {
        rig_put(&g->ledger, ",\"original\":\"%.*s\"", (int)r->original.len, r->original.base);
    }
    if (r->round.len > 0) {
        rig_put(&g->ledger, ",\"round\":\"%.*s\"", (int)r->round.len, r->round.base);
    }
    if (r->gateway.len > 0) {
        rig_put(&g->ledger, ",\"gateway\":\"%.*s\"", (int)r->gateway.len, r->gateway.base);
    }
    rig_put(&g->ledger, ",\"postings\":[");
    if (r->n_postings > 0) {
        money_format(r->postings[0].amount_minor, r->scale, amount);
        money_format(r->postings[0].debit_balance_minor, r->scale, left);
        money_format(r->postings[0].credit_balance_minor, r->scale, right);
        rig_put(&g->ledger,
                "{\"debit\":\"%s\",\"credit\":\"%s\",\"amount\":\"%s\",\"debit_balance\":\"%s\","
                "\"credit_balance\":\"%s\"}",
                account[0], account[1], amount, left, right);
    }
    sodium_bin2hex(hex, sizeof hex, r->hash, HASH_BYTES);
    rig_put(&g->ledger, "],\"hash\":\"%s\"}\n", hex);
}

static inline bool rig_with_bank(enum command_type type)
{
    return type == COMMAND_DEPOSIT || type == COMMAND_WITHDRAW || type == COMMAND_WITHDRAW_CONFIRM;
}

/* What the next entry is beyond its plain content. */
struct rig_odd {
    const char *original;
    int64_t skew;         /* added to the stated balance: a ledger that does not add up */
    enum verdict verdict; /* a refusal or tombstone without need; else VERDICT_APPLIED */
    const char *round;
};

/* The next entry of the ledger: a bet and a withdrawal's confirmation take, all else gives. A bet
 * over the balance is refused. Returns the seq. */
static inline uint64_t rig_entry_odd(struct rig *g, enum command_type type, const char *id,
                                     const char *player, int64_t minor, struct rig_odd odd)
{
    int number = atoi(player + 1);
    int64_t *purse = &g->players[number];
    bool bank = rig_with_bank(type);
    int64_t *other = bank ? &g->bank : &g->demo;
    bool takes =
        type == COMMAND_BET || type == COMMAND_WITHDRAW || type == COMMAND_WITHDRAW_CONFIRM;
    bool refused = takes && *purse < minor;
    enum verdict verdict = refused ? VERDICT_INSUFFICIENT_FUNDS : odd.verdict;
    bool moves = verdict == VERDICT_APPLIED && minor != 0 && type != COMMAND_WITHDRAW;
    struct account own = {ACCOUNT_PLAYER, slice_of(player)};
    struct account theirs = bank ? (struct account){ACCOUNT_GATEWAY, slice_of("bank")}
                                 : (struct account){ACCOUNT_PROVIDER, slice_of("demo")};
    struct record r = {.seq = ++g->seq,
                       .at_ms = UINT64_C(1767225600000),
                       .type = type,
                       .verdict = verdict,
                       .scale = RIG_SCALE,
                       .amount_minor = moves ? minor : 0,
                       .requested_minor = minor,
                       .previous = g->last[number],
                       .principal = theirs.name,
                       .id = slice_of(id),
                       .player = own.name,
                       .currency = slice_of("EUR"),
                       .round = slice_of(odd.round),
                       .original = slice_of(odd.original),
                       .gateway = slice_of(bank ? "bank" : NULL),
                       .debit = takes ? own : theirs,
                       .credit = takes ? theirs : own};
    struct rig_answer answer = {.amount_minor = r.amount_minor, .verdict = r.verdict};

    if (moves) {
        *purse += takes ? -minor : minor;
        *other += takes ? minor : -minor;
        r.n_postings = 1;
        r.postings[0] = (struct posting){r.debit, r.credit, minor, takes ? *purse : *other,
                                         (takes ? *other : *purse) + odd.skew};
    }
    r.balance_minor = *purse + (takes ? 0 : odd.skew);
    answer.balance_minor = r.balance_minor;
    g->last[number] = r.seq;
    memcpy(r.prev_hash, g->hash, HASH_BYTES);
    bytes_clear(&g->canonical);
    record_encode(&r, &g->canonical);
    record_hash(r.prev_hash, g->canonical.base, g->canonical.len, r.hash);
    memcpy(g->hash, r.hash, HASH_BYTES);
    sodium_bin2hex(answer.hash, sizeof answer.hash, r.hash, HASH_BYTES);
    bytes_append(&g->answers, &answer, sizeof answer);
    rig_put_json(g, &r);
    return r.seq;
}

static inline uint64_t rig_entry_skewed(struct rig *g, enum command_type type, const char *id,
                                        const char *player, int64_t minor, const char *original,
                                        int64_t skew)
{
    return rig_entry_odd(g, type, id, player, minor, (struct rig_odd){original, skew, 0, NULL});
}

static inline uint64_t rig_entry_decided(struct rig *g, enum command_type type, const char *id,
                                         const char *player, int64_t minor, const char *original,
                                         enum verdict verdict)
{
    return rig_entry_odd(g, type, id, player, minor, (struct rig_odd){original, 0, verdict, NULL});
}

static inline uint64_t rig_entry(struct rig *g, enum command_type type, const char *id,
                                 const char *player, int64_t minor)
{
    return rig_entry_skewed(g, type, id, player, minor, NULL, 0);
}

/* What holds the money, and what takes it: entries "wd" and "wd:confirm". */
static inline uint64_t rig_withdraw(struct rig *g, enum command_type type, const char *id,
                                    const char *player, int64_t minor)
{
    char end[RECORD_ID_MAX + 1];

    if (type == COMMAND_WITHDRAW) {
        return rig_entry(g, type, id, player, minor);
    }
    snprintf(end, sizeof end, "%s:confirm", id);
    return rig_entry_skewed(g, type, end, player, minor, id, 0);
}

static inline void rig_ask(struct rig *g, int process, int node, const char *f, const char *id,
                           const char *player, int64_t minor)
{
    char amount[AMOUNT_TEXT_MAX];
    bool deposit = strcmp(f, "deposit") == 0;

    money_format(minor, RIG_SCALE, amount);
    rig_line(
        g, process, "invoke", f,
        ":node %d :provider \"%s\" :id \"%s\" :player \"%s\" :currency \"EUR\" :amount \"%s\"%s",
        node, deposit ? "bank" : "demo", id, player, amount, deposit ? " :gateway \"bank\"" : "");
}

/* The ledger's answer. */
static inline void rig_ok(struct rig *g, int process, int node, const char *f, uint64_t seq,
                          bool replayed, const char *more)
{
    const struct rig_answer *a = rig_answer(g, seq);
    char amount[AMOUNT_TEXT_MAX], balance[AMOUNT_TEXT_MAX];

    money_format(a->amount_minor, RIG_SCALE, amount);
    money_format(a->balance_minor, RIG_SCALE, balance);
    if (a->verdict != VERDICT_APPLIED) {
        rig_line(g, process, "ok", f, ":node %d :seq %" PRIu64 " :outcome \"%s\"", node, seq,
                 verdict_code(a->verdict));
        return;
    }
    rig_line(g, process, "ok", f,
             ":node %d :seq %" PRIu64 " :amount \"%s\" :balance \"%s\" :replayed %s :hash \"%s\" "
             ":outcome \"applied\" %s",
             node, seq, amount, balance, replayed ? "true" : "false", a->hash, more);
}

/* Asked, decided and acknowledged, one after the other. */
static inline uint64_t rig_do(struct rig *g, const char *f, enum command_type type, const char *id,
                              const char *player, int64_t minor)
{
    uint64_t seq;

    rig_ask(g, 0, 1, f, id, player, minor);
    seq = rig_entry(g, type, id, player, minor);
    rig_ok(g, 0, 1, f, seq, false, "");
    return seq;
}

static inline void rig_ask_balance(struct rig *g, int process, const char *player)
{
    rig_line(g, process, "invoke", "balance", ":node 2 :player \"%s\" :currency \"EUR\"", player);
}

static inline void rig_show_balance(struct rig *g, int process, int64_t minor)
{
    char text[AMOUNT_TEXT_MAX];

    money_format(minor, RIG_SCALE, text);
    rig_line(g, process, "ok", "balance", ":node 2 :balance \"%s\" :available \"%s\" :applied 1",
             text, text);
}

/* The calm at the end, with money at every node. */
static inline void rig_finish(struct rig *g)
{
    char id[32];

    rig_line(g, -1, "info", "healed", ":nodes [1 2 3] :within-ms 10000");
    for (int node = 1; node <= 3; node++) {
        uint64_t seq;

        snprintf(id, sizeof id, "live-%d", node);
        rig_ask(g, 100, node, "win", id, "p63", 1);
        seq = rig_entry(g, COMMAND_WIN, id, "p63", 1);
        rig_ok(g, 100, node, "win", seq, false, "");
    }
}

static inline struct slice rig_text(const struct bytes *b)
{
    return (struct slice){(const char *)b->base, b->len};
}

/* --- big ones --------------------------------------------------------------------------------- */

struct rig_client {
    int process, node;
    char id[32], player[8];
    uint64_t seq; /* decided, not yet acknowledged */
    int64_t minor, seen;
    enum { CLIENT_IDLE, CLIENT_BET, CLIENT_BET_DONE, CLIENT_READ, CLIENT_READ_DONE } doing;
};

static inline uint64_t rig_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* What one client does next. Three answers in a hundred never come, half of those were decided. */
static inline void rig_step(struct rig *g, struct rig_client *c, int clients, uint64_t *state)
{
    switch (c->doing) {
    case CLIENT_IDLE:
        c->node = 1 + (int)(rig_random(state) % 3);
        c->minor = 1 + (int64_t)(rig_random(state) % 500);
        snprintf(c->player, sizeof c->player, "p%d", (int)(rig_random(state) % RIG_PLAYERS));
        if (rig_random(state) % 4 == 0) {
            rig_ask_balance(g, c->process, c->player);
            c->doing = CLIENT_READ;
            return;
        }
        snprintf(c->id, sizeof c->id, "b%" PRIu64, g->line);
        rig_ask(g, c->process, c->node, "bet", c->id, c->player, c->minor);
        c->doing = CLIENT_BET;
        return;
    case CLIENT_BET:
        c->doing = CLIENT_BET_DONE;
        c->seq = 0;
        if (rig_random(state) % 100 < 98) {
            c->seq = rig_entry(g, COMMAND_BET, c->id, c->player, c->minor);
        }
        return;
    case CLIENT_BET_DONE:
        if (c->seq == 0 || rig_random(state) % 100 == 0) {
            rig_line(g, c->process, "info", "bet", ":node %d :error \"timeout\"", c->node);
            c->process += clients;
        } else {
            rig_ok(g, c->process, c->node, "bet", c->seq, false, "");
        }
        break;
    case CLIENT_READ:
        c->seen = g->players[atoi(c->player + 1)];
        c->doing = CLIENT_READ_DONE;
        return;
    case CLIENT_READ_DONE:
        rig_show_balance(g, c->process, c->seen);
        break;
    }
    c->doing = CLIENT_IDLE;
}

/* A valid history of about `calls` calls by that many clients at once. */
static inline void rig_generate(struct rig *g, uint64_t calls, int clients, uint64_t seed)
{
    struct rig_client *all = calloc((size_t)clients, sizeof *all);
    uint64_t state = seed * 2 + 1;
    char player[8], id[32];

    if (all == NULL) {
        abort();
    }
    for (int i = 0; i < RIG_PLAYERS; i++) {
        snprintf(player, sizeof player, "p%d", i);
        snprintf(id, sizeof id, "d%d", i);
        rig_do(g, "deposit", COMMAND_DEPOSIT, id, player, 1000000);
    }
    for (int i = 0; i < clients; i++) {
        all[i].process = 1000 + i;
    }
    g->step_ns = 10000;
    while (g->line < 2 * calls) {
        rig_step(g, &all[rig_random(&state) % (uint64_t)clients], clients, &state);
    }
    for (int i = 0; i < clients; i++) {
        while (all[i].doing != CLIENT_IDLE) {
            rig_step(g, &all[i], clients, &state);
        }
    }
    free(all);
    rig_finish(g);
}

#endif

#include "jepsen/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "jepsen/check_private.h"

static const struct {
    const char *name, *meaning;
} anomalies[ANOMALY_KINDS] = {
    [ANOMALY_LEDGERS_DIFFER] = {"ledgers-differ", "two nodes' ledgers are not the same"},
    [ANOMALY_BROKEN_CHAIN] = {"broken-chain", "a hash, or the row of seqs, does not hold"},
    [ANOMALY_BOOKS] = {"books-do-not-balance", "balances or sums do not add up"},
    [ANOMALY_DECIDED_TWICE] = {"decided-twice", "one id twice, or one original given back twice"},
    [ANOMALY_BROKEN_RULE] = {"broken-rule", "decided otherwise than the rules say"},
    [ANOMALY_LOST] = {"lost", "acknowledged, and not in the ledger"},
    [ANOMALY_CONFLICTING] = {"conflicting-answers", "two different answers to one id"},
    [ANOMALY_WRONG_ANSWER] = {"wrong-answer", "an answer other than the ledger's"},
    [ANOMALY_WRONG_CONTENT] = {"wrong-content", "acknowledged, and something else was booked"},
    [ANOMALY_WRONG_CONFLICT] = {"wrong-conflict", "refused as a conflict, without one"},
    [ANOMALY_WRONG_REFUSAL] = {"wrong-refusal", "refused for what was not so"},
    [ANOMALY_FAILED_APPLIED] = {"failed-but-applied", "certainly not applied, and in the ledger"},
    [ANOMALY_PHANTOM] = {"phantom", "in the ledger, and asked by nobody"},
    [ANOMALY_TORN] = {"torn-transaction", "only a part of an atomic call"},
    [ANOMALY_REORDERED] = {"reordered", "known before another was asked, and behind it"},
    [ANOMALY_STALE_READ] = {"stale-read", "a read that misses what was known"},
    [ANOMALY_FUTURE_READ] = {"future-read", "a read that shows what was not yet asked"},
    [ANOMALY_IMPOSSIBLE_READ] = {"impossible-read", "a read that shows what never was"},
    [ANOMALY_NOT_LIVE] = {"not-live", "a node takes no money after the last fault"},
};

const char *anomaly_name(enum anomaly_kind k)
{
    return anomalies[k].name;
}

const char *anomaly_meaning(enum anomaly_kind k)
{
    return anomalies[k].meaning;
}

void check_init(struct check *c)
{
    memset(c, 0, sizeof *c);
    bytes_init(&c->anomalies);
}

void check_release(struct check *c)
{
    bytes_release(&c->anomalies);
    check_init(c);
}

struct anomaly *anomaly_add(struct check *c, enum anomaly_kind kind)
{
    struct anomaly a = {.kind = kind};

    c->n++;
    if (c->counts[kind]++ >= ANOMALIES_KEPT) {
        return NULL;
    }
    bytes_append(&c->anomalies, &a, sizeof a);
    return (struct anomaly *)(void *)(c->anomalies.base + c->anomalies.len) - 1;
}

void anomaly_tell(struct checking *k, enum anomaly_kind kind, uint32_t call_a, uint32_t call_b,
                  uint64_t seq_a, uint64_t seq_b, const char *format, ...)
{
    struct anomaly *a = anomaly_add(k->check, kind);
    va_list args;

    if (a == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(a->text.text, sizeof a->text.text, format, args);
    va_end(args);
    if (call_a != NOBODY) {
        a->calls[a->n_calls++] = call_a;
    }
    if (call_b != NOBODY && call_b != call_a) {
        a->calls[a->n_calls++] = call_b;
    }
    if (seq_a != 0 && seq_a <= k->l->n) {
        a->seqs[a->n_seqs++] = seq_a;
    }
    if (seq_b != 0 && seq_b != seq_a && seq_b <= k->l->n) {
        a->seqs[a->n_seqs++] = seq_b;
    }
}

const struct anomaly *check_smallest(const struct check *c)
{
    const struct anomaly *all = (const struct anomaly *)(const void *)c->anomalies.base;
    size_t n = c->anomalies.len / sizeof *all;
    const struct anomaly *best = NULL;

    for (size_t i = 0; i < n; i++) {
        unsigned size = all[i].n_calls + all[i].n_seqs;

        if (best == NULL || all[i].kind < best->kind ||
            (all[i].kind == best->kind && size < best->n_calls + best->n_seqs)) {
            best = &all[i];
        }
    }
    return best;
}

/* --- the ledgers among themselves ------------------------------------------------------------- */

static void check_ledgers(struct checking *k, const struct slice *ledgers,
                          const char *const *ledger_names, size_t n)
{
    struct fault fault = {""};
    struct slice a, b;
    bool chain;

    if (ledger_check(k->l, &chain, &fault) != 0 && strstr(fault.text, "decided twice") == NULL) {
        uint64_t seq = 0;

        sscanf(fault.text, "seq %" SCNu64, &seq);
        anomaly_tell(k, chain ? ANOMALY_BROKEN_CHAIN : ANOMALY_BOOKS, NOBODY, NOBODY, seq, 0, "%s",
                     fault.text);
    }
    for (size_t i = 1; i < n; i++) {
        size_t line = ledgers_differ(ledgers[0], ledgers[i], &a, &b);

        if (line != 0) {
            anomaly_tell(k, ANOMALY_LEDGERS_DIFFER, NOBODY, NOBODY, line, 0,
                         "%s and %s differ first at entry %zu: \"%.*s\" and \"%.*s\"",
                         ledger_names[0], ledger_names[i], line, a.len > 150 ? 150 : (int)a.len,
                         a.base, b.len > 150 ? 150 : (int)b.len, b.base);
        }
    }
}

/* --- after the last fault --------------------------------------------------------------------- */

static void check_live(struct checking *k)
{
    const struct history *h = k->h;
    const struct event *healed = NULL;
    uint64_t live = 0;

    for (size_t i = 0; i < h->n_events; i++) {
        if (slice_is(history_text(h, h->events[i].f), "healed")) {
            healed = &h->events[i];
        }
    }
    if (healed == NULL) {
        anomaly_tell(k, ANOMALY_NOT_LIVE, NOBODY, NOBODY, 0, 0,
                     "the history has no :healed: nobody waited until the cluster was whole again");
        return;
    }
    if (healed->nodes == 0) {
        anomaly_tell(k, ANOMALY_NOT_LIVE, NOBODY, NOBODY, 0, 0,
                     "the history's last :healed names no node that has to be alive");
    }
    for (size_t i = 0; i < h->n_calls; i++) {
        const struct call *c = &h->calls[i];

        if (c->end == END_OK && !fn_is_read(c->f) && c->invoked_ns >= healed->time_ns &&
            c->ended_ns - healed->time_ns <= healed->within_ms * 1000000) {
            live |= UINT64_C(1) << c->node;
        }
    }
    for (unsigned node = 0; node < NODES_MAX; node++) {
        if ((healed->nodes & ~live) >> node & 1) {
            anomaly_tell(k, ANOMALY_NOT_LIVE, NOBODY, NOBODY, 0, 0,
                         "node %u acknowledged no money within %" PRId64
                         " ms after the last fault was over",
                         node, healed->within_ms);
        }
    }
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory while checking\n", stderr);
        abort();
    }
    return memory;
}

void check_run(struct check *c, const struct history *h, struct ledger *l,
               const struct slice *ledgers, const char *const *ledger_names, size_t n_ledgers)
{
    struct checking k = {.check = c, .h = h, .l = l};
    struct slice first = n_ledgers > 0 ? ledgers[0] : (struct slice){"", 0};
    struct fault fault;

    c->h = h;
    c->l = l;
    if (ledger_read(l, first, &fault) != 0) {
        anomaly_tell(&k, ANOMALY_BROKEN_CHAIN, NOBODY, NOBODY, l->n, 0, "%s: %.400s",
                     ledger_names[0], fault.text);
    }
    k.facts = must(calloc(l->n + 1, sizeof *k.facts));
    k.asked_until = must(calloc(l->n + 1, sizeof *k.asked_until));
    for (uint64_t i = 0; i < l->n; i++) {
        k.facts[i] = (struct entry_facts){.asked_ns = INT64_MAX,
                                          .asked_again_ns = INT64_MAX,
                                          .known_ns = INT64_MAX,
                                          .asked_by = NOBODY,
                                          .known_by = NOBODY,
                                          .failed_by = NOBODY,
                                          .claimed = NOBODY,
                                          .answered = NOBODY};
    }
    check_ledgers(&k, ledgers, ledger_names, n_ledgers);
    check_answers(&k);
    check_rules(&k);
    check_order(&k);
    check_reads(&k);
    check_live(&k);
    free(k.facts);
    free(k.asked_until);
}

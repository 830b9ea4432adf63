/* The judgement of a hand-made history, for the tests of the checker: include it behind cmocka.h.
 * Included by tests only; all functions are static. */
#ifndef FLORIN_JEPSEN_JUDGE_H
#define FLORIN_JEPSEN_JUDGE_H

#include "tests/unit/jepsen_fixture.h"

/* Two players with 100.00 each. */
static inline int set_up(void **state)
{
    static struct rig rig;

    rig_open(&rig);
    rig_do(&rig, "deposit", COMMAND_DEPOSIT, "d0", "p0", 10000);
    rig_do(&rig, "deposit", COMMAND_DEPOSIT, "d1", "p1", 10000);
    *state = &rig;
    return 0;
}

static inline int tear_down(void **state)
{
    rig_close(*state);
    return 0;
}

/* The judgement of the rig, and of a second copy of its ledger when one is given. */
struct judged {
    struct history h;
    struct ledger l;
    struct check c;
};

static inline void judge(struct judged *j, struct rig *g, const struct bytes *copy)
{
    const struct slice ledgers[] = {rig_text(&g->ledger),
                                    rig_text(copy == NULL ? &g->ledger : copy)};
    static const char *const names[] = {"node 1", "node 2"};
    struct fault fault;

    history_init(&j->h);
    ledger_init(&j->l);
    check_init(&j->c);
    if (history_parse(&j->h, rig_text(&g->history), &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    check_run(&j->c, &j->h, &j->l, ledgers, names, 2);
}

static inline void judged_release(struct judged *j)
{
    check_release(&j->c);
    ledger_release(&j->l);
    history_release(&j->h);
}

/* Exactly this is found, shown by that many calls, and explained with `words`. */
static inline void condemned(struct rig *g, const struct bytes *copy, enum anomaly_kind kind,
                             unsigned calls, const char *words)
{
    const struct anomaly *a;
    struct bytes text;
    struct judged j;

    judge(&j, g, copy);
    a = check_smallest(&j.c);
    if (a == NULL) {
        fail_msg("%s is not found", anomaly_name(kind));
    }
    bytes_init(&text);
    check_explain(&j.c, a, &text);
    bytes_append_u8(&text, 0);
    if (a->kind != kind || j.c.counts[kind] != j.c.n || a->n_calls != calls ||
        strstr((const char *)text.base, words) == NULL) {
        fail_msg("expected %s by %u calls with \"%s\"; %zu anomalies, the first:\n%s",
                 anomaly_name(kind), calls, words, j.c.n, (const char *)text.base);
    }
    bytes_release(&text);
    judged_release(&j);
}

static inline void clean(struct rig *g)
{
    struct judged j;

    judge(&j, g, NULL);
    if (j.c.n != 0) {
        struct bytes text;

        bytes_init(&text);
        check_explain(&j.c, check_smallest(&j.c), &text);
        bytes_append_u8(&text, 0);
        fail_msg("%zu anomalies, the first:\n%s", j.c.n, (const char *)text.base);
    }
    judged_release(&j);
}

#endif

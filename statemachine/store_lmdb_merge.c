/* Writing the runs of a table (store_lmdb_runs.c), and merging them.
 *
 * Guarantees: a commit writes its keys once, in order, into a run of its own, and owes a part of
 * every merge under way that is bounded by what it writes itself. That is done after it, in many
 * small commits (store_merge_fold), or else by the next one. All is in a commit's transaction: it
 * happens whole or not at all, and what is half merged is in no list of runs.
 * What is read for a merge is checked as for any reader, and a merge ends only when it took as many
 * records as its inputs have: damage is a fault, and never copied on.
 *
 * How: for a run of level l at least least * F^l keys were written (F = RUN_FANOUT, least =
 * RUN_LEAST_KEYS), and levels grow with age. When F runs of a level stand, a merge of them begins,
 * into one of the next level, or of a higher one if its size says so. So each key is written once
 * for each level: with 10,000,000 keys, in commits of 150,000, some four times.
 *
 * That merging keeps up: for a commit of n keys n / (least * F^(l+1)) of the merge of level l is
 * done. So
 * that merge is done when least * F^(l+1) more keys are written, as many as F further runs of this
 * level need. Meanwhile keys that were written before, and wait in lower levels, can make two
 * more: so fewer than 2 F + 2 runs of a level ever stand. That it is bounded: a merge has at most
 * as many records as were written for its inputs, and with commits of about one size these are less
 * than F times least * F^(l+1): so a commit of n keys takes at most F * n of each merge.
 *
 * Small commits: a run that would be below the others' level because the commits after it are
 * larger, or has fewer keys than `least`, is written anew with the next commit's, as long as it has
 * no more keys than that (or than `least`). A large commit above small runs that are being merged
 * takes their level; what it is merged into is of its own again. So bursts among small commits cost
 * more than commits of one size, but a commit's merging stays in proportion to the largest commit:
 * below 25 times of it in all patterns that were tried, and about 10 times with commits of one
 * size.
 *
 * When slots run out (commits of very uneven sizes), merges are finished, the lowest first, until
 * there are two. There is one to finish: without any, no level has F runs, and RUN_SLOTS is more
 * than RUN_LEVELS * (F - 1) and two. */
#include <assert.h>

#include "statemachine/store_lmdb_pour.h"

enum { SLOTS_A_COMMIT = 2 }; /* its run's, and one for a merge */

_Static_assert(RUN_SLOTS > RUN_LEVELS * (RUN_FANOUT - 1) + SLOTS_A_COMMIT, "see above");

/* One commit's work at one table. */
struct work {
    struct store_lmdb *s;
    MDB_txn *txn;
    enum store_table table;
    struct store_manifest m;
    struct fault *fault;
};

static int lmdb_fault(const struct work *w, int rc)
{
    return store_lmdb_fault(w->s, store_lmdb_names[w->table], rc, w->fault);
}

static int damage(const struct work *w, const char *how)
{
    return store_lmdb_damaged_table(w->s, w->table, how, w->fault);
}

static MDB_dbi slot_dbi(const struct work *w, unsigned slot)
{
    return w->s->runs[store_lmdb_runs_of(w->table)]->gets[slot].dbi;
}

static int count_records(const struct work *w, unsigned slot, uint64_t *count)
{
    MDB_stat stat;
    int rc = mdb_stat(w->txn, slot_dbi(w, slot), &stat);

    *count = rc == 0 ? stat.ms_entries : 0;
    return rc == 0 ? 0 : lmdb_fault(w, rc);
}

static int empty_slot(const struct work *w, unsigned slot)
{
    int rc = mdb_drop(w->txn, slot_dbi(w, slot), 0);

    return rc == 0 ? 0 : lmdb_fault(w, rc);
}

/* ---- slots ---- */

static unsigned slots_used(const struct store_manifest *m)
{
    return m->n_runs + m->n_merges;
}

/* One that nothing uses, which must be empty. */
static int find_slot(const struct work *w, uint8_t *slot)
{
    bool used[RUN_SLOTS] = {false};
    uint64_t records;
    unsigned i;
    int rc;

    for (i = 0; i < w->m.n_runs; i++) {
        used[w->m.runs[i].slot] = true;
    }
    for (i = 0; i < w->m.n_merges; i++) {
        used[w->m.merges[i].slot] = true;
    }
    for (i = 0; i < RUN_SLOTS && used[i]; i++) {
    }
    assert(i < RUN_SLOTS);
    *slot = (uint8_t)i;
    rc = count_records(w, i, &records);
    return rc != 0 || records == 0 ? rc : damage(w, "a run that nothing knows");
}

static void remove_runs(struct store_manifest *m, unsigned first, unsigned n)
{
    m->n_runs -= n;
    memmove(&m->runs[first], &m->runs[first + n], (m->n_runs - first) * sizeof *m->runs);
}

static void insert_run(struct store_manifest *m, unsigned at, struct store_run run)
{
    assert(m->n_runs < RUN_SLOTS);
    memmove(&m->runs[at + 1], &m->runs[at], (m->n_runs - at) * sizeof *m->runs);
    m->runs[at] = run;
    m->n_runs++;
}

/* ---- merges ---- */

/* The youngest input of a merge; RUN_FANOUT - 1 older ones follow. */
static unsigned first_input(const struct store_manifest *m, const struct store_merge *g)
{
    unsigned i = 0;

    while (!m->runs[i].merging || m->runs[i].level != g->level) {
        i++;
    }
    return i;
}

static int count_inputs(const struct work *w, const struct store_merge *g, uint64_t *count)
{
    unsigned first = first_input(&w->m, g), i;
    uint64_t records;
    int rc = 0;

    *count = 0;
    for (i = first; i < first + RUN_FANOUT && rc == 0; i++) {
        rc = count_records(w, w->m.runs[i].slot, &records);
        *count += records;
    }
    return rc;
}

/* The level of a merge's output, which is to stand at this place: what its size says, so that the
 * merge that it is in one day takes its time; and in order. */
static uint8_t output_level(const struct work *w, unsigned at, unsigned inputs_level,
                            uint64_t written)
{
    unsigned level = store_manifest_level(w->s, written);

    if (level <= inputs_level) {
        level = inputs_level < RUN_LEVELS - 1 ? inputs_level + 1 : inputs_level;
    }
    if (at < w->m.n_runs && w->m.runs[at].level < level) {
        level = w->m.runs[at].level;
    }
    return (uint8_t)level;
}

/* The output takes the inputs' place. */
static int end_merge(struct work *w, unsigned at)
{
    struct store_merge g = w->m.merges[at];
    unsigned first = first_input(&w->m, &g), i;
    struct store_run run = {.slot = g.slot, .number = g.number};
    int rc = 0;

    for (i = first; i < first + RUN_FANOUT && rc == 0; i++) {
        run.written += w->m.runs[i].written;
        rc = empty_slot(w, w->m.runs[i].slot);
    }
    if (rc != 0) {
        return rc;
    }
    remove_runs(&w->m, first, RUN_FANOUT);
    run.level = output_level(w, first, g.level, run.written);
    insert_run(&w->m, first, run);
    w->m.n_merges--;
    memmove(&w->m.merges[at], &w->m.merges[at + 1], (w->m.n_merges - at) * sizeof *w->m.merges);
    return 0;
}

/* The inputs, from behind the output's last key: so far the merge has come. */
static int add_inputs(struct store_pour *p, const struct work *w, const struct store_merge *g)
{
    unsigned first = first_input(&w->m, g), i;
    struct slice last;
    int rc = store_pour_last(p, &last);

    for (i = first; i < first + RUN_FANOUT && rc == 0; i++) {
        rc = store_pour_add_run(p, slot_dbi(w, w->m.runs[i].slot), w->m.runs[i].number, last);
    }
    return rc;
}

/* Takes about `most` of `all` records; and ends the merge if there are no more: then 1, else 0; or
 * as store_merge_commit. */
static int advance(struct work *w, unsigned at, uint64_t most, uint64_t all)
{
    struct store_merge *g = &w->m.merges[at];
    struct store_pour p;
    int rc = store_pour_open(&p, w->s, w->txn, w->table, slot_dbi(w, g->slot), g->number, w->fault);

    if (rc == 0) {
        rc = add_inputs(&p, w, g);
    }
    if (rc == 0) {
        rc = store_pour(&p, most);
    }
    store_pour_close(&p);
    g->taken += p.taken;
    if (rc < 0) {
        return rc;
    }
    if (rc > 0 ? g->taken >= all : g->taken != all) {
        return damage(w, "a run has more or fewer records than it should");
    }
    if (rc > 0) {
        return 0;
    }
    rc = end_merge(w, at);
    return rc == 0 ? 1 : rc;
}

/* least * F^(l+1) keys are written until the merge of level l must be done. */
static uint64_t share(const struct work *w, unsigned level, uint64_t all, uint64_t written)
{
    uint64_t until = w->s->run_least * RUN_FANOUT;

    while (level-- > 0) {
        until *= RUN_FANOUT;
    }
    return written >= until ? all : (all * written + until - 1) / until;
}

static bool is_merging(const struct store_manifest *m, unsigned level)
{
    unsigned i;

    for (i = 0; i < m->n_merges; i++) {
        if (m->merges[i].level == level) {
            return true;
        }
    }
    return false;
}

/* The oldest F runs of a level, if there are as many and they are not yet being merged. The
 * youngest of all is left out while it is to be written anew. */
static bool find_inputs(const struct work *w, unsigned level, unsigned *first)
{
    const struct store_manifest *m = &w->m;
    unsigned begin = m->n_runs > 0 && m->runs[0].written < w->s->run_least, end;

    while (begin < m->n_runs && m->runs[begin].level < level) {
        begin++;
    }
    for (end = begin; end < m->n_runs && m->runs[end].level == level; end++) {
    }
    *first = end - RUN_FANOUT;
    return end - begin >= RUN_FANOUT && !is_merging(m, level);
}

static void insert_merge(struct store_manifest *m, struct store_merge g)
{
    unsigned at = m->n_merges++;

    for (; at > 0 && m->merges[at - 1].level > g.level; at--) {
        m->merges[at] = m->merges[at - 1];
    }
    m->merges[at] = g;
}

static int begin_merges(struct work *w)
{
    unsigned level, first, i;
    int rc;

    for (level = 0; level < RUN_LEVELS && slots_used(&w->m) < RUN_SLOTS; level++) {
        struct store_merge g = {.level = (uint8_t)level};

        if (!find_inputs(w, level, &first)) {
            continue;
        }
        rc = find_slot(w, &g.slot);
        if (rc != 0) {
            return rc;
        }
        g.number = w->m.next_number++;
        for (i = first; i < first + RUN_FANOUT; i++) {
            w->m.runs[i].merging = true;
        }
        insert_merge(&w->m, g);
    }
    return 0;
}

static int make_room(struct work *w)
{
    while (slots_used(&w->m) > RUN_SLOTS - SLOTS_A_COMMIT) {
        uint64_t all;
        int rc = w->m.n_merges > 0 ? count_inputs(w, &w->m.merges[0], &all)
                                   : damage(w, "it has too many runs");

        if (rc == 0) {
            rc = advance(w, 0, UINT64_MAX, all);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- the commit ---- */

/* How many of the youngest runs are written anew with `n` new keys, and how many keys that makes.
 */
static unsigned count_absorbed(const struct work *w, uint64_t n, uint64_t *written)
{
    uint64_t least = w->s->run_least, most = n > least ? n : least, absorbed = 0;
    unsigned level = store_manifest_level(w->s, n), i;

    for (i = 0; i < w->m.n_runs; i++) {
        const struct store_run *r = &w->m.runs[i];

        if (r->merging || (r->level >= level && r->written >= least) ||
            absorbed + r->written > most) {
            break;
        }
        absorbed += r->written;
    }
    *written = n + absorbed;
    return i;
}

/* The new run's records: the commit's writes and what is written anew. */
static int pour_writes(struct work *w, const struct store_write *writes, size_t n,
                       unsigned absorbed, const struct store_run *run)
{
    struct store_pour p;
    unsigned i;
    int rc =
        store_pour_open(&p, w->s, w->txn, w->table, slot_dbi(w, run->slot), run->number, w->fault);

    if (rc == 0) {
        rc = store_pour_add_writes(&p, writes, n);
    }
    for (i = 0; i < absorbed && rc == 0; i++) {
        rc = store_pour_add_run(&p, slot_dbi(w, w->m.runs[i].slot), w->m.runs[i].number,
                                (struct slice){"", 0});
    }
    if (rc == 0) {
        rc = store_pour(&p, UINT64_MAX);
    }
    store_pour_close(&p);
    return rc;
}

static int write_run(struct work *w, const struct store_write *writes, size_t n)
{
    struct store_run run = {.number = w->m.next_number++};
    unsigned absorbed = count_absorbed(w, n, &run.written), i;
    unsigned level = store_manifest_level(w->s, run.written);
    int rc;

    if (absorbed < w->m.n_runs && w->m.runs[absorbed].level < level) {
        level = w->m.runs[absorbed].level;
    }
    run.level = (uint8_t)level;
    rc = find_slot(w, &run.slot);
    if (rc == 0) {
        rc = pour_writes(w, writes, n, absorbed, &run);
    }
    for (i = 0; i < absorbed && rc == 0; i++) {
        rc = empty_slot(w, w->m.runs[i].slot);
    }
    if (rc == 0) {
        remove_runs(&w->m, 0, absorbed);
        insert_run(&w->m, 0, run);
    }
    return rc;
}

static int save(const struct work *w)
{
    int rc = store_manifest_save(w->s, w->txn, w->table, &w->m);

    return rc == 0 ? 0 : lmdb_fault(w, rc);
}

int store_merge_commit(struct store_lmdb *s, MDB_txn *txn, const struct store_write *writes,
                       size_t n, struct fault *fault)
{
    struct work w = {.s = s, .txn = txn, .table = writes[0].table, .fault = fault};
    int rc = store_manifest_load(s, txn, w.table, FILE_FORMAT, &w.m, fault);

    if (rc == 0) {
        rc = make_room(&w);
    }
    if (rc == 0) {
        rc = write_run(&w, writes, n);
    }
    if (rc == 0) { /* so that this commit's keys count for them, too */
        rc = begin_merges(&w);
    }
    if (rc == 0) {
        w.m.owed += n;
        rc = save(&w);
    }
    return rc;
}

/* ---- what commits owe ---- */

static int make_plan(const struct work *w, struct store_plan *plan)
{
    unsigned i;

    *plan = (struct store_plan){.made = true, .n = w->m.n_merges};
    for (i = 0; i < plan->n; i++) {
        const struct store_merge *g = &w->m.merges[i];
        uint64_t all;
        int rc = count_inputs(w, g, &all);

        if (rc != 0) {
            return rc;
        }
        plan->merges[i].number = g->number;
        plan->merges[i].left = share(w, g->level, all, w->m.owed);
    }
    return 0;
}

/* The merge of this number, or how many there are. */
static unsigned find_merge(const struct store_manifest *m, uint64_t number)
{
    unsigned i;

    for (i = 0; i < m->n_merges && m->merges[i].number != number; i++) {
    }
    return i;
}

/* A part of the first merge that has any left. 1, 0 none has, or as store_merge_commit. */
static int follow_plan(struct work *w, struct store_plan *plan, uint64_t most)
{
    unsigned i, at;

    for (i = 0; i < plan->n; i++) {
        uint64_t *left = &plan->merges[i].left, all, part = *left < most ? *left : most;
        int rc;

        at = find_merge(&w->m, plan->merges[i].number);
        if (part == 0 || at == w->m.n_merges) {
            continue;
        }
        rc = count_inputs(w, &w->m.merges[at], &all);
        rc = rc == 0 ? advance(w, at, part, all) : rc;
        *left -= part;
        return rc < 0 ? rc : 1;
    }
    return 0;
}

int store_merge_fold(struct store_lmdb *s, MDB_txn *txn, enum store_table table, uint64_t most,
                     struct store_plan *plan, struct fault *fault)
{
    struct work w = {.s = s, .txn = txn, .table = table, .fault = fault};
    int rc = store_manifest_load(s, txn, table, FILE_FORMAT, &w.m, fault), went_on;

    assert(most > 0);
    if (rc != 0 || w.m.owed == 0) {
        return rc;
    }
    rc = plan->made ? 0 : make_plan(&w, plan);
    went_on = rc == 0 ? follow_plan(&w, plan, most) : rc;
    if (went_on == 0) { /* all is done, and runs that merges became may be those of others */
        w.m.owed = 0;
        *plan = (struct store_plan){0};
        rc = begin_merges(&w);
    }
    if (went_on < 0 || rc != 0) {
        return went_on < 0 ? went_on : rc;
    }
    rc = save(&w);
    return rc == 0 ? 1 : rc;
}

#include "tests/sim/sim_check.h"

#include <raft.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/sim_client.h"

struct check *check_new(void)
{
    struct check *c = calloc(1, sizeof *c);

    if (c == NULL) {
        abort();
    }
    c->rules = ledger_new();
    return c;
}

void check_free(struct check *c)
{
    ledger_free(c->rules);
    free(c->indexes);
    free(c->ledger);
    free(c->leaders);
    free(c->members);
    free(c->logged);
    free(c);
}

static void *grown(void *list, uint64_t n, uint64_t *cap, size_t size)
{
    uint64_t wanted = *cap == 0 ? 1024 : *cap;

    while (wanted <= n) {
        wanted *= 2;
    }
    if (wanted == *cap) {
        return list;
    }
    list = realloc(list, wanted * size);
    if (list == NULL) {
        abort();
    }
    memset((char *)list + *cap * size, 0, (wanted - *cap) * size);
    *cap = wanted;
    return list;
}

int check_player(struct slice name)
{
    if (name.len != 7 || memcmp(name.base, "player", 6) != 0 || name.base[6] < '0' ||
        name.base[6] >= '0' + SIM_PLAYERS) {
        return -1;
    }
    return name.base[6] - '0';
}

/* ---- entries ---- */

static void add_record(struct world *w, const struct record *r, bool of_refused)
{
    struct check *c = w->check;
    int player = check_player(r->player);
    struct seq_fact *fact;

    if (r->seq != c->n_ledger + 1 || player < 0) {
        world_fail(w, "record %llu comes after %llu", (unsigned long long)r->seq,
                   (unsigned long long)c->n_ledger);
        return;
    }
    c->ledger = grown(c->ledger, c->n_ledger, &c->cap_ledger, sizeof *c->ledger);
    fact = &c->ledger[c->n_ledger++];
    memcpy(fact->hash, r->hash, HASH_BYTES);
    fact->player = (uint32_t)player;
    fact->balance_minor = r->balance_minor;
    clients_recorded(w, r);
    ledger_record(w, r, of_refused);
}

static void see_outcome(struct world *w, struct node *n, struct outcome *o)
{
    struct check *c = w->check;
    const struct record *r = &o->record;
    struct outcome item;
    struct fault fault;
    int rv = 0;

    if (o->has_record && r->seq > c->n_ledger) {
        add_record(w, r, o->has_item);
    } else if (o->has_record && memcmp(r->hash, c->ledger[r->seq - 1].hash, HASH_BYTES) != 0) {
        world_fail(w, "node %u changes record %llu", (unsigned)n->id, (unsigned long long)r->seq);
    }
    if (o->has_session) {
        clients_session(w, &o->session);
    }
    while (o->n_items > 0 && (rv = outcome_next(o, &item, &fault)) == 1) {
        see_outcome(w, n, &item);
    }
    if (rv < 0) {
        world_fail(w, "node %u gives an outcome that can't be read: %s", (unsigned)n->id,
                   fault.text);
    }
}

void check_outcome(struct world *w, struct node *n, uint64_t index, struct slice outcome)
{
    struct outcome o;
    struct fault fault;

    if (index <= w->check->n_indexes) {
        return; /* known: check_entry compares the hashes */
    }
    if (outcome_decode(outcome.base, outcome.len, &o, &fault) != 0) {
        world_fail(w, "node %u gives an outcome that can't be read: %s", (unsigned)n->id,
                   fault.text);
        return;
    }
    see_outcome(w, n, &o);
}

static void compare(struct world *w, struct node *n, uint64_t index, const struct index_fact *here,
                    const struct index_fact *first)
{
    const char *what = here->term != first->term                                 ? "term"
                       : here->payload != first->payload                         ? "content"
                       : here->outcomes != first->outcomes                       ? "outcomes"
                       : memcmp(here->head, first->head, sizeof here->head) != 0 ? "state"
                                                                                 : NULL;

    if (what != NULL) {
        world_fail(w, "node %u has another %s at index %llu than the first to apply it",
                   (unsigned)n->id, what, (unsigned long long)index);
    }
}

/* ---- members ---- */

bool check_is_member(const struct check *c, uint64_t id)
{
    return c->n_members > 0 && c->members[c->n_members - 1].role[id] != SIM_ABSENT;
}

static void read_members(const struct log_entry *e, struct member_fact *fact)
{
    struct raft_buffer buffer = {(void *)(uintptr_t)e->data, e->len};
    struct raft_configuration configuration;
    unsigned i;

    memset(fact, 0, sizeof *fact);
    raft_configuration_init(&configuration);
    if (raft_configuration_decode(&buffer, &configuration) != 0) {
        abort();
    }
    for (i = 0; i < configuration.n; i++) {
        const struct raft_server *s = &configuration.servers[i];
        fact->role[s->id] = s->role == RAFT_VOTER ? SIM_VOTER : SIM_STANDBY;
    }
    raft_configuration_close(&configuration);
}

static bool was_member(const struct check *c, unsigned id)
{
    uint64_t i;

    for (i = 0; i < c->n_members; i++) {
        if (c->members[i].role[id] != SIM_ABSENT) {
            return true;
        }
    }
    return false;
}

static void add_members(struct world *w, const struct log_entry *e)
{
    struct check *c = w->check;
    struct member_fact fact;
    unsigned changed = 0;
    unsigned id;

    read_members(e, &fact);
    for (id = 1; id <= SIM_NODES_MAX && c->n_members > 0; id++) {
        uint8_t before = c->members[c->n_members - 1].role[id];
        changed += fact.role[id] != before;
        if (before == SIM_ABSENT && fact.role[id] != SIM_ABSENT && was_member(c, id)) {
            world_fail(w, "node %u is a member for the second time", id);
        }
    }
    if (changed > 1) {
        world_fail(w, "%u members change at a time, at index %llu", changed,
                   (unsigned long long)e->index);
    }
    c->members = grown(c->members, c->n_members, &c->cap_members, sizeof *c->members);
    w->counts[COUNT_MEMBERS_CHANGED] += c->n_members > 0;
    c->members[c->n_members++] = fact;
    w->hash = mix_bytes(w->hash, &fact, sizeof fact);
}

void check_entry(struct world *w, struct node *n, uint64_t index)
{
    struct check *c = w->check;
    struct driver *driver = (struct driver *)(uintptr_t)replica_driver(n->replica);
    struct index_fact fact = {.outcomes = n->outcomes};
    struct log_entry e;
    struct fault fault;

    if (driver_entry(driver, index, &e, &fault) != 0) {
        world_fail(w, "node %u: %s", (unsigned)n->id, fault.text);
        return;
    }
    fact.term = e.term;
    fact.known_in = driver_term(driver);
    fact.payload = mix_bytes(e.type, e.data, e.len);
    machine_head(n->machine, fact.head);
    w->hash = mix(w->hash, mix(n->id, mix(index, fact.outcomes)));
    if (index <= c->n_indexes) {
        compare(w, n, index, &fact, &c->indexes[index - 1]);
        return;
    }
    if (index != c->n_indexes + 1) {
        world_fail(w, "node %u applies index %llu, and nobody has applied %llu", (unsigned)n->id,
                   (unsigned long long)index, (unsigned long long)c->n_indexes + 1);
        return;
    }
    c->indexes = grown(c->indexes, c->n_indexes, &c->cap_indexes, sizeof *c->indexes);
    c->indexes[c->n_indexes++] = fact;
    if (e.type == LOG_CHANGE) {
        add_members(w, &e);
    }
}

/* ---- logs ---- */

static struct log_fact *log_fact_of(struct check *c, uint64_t index, uint64_t term)
{
    uint64_t at = mix(index, term);

    while (c->logged[at & (c->cap_logged - 1)].index != 0) {
        struct log_fact *f = &c->logged[at & (c->cap_logged - 1)];
        if (f->index == index && f->term == term) {
            return f;
        }
        at++;
    }
    return &c->logged[at & (c->cap_logged - 1)];
}

static void logged_grow(struct check *c)
{
    struct log_fact *old = c->logged;
    uint64_t cap = c->cap_logged;
    uint64_t i;

    c->cap_logged = cap == 0 ? 4096 : 2 * cap;
    c->logged = calloc(c->cap_logged, sizeof *c->logged);
    if (c->logged == NULL) {
        abort();
    }
    for (i = 0; i < cap; i++) {
        if (old[i].index != 0) {
            *log_fact_of(c, old[i].index, old[i].term) = old[i];
        }
    }
    free(old);
}

void check_logged(struct world *w, struct node *n, const struct log_entry *e, uint64_t term_before)
{
    struct check *c = w->check;
    struct log_fact fact = {e->index, e->term, term_before, mix_bytes(e->type, e->data, e->len)};
    const struct index_fact *applied = e->index <= c->n_indexes ? &c->indexes[e->index - 1] : NULL;
    struct log_fact *known;

    if (2 * c->n_logged >= c->cap_logged) {
        logged_grow(c);
    }
    known = log_fact_of(c, e->index, e->term);
    if (known->index == 0) {
        *known = fact;
        c->n_logged++;
    } else if (memcmp(known, &fact, sizeof fact) != 0) {
        world_fail(w,
                   "logs do not match: node %u has another entry, or another before it, at %llu "
                   "of term %llu than the first to log it",
                   (unsigned)n->id, (unsigned long long)e->index, (unsigned long long)e->term);
    }
    /* A leader of a term between the entry's own and the one that committed it, who was elected by
     * nodes that lacked it, may still write what will not be (seed 6975); a newer one has what was
     * committed. */
    if (applied != NULL && (e->term > applied->known_in ||
                            (e->term == applied->term && fact.payload != applied->payload))) {
        world_fail(w, "node %u writes an entry of term %llu over the applied one at %llu, of %llu",
                   (unsigned)n->id, (unsigned long long)e->term, (unsigned long long)e->index,
                   (unsigned long long)applied->term);
    }
}

/* ---- leaders ---- */

void check_node(struct world *w, struct node *n)
{
    struct check *c = w->check;
    const struct driver *d = replica_driver(n->replica);
    uint64_t term = driver_term(d);

    if (replica_applied_index(n->replica) < n->applied) {
        world_fail(w, "node %u says it has applied %llu, and has %llu", (unsigned)n->id,
                   (unsigned long long)replica_applied_index(n->replica),
                   (unsigned long long)n->applied);
    }
    if (driver_applicable(d) != 0) { /* an install under way has nothing to apply */
        if (driver_applicable(d) < n->applicable) {
            world_fail(w, "node %u takes back what was committed: %llu, then %llu", (unsigned)n->id,
                       (unsigned long long)n->applicable, (unsigned long long)driver_applicable(d));
        }
        n->applicable = driver_applicable(d);
    }
    if (!driver_is_leader(d)) {
        return;
    }
    if (term > 1000000) {
        world_fail(w, "node %u leads term %llu", (unsigned)n->id, (unsigned long long)term);
        return;
    }
    c->leaders = grown(c->leaders, term, &c->cap_leaders, sizeof *c->leaders);
    if (c->leaders[term] == 0) {
        c->leaders[term] = n->id;
        w->counts[COUNT_ELECTION]++;
        w->hash = mix(w->hash, mix(term, n->id));
        world_say(w, "node %u leads term %llu", (unsigned)n->id, (unsigned long long)term);
    } else if (c->leaders[term] != n->id) {
        world_fail(w, "nodes %u and %u both lead term %llu", (unsigned)c->leaders[term],
                   (unsigned)n->id, (unsigned long long)term);
    }
}

/* ---- reads ---- */

bool check_balance(const struct check *c, uint32_t player, int64_t balance_minor, uint64_t low,
                   uint64_t high, uint64_t *as_of)
{
    int64_t balance = 0;
    uint64_t seq;

    for (seq = low; seq > 0; seq--) { /* the balance as of `low` */
        if (c->ledger[seq - 1].player == player) {
            balance = c->ledger[seq - 1].balance_minor;
            break;
        }
    }
    seq = low;
    for (; balance != balance_minor && seq < high; seq++) {
        if (c->ledger[seq].player == player) {
            balance = c->ledger[seq].balance_minor;
        }
    }
    *as_of = seq;
    return balance == balance_minor;
}

/* ---- the end ---- */

bool check_settled(const struct world *w)
{
    const struct check *c = w->check;
    bool leader = false;
    unsigned i;

    for (i = 0; i < w->n_nodes; i++) {
        const struct node *n = &w->nodes[i];
        if (!check_is_member(c, n->id)) {
            /* It is to be told, unless it never heard of anybody: then nobody knows it. */
            if (!n->retired && was_member(c, (unsigned)n->id) &&
                (!n->up || log_last_index(n->log) > 0)) {
                return false;
            }
            continue;
        }
        if (!node_awake(n) || n->stopping || n->fetching || n->checkpoint != CHECKPOINT_NONE ||
            replica_applied_index(n->replica) != c->n_indexes ||
            machine_applied_index(n->machine) != c->n_indexes) {
            return false;
        }
        leader = leader || driver_is_leader(replica_driver(n->replica));
    }
    return leader && clients_quiet(w);
}

void check_say(struct world *w)
{
    struct cluster_status s;
    char members[256];
    unsigned i, m;
    int len;

    world_say(w, "applied by anybody: %llu; clients %s", (unsigned long long)w->check->n_indexes,
              clients_quiet(w) ? "quiet" : "busy");
    for (i = 0; i < w->n_nodes; i++) {
        if (!w->nodes[i].up || w->nodes[i].replica == NULL) {
            world_say(w, "node %u is down%s", i + 1, w->nodes[i].retired ? " for good" : "");
            continue;
        }
        replica_status(w->nodes[i].replica, &s);
        len = 0;
        members[0] = '\0';
        for (m = 0; m < s.n_members; m++) {
            len += snprintf(
                members + len, sizeof members - (size_t)len, " %u%s%s%s", (unsigned)s.members[m].id,
                s.members[m].role == MEMBER_VOTER ? "v" : "s", s.members[m].connected ? "" : "-",
                s.members[m].id == s.leader_id ? "*" : "");
        }
        world_say(w,
                  "node %u: %s term %llu, log %llu to %llu, snapshot %llu, commit %llu, applied "
                  "%llu; as of %llu:%s%s%s",
                  i + 1, s.state, (unsigned long long)s.term, (unsigned long long)s.first_index,
                  (unsigned long long)s.last_index,
                  (unsigned long long)driver_snapshot_index(replica_driver(w->nodes[i].replica)),
                  (unsigned long long)s.commit_index, (unsigned long long)s.applied_index,
                  (unsigned long long)(s.change_index != 0 ? s.change_index : s.members_index),
                  members, w->nodes[i].fetching ? ", fetching" : "",
                  w->nodes[i].checkpoint != CHECKPOINT_NONE ? ", checkpoint" : "");
    }
}

void check_end(struct world *w)
{
    uint8_t first[HASH_BYTES] = {0};
    bool any = false;
    uint8_t digest[HASH_BYTES];
    struct fault fault;
    unsigned i;

    for (i = 0; i < w->n_nodes; i++) {
        struct machine *m = w->nodes[i].machine;
        if (!check_is_member(w->check, i + 1)) {
            continue;
        }
        if (machine_sequence(m) != w->check->n_ledger) {
            world_fail(w, "node %u ends at seq %llu, the ledger at %llu", i + 1,
                       (unsigned long long)machine_sequence(m),
                       (unsigned long long)w->check->n_ledger);
        }
        if (machine_digest(m, digest, &fault) != 0 || (!any && machine_audit(m, &fault) != 0)) {
            world_fail(w, "node %u at the end: %s", i + 1, fault.text);
            return;
        }
        if (!any) {
            memcpy(first, digest, HASH_BYTES);
            any = true;
        } else if (memcmp(first, digest, HASH_BYTES) != 0) {
            world_fail(w, "node %u ends in another state than the first", i + 1);
        }
    }
    w->hash = mix_bytes(w->hash, first, HASH_BYTES);
    clients_end(w);
}

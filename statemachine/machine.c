/* The machine's life: open, entries, clock, head, close. The rules are in rules_*.c.
 *
 * Guarantee: what a command does depends on the state, the command's bytes and the entry's time and
 * on nothing else. An entry counts as applied when machine_end_entry has said so; a checkpoint
 * never holds half an entry. */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#include "statemachine/machine_private.h"

/* How many keys are read for the filter of seen ones: while a start waits, and with each entry:
 * some pages, which may have to come from the disk. */
enum { SEEN_AT_OPEN = 1 << 17, SEEN_AN_ENTRY = 256 };

int machine_open(struct machine **machine, struct store store,
                 const struct machine_options *options, struct fault *fault)
{
    struct machine *m = calloc(1, sizeof *m);

    static_assert(sizeof options->hash_key == CHANGES_HASH_KEY_BYTES, "same key");
    *machine = NULL;
    if (m == NULL) {
        return fault_set(fault, "state machine: out of memory");
    }
    m->ahead = calloc(AHEAD_MOST, sizeof *m->ahead);
    if (m->ahead == NULL) {
        free(m);
        return fault_set(fault, "state machine: out of memory");
    }
    m->options = *options;
    bytes_init(&m->records);
    /* sodium_init chooses the fast hash for this processor; it may be called many times. */
    if (sodium_init() < 0) {
        free(m->ahead);
        free(m);
        return fault_set(fault, "state machine: libsodium can't be initialised");
    }
    if (state_open(&m->state, store, options->hash_key, options->filter_bytes, &m->applied_index,
                   fault) != 0 ||
        layers_read_on(&m->state.layers, SEEN_AT_OPEN, fault) != 0) {
        state_close(&m->state);
        free(m->ahead);
        free(m);
        return -1;
    }
#ifdef FLORIN_MUTANTS
    m->state.mutant = m->state.layers.mutant = options->mutant;
    if (options->mutant == MUTANT_APPLY_TWICE && m->applied_index > 2) {
        m->applied_index -= 2;
    }
#endif
    m->durable_index = m->applied_index;
    *machine = m;
    return 0;
}

void machine_close(struct machine *m)
{
    struct store store;

    if (m == NULL) {
        return;
    }
    store = m->state.layers.store;
    state_close(&m->state);
    store.close(store.impl);
    bytes_release(&m->records);
    free(m->ahead);
    free(m);
}

uint64_t machine_applied_index(const struct machine *m)
{
    return m->applied_index;
}

static int check_index(struct machine *m, uint64_t index, struct fault *fault)
{
    if (m->broken) {
        return fault_set(fault, "state machine: it is broken and applies nothing any more");
    }
    if (index != m->applied_index + 1) {
        m->broken = true;
        return fault_set(fault, "state machine: entry %llu came after entry %llu",
                         (unsigned long long)index, (unsigned long long)m->applied_index);
    }
    return 0;
}

typedef int (*rule)(struct state *s, const struct command *c, struct decision *d,
                    struct fault *fault);

static rule rule_of(const struct command *c)
{
    switch (c->type) {
    case COMMAND_BET:
    case COMMAND_WIN:
    case COMMAND_ROLLBACK:
        return c->dry_run ? rules_dry_run : rules_money;
    case COMMAND_DEPOSIT:
    case COMMAND_WITHDRAW:
        return rules_money;
    case COMMAND_WITHDRAW_CONFIRM:
    case COMMAND_WITHDRAW_CANCEL:
        return rules_hold_end;
    case COMMAND_ROUND_CLOSE:
        return rules_round_close;
    case COMMAND_ATOMIC:
        return rules_atomic;
    case COMMAND_CURRENCY_CREATE:
        return rules_currency_create;
    case COMMAND_PRINCIPAL_CREATE:
        return rules_principal_create;
    case COMMAND_KEY_CREATE:
        return rules_key_create;
    case COMMAND_PLAYER_CREATE:
        return rules_player_create;
    case COMMAND_PLAYER_UPDATE:
        return rules_player_update;
    case COMMAND_SESSION_OPEN:
        return rules_session_open;
    case COMMAND_SESSION_CLOSE:
        return rules_session_close;
    case COMMAND_SESSION_ROTATE:
        return rules_session_rotate;
    case COMMAND_SESSION_AUTHENTICATE:
        return rules_session_authenticate;
    case COMMAND_PASSWORD_SET:
        return rules_password_set;
    case COMMAND_PRINCIPAL_UPDATE:
        return rules_principal_update;
    case COMMAND_KEY_UPDATE:
        return rules_key_update;
    case COMMAND_ACTION:
        return rules_action;
    case COMMAND_ADJUST: /* comes as an item only: the decoder lets none through */
        break;
    }
    return NULL;
}

static int decide(struct state *s, const struct command *c, struct decision *d, struct fault *fault)
{
    rule decides = rule_of(c);
    int rc;

    if (decides == NULL) {
        return fault_set(fault, "state machine: command type %u has no rule", (unsigned)c->type);
    }
    if (c->n_by == 0) {
        return decides(s, c, d, fault);
    }
    rc = rules_acted_before(s, c, d, fault);
    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    if (decides(s, c, d, fault) != 0) {
        return -1;
    }
    rules_write_action(s, c, d);
    return 0;
}

void decision_append(const struct state *s, const struct decision *d, struct bytes *out)
{
    struct outcome o;

    /* o.record is left alone: the sealed bytes stand for it. */
    o.verdict = d->verdict;
    o.replayed = d->replayed;
    o.has_record = d->has_record;
    o.dry_run = d->dry_run;
    o.balance_now_minor = d->balance_now_minor;
    o.conflicts = d->conflicts;
    o.at_ms = s->clock_ms;
    o.has_session = d->has_session;
    o.session = d->session;
    o.n_items = d->n_items;
    o.items = cursor_of(s->items.base, s->items.len);
    o.has_item = d->has_item;
    o.item = d->item;
    outcome_encode_sealed(&o, d->sealed, out);
}

/* The leader lets only what it can read itself into the log: what can't be read here comes from a
 * newer version. */
static int read_command(uint64_t index, const void *bytes, size_t len, struct command *c,
                        struct fault *fault)
{
    struct fault why;

    if (command_decode(bytes, len, c, &why) == 0) {
        return 0;
    }
    return fault_set(fault,
                     "state machine: entry %llu holds a command that this florind does not know; "
                     "start the version that the other nodes run, or a newer one (%.200s)",
                     (unsigned long long)index, why.text);
}

static struct ahead *ahead_at(struct machine *m, unsigned i)
{
    return &m->ahead[(m->first_ahead + i) % AHEAD_MOST];
}

bool machine_expect(struct machine *m, const void *command, size_t len)
{
    struct ahead *next = ahead_at(m, m->n_ahead);
    struct fault why;

    if (m->n_ahead == AHEAD_MOST || command_decode(command, len, &next->command, &why) != 0) {
        return false;
    }
    next->bytes = command;
    next->len = len;
    state_expect(&m->state, &next->command, &next->keys);
    m->n_ahead++;
    if (m->n_ahead > AHEAD_ENTRIES) {
        state_expect_entries(&m->state, &ahead_at(m, m->n_ahead - AHEAD_ENTRIES)->keys);
    }
    return true;
}

/* The command if it was read ahead; its place in the ring is not used again before the next one is
 * expected. */
static struct ahead *take_ahead(struct machine *m, const void *command, size_t len)
{
    struct ahead *first = ahead_at(m, 0);

    if (m->n_ahead == 0 || first->bytes != command || first->len != len) {
        return NULL;
    }
    m->first_ahead = (m->first_ahead + 1) % AHEAD_MOST;
    m->n_ahead--;
    return first;
}

static int apply_one(struct machine *m, uint64_t index, const void *command, size_t len,
                     struct ahead *ahead, struct decision *d, struct fault *fault)
{
    struct state *s = &m->state;
    struct command c;

    if (ahead != NULL) {
        s->expected = &ahead->command;
        s->expected_keys = &ahead->keys;
        return decide(s, &ahead->command, d, fault);
    }
    s->expected = NULL;
    return read_command(index, command, len, &c, fault) != 0 ? -1 : decide(s, &c, d, fault);
}

int machine_apply(struct machine *m, uint64_t index, uint64_t time_ms, const void *command,
                  size_t len, struct bytes *outcome, struct fault *fault)
{
    struct ahead *ahead = take_ahead(m, command, len);
    struct decision d = {.verdict = VERDICT_APPLIED};

    if (index <= m->applied_index) {
        return 0;
    }
    if (check_index(m, index, fault) != 0) {
        return -1;
    }
    m->in_entry = true;
    if (time_ms > m->state.clock_ms || MUTANT(&m->options, MUTANT_CLOCK_BACK)) {
        m->state.clock_ms = time_ms;
    }
    if (apply_one(m, index, command, len, ahead, &d, fault) != 0) {
        m->broken = true;
        return -1;
    }
    if (outcome != NULL) {
        decision_append(&m->state, &d, outcome);
    }
    return 0;
}

int machine_end_entry(struct machine *m, uint64_t index, struct fault *fault)
{
    m->n_ahead = 0;
    if (index <= m->applied_index) {
        return 0;
    }
    if (check_index(m, index, fault) != 0) {
        return -1;
    }
    m->applied_index = index;
    m->in_entry = false;
    if (layers_read_on(&m->state.layers, SEEN_AN_ENTRY, fault) != 0) {
        m->broken = true;
        return -1;
    }
    return 0;
}

bool machine_is_reading(const struct machine *m)
{
    return seen_is_reading(&m->state.layers.seen);
}

int machine_read_on(struct machine *m, size_t most, struct fault *fault)
{
    return layers_read_on(&m->state.layers, most, fault);
}

void machine_head(const struct machine *m, uint8_t check[MACHINE_CHECK_BYTES])
{
    int i;

    for (i = 0; i < 8; i++) {
        check[i] = (uint8_t)(m->state.seq >> (8 * i));
    }
    memcpy(check + 8, m->state.hash, HASH_BYTES);
}

int machine_check(struct machine *m, const uint8_t check[MACHINE_CHECK_BYTES], struct fault *fault)
{
    static const uint8_t start[HASH_BYTES] = {0};
    struct cursor in = cursor_of(check, MACHINE_CHECK_BYTES);
    uint64_t seq = cursor_u64(&in);
    const uint8_t *theirs = cursor_take(&in, HASH_BYTES);
    const uint8_t *ours = start;
    struct record r;

    if (seq > m->state.seq) {
        return fault_set(
            fault,
            "this replica differs from its leader: the leader's ledger had %llu records "
            "at this point, ours has %llu; rebuild this node from the others",
            (unsigned long long)seq, (unsigned long long)m->state.seq);
    }
    if (seq > 0) {
        if (state_record(&m->state, seq, &r, fault) != 0) {
            return -1;
        }
        ours = r.hash;
    }
    if (memcmp(ours, theirs, HASH_BYTES) != 0) {
        return fault_set(fault,
                         "this replica differs from its leader: ledger record %llu has another "
                         "hash; rebuild this node from the others",
                         (unsigned long long)seq);
    }
    return 0;
}

uint64_t machine_sequence(const struct machine *m)
{
    return m->state.seq;
}

uint64_t machine_clock_ms(const struct machine *m)
{
    return m->state.clock_ms;
}

uint64_t machine_directory_version(const struct machine *m)
{
    return m->state.directory;
}

static int wrong(struct fault *fault, const char *what)
{
    return fault_set(fault, "state machine: an invariant is broken: %s", what);
}

int machine_invariants(const struct machine *m, struct fault *fault)
{
    const struct state *s = &m->state;
    struct action a;
    struct record r;
    size_t i;

    if (m->broken) {
        return wrong(fault, "a command failed before");
    }
    for (i = 0; i < s->n_currencies; i++) {
        if (s->currencies[i].sum != 0) {
            return wrong(fault, "a currency's balances do not sum to zero");
        }
    }
    if (s->actions.number > 0) {
        if (state_action(s, s->actions.number, &a, fault) != 0) {
            return -1;
        }
        if (memcmp(a.hash, s->actions.hash, HASH_BYTES) != 0 || a.seq != s->actions.seq) {
            return wrong(fault, "the actions' head is not the last one's hash");
        }
    }
    if (s->seq == 0) {
        return 0;
    }
    if (state_record(s, s->seq, &r, fault) != 0) {
        return -1;
    }
    if (memcmp(r.hash, s->hash, HASH_BYTES) != 0) {
        return wrong(fault, "the head is not the last record's hash");
    }
    return 0;
}

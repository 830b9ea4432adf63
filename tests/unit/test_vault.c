/* The vault of a node: a loop here stands in for the node's and goes on committing checkpoints,
 * while other threads take backups and audit. */
#include "tests/unit/machine_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "node/vault.h"

enum { PIECE = 64 << 10, PATIENCE_MS = 300 };

/* One lock stands in for the loop's being one thread. */
struct world {
    struct fixture ledger;
    struct node_vault *node_vault;
    struct vault vault;
    pthread_mutex_t lock; /* guards the ledger */
    pthread_t thread;
    bool impatient;
    bool ending;
    bool writes; /* a bet with every turn */
    unsigned bets, turns;
    struct fault fault;
};

/* For what is done under the lock or by the loop: a test that left them behind would hang. */
static void must(bool holds, const struct fault *fault)
{
    if (!holds) {
        fprintf(stderr, "%s\n", fault->text);
        abort();
    }
}

/* Well above what a backup takes to begin. */
static void nap(void)
{
    const struct timespec t = {0, 20 * 1000000L};

    nanosleep(&t, NULL);
}

static void win(struct fixture *f, const char *id, const char *player)
{
    const struct command c = money(COMMAND_WIN, "demo", id, player, "EUR", 1);

    must(fixture_apply(f, &c) == 0, &f->fault);
}

static void one_turn(struct world *w)
{
    struct fixture *f = &w->ledger;
    uint64_t index;
    char id[20];

    if (w->writes) {
        snprintf(id, sizeof id, "b%u", w->bets++);
        win(f, id, "alice");
    }
    if (vault_wants_checkpoint(w->node_vault) || w->writes) {
        if (!machine_checkpoint_begin(f->machine)) {
            vault_checkpoint_begun(w->node_vault, true);
        } else {
            vault_checkpoint_begun(w->node_vault, false);
            must(machine_checkpoint_write(f->machine, &f->fault) == 0, &f->fault);
            must(machine_checkpoint_end(f->machine, &index, &f->fault) == 0, &f->fault);
            vault_checkpoint_ended(w->node_vault);
        }
    }
    vault_look(w->node_vault);
    w->turns++;
}

static void *loop(void *context)
{
    struct world *w = context;
    bool ending = false;

    while (!ending) {
        pthread_mutex_lock(&w->lock);
        one_turn(w);
        ending = w->ending;
        pthread_mutex_unlock(&w->lock);
        nap();
    }
    return NULL;
}

static void wake(void *context)
{
    (void)context; /* the loop turns by itself */
}

static int open_patient(void **state, unsigned patience_ms)
{
    struct world *w = calloc(1, sizeof *w);
    struct vault_options options = {.cluster_id = "tested",
                                    .node_id = 3,
                                    .wake = wake,
                                    .context = w,
                                    .patience_ms = patience_ms};

    *state = w;
    w->impatient = patience_ms > 0;
    signal(SIGPIPE, SIG_IGN); /* as the node has it */
    fixture_open(&w->ledger, 1);
    assert_int_equal(fixture_world(&w->ledger, players, PLAYERS), 0);
    pthread_mutex_init(&w->lock, NULL);
    w->node_vault = vault_new(&options);
    vault_bind(w->node_vault, &w->vault);
    vault_open(w->node_vault, w->ledger.machine);
    assert_int_equal(pthread_create(&w->thread, NULL, loop, w), 0);
    return 0;
}

/* The node's own patience: what is not about being too slow must not depend on how fast we are. */
static int open_world(void **state)
{
    return open_patient(state, 0);
}

static int open_impatient(void **state)
{
    return open_patient(state, PATIENCE_MS);
}

static int close_world(void **state)
{
    struct world *w = *state;

    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    assert_true(vault_close(w->node_vault));
    vault_free(w->node_vault);
    pthread_mutex_destroy(&w->lock);
    fixture_close(&w->ledger);
    free(w);
    return 0;
}

static uint64_t sequence_of(struct world *w)
{
    uint64_t seq;

    pthread_mutex_lock(&w->lock);
    seq = machine_sequence(w->ledger.machine);
    pthread_mutex_unlock(&w->lock);
    return seq;
}

/* Much that a copy takes a while to write. */
static void grow(struct world *w, int n)
{
    int i;

    pthread_mutex_lock(&w->lock);
    for (i = 0; i < n; i++) {
        char id[64];
        snprintf(id, sizeof id, "grown-%050d", i);
        win(&w->ledger, id, "bob");
    }
    pthread_mutex_unlock(&w->lock);
}

static int64_t read_piece(struct world *w, struct vault_backup *b, struct bytes *into)
{
    int64_t n;

    bytes_reserve(into, PIECE);
    n = w->vault.backup_read(b, into->base + into->len, PIECE, &w->fault);
    into->len += n > 0 ? (size_t)n : 0;
    return n;
}

/* All of it, and what it says of itself must be so. */
static void take_backup(struct world *w, struct backup_seal *seal)
{
    static const uint8_t hash_key[16] = "a key for tests";
    char path[300];
    struct vault_backup *b;
    struct machine *m;
    struct bytes content;
    int64_t n;
    int fd;

    bytes_init(&content);
    if (w->vault.backup_begin(w->vault.impl, &b, &w->fault) != VAULT_OK) {
        fail_msg("%s", w->fault.text);
    }
    while ((n = read_piece(w, b, &content)) > 0) {
    }
    if (n != 0) {
        fail_msg("%s", w->fault.text);
    }
    w->vault.backup_end(b);
    snprintf(path, sizeof path, "%s/backup", w->ledger.folder);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, content.base, content.len), content.len);
    close(fd);
    bytes_release(&content);
    if (backup_check(path, seal, NULL, &w->fault) != 0 ||
        backup_open(path, seal, hash_key, &m, &w->fault) != 0 || machine_audit(m, &w->fault) != 0) {
        fail_msg("%s", w->fault.text);
    }
    machine_close(m);
    unlink(path);
}

static void a_backup_holds_what_was_applied(void **state)
{
    struct world *w = *state;
    struct backup_seal seal;

    take_backup(w, &seal); /* nothing was in the store before it was asked for */
    assert_int_equal(seal.seq, PLAYERS);
    assert_string_equal(seal.cluster_id, "tested");
    assert_int_equal(seal.node_id, 3);
    grow(w, 10);
    take_backup(w, &seal);
    assert_int_equal(seal.seq, PLAYERS + 10);
    take_backup(w, &seal); /* with nothing new to write */
    assert_int_equal(seal.seq, PLAYERS + 10);
}

static void set_writes(struct world *w, bool writes)
{
    pthread_mutex_lock(&w->lock);
    w->writes = writes;
    pthread_mutex_unlock(&w->lock);
}

/* Checkpoints all the time: each seal still names the very state that was copied. */
static void backups_beside_checkpoints(void **state)
{
    struct world *w = *state;
    struct backup_seal seal;
    uint64_t before;
    int i;

    set_writes(w, true);
    for (i = 0; i < 20; i++) {
        before = sequence_of(w);
        take_backup(w, &seal);
        assert_true(seal.seq >= before);
    }
}

static void audits_beside_checkpoints(void **state)
{
    struct world *w = *state;
    struct audit_report report;
    struct backup_seal seal;
    uint64_t before;
    int i;

    set_writes(w, true);
    for (i = 0; i < 10; i++) {
        before = sequence_of(w);
        assert_int_equal(w->vault.audit(w->vault.impl, &report, &seal, &w->fault), VAULT_OK);
        assert_true(seal.seq >= before);
        assert_int_equal(report.records, seal.seq);
        assert_int_equal(report.n_totals, 1);
        audit_report_release(&report);
    }
}

static void one_backup_at_a_time(void **state)
{
    struct world *w = *state;
    struct audit_report report;
    struct backup_seal seal;
    struct vault_backup *first, *second;

    assert_int_equal(w->vault.backup_begin(w->vault.impl, &first, &w->fault), VAULT_OK);
    assert_int_equal(w->vault.backup_begin(w->vault.impl, &second, &w->fault), VAULT_BUSY);
    assert_int_equal(w->vault.audit(w->vault.impl, &report, &seal, &w->fault), VAULT_OK);
    audit_report_release(&report);
    w->vault.backup_end(first); /* without a look at it: the client went away */
    take_backup(w, &seal);
}

/* More than a pipe holds, so that the copy waits for whoever takes it. Where the vault is
 * impatient, we may be cut off here already, and try again. */
static struct vault_backup *begin_large(struct world *w, struct bytes *content)
{
    struct vault_backup *b;

    grow(w, 20000);
    bytes_init(content);
    for (;;) {
        if (w->vault.backup_begin(w->vault.impl, &b, &w->fault) == VAULT_OK) {
            if (read_piece(w, b, content) > 0) {
                return b;
            }
            w->vault.backup_end(b);
        }
        assert_true(w->impatient);
        bytes_clear(content);
    }
}

static unsigned turns_of(struct world *w)
{
    unsigned turns;

    pthread_mutex_lock(&w->lock);
    turns = w->turns;
    pthread_mutex_unlock(&w->lock);
    return turns;
}

static void one_who_is_too_slow_is_cut_off(void **state)
{
    struct world *w = *state;
    const struct timespec too_long = {0, 2 * PATIENCE_MS * 1000000L};
    struct bytes content;
    struct vault_backup *b = begin_large(w, &content);
    unsigned turns;
    int64_t n;

    nanosleep(&too_long, NULL);
    turns = turns_of(w);
    while (turns_of(w) < turns + 2) { /* the loop has had a look */
        nap();
    }
    while ((n = read_piece(w, b, &content)) > 0) {
    }
    assert_int_equal(n, -1);
    assert_non_null(strstr(w->fault.text, "slow"));
    w->vault.backup_end(b);
    bytes_release(&content);
}

/* The node stops, or gets another state: whoever is in is sent away, and then nobody is in. */
static void all_leave_when_it_closes(void **state)
{
    struct world *w = *state;
    struct audit_report report;
    struct backup_seal seal;
    struct bytes content;
    struct vault_backup *b = begin_large(w, &content);
    int64_t n;

    assert_false(vault_close(w->node_vault));
    while ((n = read_piece(w, b, &content)) > 0) {
    }
    assert_int_equal(n, -1);
    assert_false(vault_close(w->node_vault));
    w->vault.backup_end(b);
    assert_true(vault_close(w->node_vault));
    assert_int_equal(w->vault.backup_begin(w->vault.impl, &b, &w->fault), VAULT_AWAY);
    assert_int_equal(w->vault.audit(w->vault.impl, &report, &seal, &w->fault), VAULT_AWAY);
    vault_open(w->node_vault, w->ledger.machine);
    take_backup(w, &seal);
    bytes_release(&content);
}

static void an_unsound_ledger_is_told(void **state)
{
    struct world *w = *state;
    struct account alice = {ACCOUNT_PLAYER, slice_of("alice")};
    struct machine *m = w->ledger.machine;
    struct audit_report report;
    struct backup_seal seal;
    char buffer[STORE_KEY_MAX];
    uint8_t more[1024];
    struct slice key = balance_key(alice, slice_of("EUR"), buffer);
    struct slice value;

    pthread_mutex_lock(&w->lock);
    must(layers_get(&m->state.layers, TABLE_BALANCE, key, &value, &w->fault) == 1, &w->fault);
    must(value.len <= sizeof more, &w->fault);
    memcpy(more, value.base, value.len);
    more[0]++;
    layers_put(&m->state.layers, TABLE_BALANCE, key, (struct slice){(const char *)more, value.len});
    win(&w->ledger, "something-to-write", "bob");
    pthread_mutex_unlock(&w->lock);
    assert_int_equal(w->vault.audit(w->vault.impl, &report, &seal, &w->fault), VAULT_UNSOUND);
    assert_non_null(strstr(w->fault.text, "alice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_backup_holds_what_was_applied, open_world, close_world),
        cmocka_unit_test_setup_teardown(backups_beside_checkpoints, open_world, close_world),
        cmocka_unit_test_setup_teardown(audits_beside_checkpoints, open_world, close_world),
        cmocka_unit_test_setup_teardown(one_backup_at_a_time, open_world, close_world),
        cmocka_unit_test_setup_teardown(one_who_is_too_slow_is_cut_off, open_impatient,
                                        close_world),
        cmocka_unit_test_setup_teardown(all_leave_when_it_closes, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_unsound_ledger_is_told, open_world, close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Backups as files: what is written is found again, any change of it is seen, and the state in it
 * opens where it lies, to be read only. */
#include "tests/unit/machine_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "statemachine/backup.h"

static const uint8_t hash_key[16] = "a key for tests";

struct world {
    struct fixture ledger;
    char file[300];
    struct bytes content; /* of a good backup */
    struct backup_seal seal;
    struct fault fault;
};

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), len);
    close(fd);
}

static void read_file(const char *path, struct bytes *out)
{
    struct stat at;
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0 && fstat(fd, &at) == 0);
    bytes_clear(out);
    bytes_reserve(out, (size_t)at.st_size);
    out->len = (size_t)read(fd, out->base, (size_t)at.st_size);
    assert_int_equal(out->len, at.st_size);
    close(fd);
}

/* A copy of the ledger's last checkpoint with a seal behind it, as the node's vault makes one. */
static void make_backup(struct world *w)
{
    struct backup_digest digest;
    uint8_t seal[BACKUP_SEAL_BYTES];
    int fd = open(w->file, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(machine_copy(w->ledger.machine, fd, &w->fault), 0);
    close(fd);
    read_file(w->file, &w->content);
    w->seal = (struct backup_seal){.cluster_id = "tested", .node_id = 3};
    backup_seal_of(w->ledger.machine, &w->seal);
    backup_digest_begin(&digest);
    backup_digest_add(&digest, w->content.base, 100);
    backup_digest_add(&digest, w->content.base + 100, w->content.len - 100);
    backup_digest_end(&digest, &w->seal, seal);
    bytes_append(&w->content, seal, sizeof seal);
    write_file(w->file, w->content.base, w->content.len);
}

static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    *state = w;
    bytes_init(&w->content);
    fixture_open(&w->ledger, 1);
    assert_int_equal(fixture_world(&w->ledger, players, PLAYERS), 0);
    assert_int_equal(fixture_checkpoint(&w->ledger), 0);
    snprintf(w->file, sizeof w->file, "%s/backup", w->ledger.folder);
    make_backup(w);
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    unlink(w->file);
    fixture_close(&w->ledger);
    bytes_release(&w->content);
    free(w);
    return 0;
}

static int check(struct world *w)
{
    struct backup_seal seal;

    return backup_check(w->file, &seal, NULL, &w->fault);
}

static void it_is_found_as_it_was_written(void **state)
{
    struct world *w = *state;
    struct backup_seal seal;
    struct machine *m;
    uint8_t written[HASH_BYTES], found[HASH_BYTES];

    assert_int_equal(backup_check(w->file, &seal, NULL, &w->fault), 0);
    assert_string_equal(seal.cluster_id, "tested");
    assert_int_equal(seal.node_id, 3);
    assert_int_equal(seal.state_bytes, w->content.len - BACKUP_SEAL_BYTES);
    assert_int_equal(seal.seq, PLAYERS);
    assert_int_equal(seal.applied_index, machine_applied_index(w->ledger.machine));
    assert_memory_equal(seal.digest, w->seal.digest, HASH_BYTES);

    assert_int_equal(backup_open(w->file, &seal, hash_key, &m, &w->fault), 0);
    assert_int_equal(machine_digest(w->ledger.machine, written, &w->fault), 0);
    assert_int_equal(machine_digest(m, found, &w->fault), 0);
    assert_memory_equal(written, found, HASH_BYTES);
    machine_close(m);
    assert_int_equal(check(w), 0); /* opening changed nothing */
}

static void flip(struct world *w, size_t at)
{
    w->content.base[at] ^= (uint8_t)(1 << (at % 8));
    write_file(w->file, w->content.base, w->content.len);
    assert_int_equal(check(w), -1);
    assert_non_null(strstr(w->fault.text, w->file)); /* which file */
    w->content.base[at] ^= (uint8_t)(1 << (at % 8));
}

static void every_flipped_bit_is_seen(void **state)
{
    struct world *w = *state;
    size_t seal_at = w->content.len - BACKUP_SEAL_BYTES;
    size_t at;

    for (at = 0; at < seal_at; at += 997) {
        flip(w, at);
    }
    for (at = seal_at; at < w->content.len; at++) {
        flip(w, at);
    }
}

static void refused(struct world *w, size_t len, const char *word)
{
    write_file(w->file, w->content.base, len);
    assert_int_equal(check(w), -1);
    if (strstr(w->fault.text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", w->fault.text, word);
    }
}

static void what_is_no_backup_is_refused(void **state)
{
    struct world *w = *state;

    refused(w, w->content.len - 1, "cut off");
    refused(w, w->content.len - BACKUP_SEAL_BYTES, "cut off");
    refused(w, BACKUP_SEAL_BYTES, "no backup");
    refused(w, 0, "no backup");
    w->content.base[w->content.len - BACKUP_SEAL_BYTES + 8]++; /* the version */
    refused(w, w->content.len, "format 2");
    unlink(w->file);
    assert_int_equal(check(w), -1);
    assert_non_null(strstr(w->fault.text, "can't be opened"));
}

/* A whole file, with a seal that speaks of another state. */
static void a_seal_must_be_of_its_state(void **state)
{
    struct world *w = *state;
    struct backup_seal seal = w->seal;
    struct machine *m;

    seal.seq++;
    assert_int_equal(backup_open(w->file, &seal, hash_key, &m, &w->fault), -1);
    assert_non_null(strstr(w->fault.text, "another one"));
    seal = w->seal;
    seal.chain[5] ^= 1;
    assert_int_equal(backup_open(w->file, &seal, hash_key, &m, &w->fault), -1);
}

/* LMDB would read beyond the end of the file, and the process would end. */
static void a_state_that_was_cut_off_is_refused(void **state)
{
    struct world *w = *state;
    struct machine *m;
    size_t len;

    for (len = 0; len + BACKUP_SEAL_BYTES < w->content.len; len += 4096) {
        write_file(w->file, w->content.base, len);
        assert_int_equal(backup_open_state(w->file, hash_key, &m, &w->fault), -1);
    }
    write_file(w->file, w->content.base, w->content.len - BACKUP_SEAL_BYTES);
    assert_int_equal(backup_open_state(w->file, hash_key, &m, &w->fault), 0);
    machine_close(m);
}

/* ---- views ---- */

static void a_view_shows_one_checkpoint_for_good(void **state)
{
    struct world *w = *state;
    struct fixture *f = &w->ledger;
    struct machine *view, *second;
    struct audit_report report = {0};
    int i;

    assert_int_equal(machine_view(f->machine, &view, &w->fault), 0);
    for (i = 0; i < 20; i++) {
        char id[20];
        snprintf(id, sizeof id, "b%d", i);
        apply(f, money(COMMAND_BET, "demo", id, "alice", "EUR", 1));
        assert_int_equal(fixture_checkpoint(f), 0);
    }
    assert_int_equal(machine_sequence(view), PLAYERS);
    assert_int_equal(machine_audit(view, &w->fault), 0);
    assert_int_equal(machine_view(f->machine, &second, &w->fault), 0);
    assert_int_equal(machine_sequence(second), PLAYERS + 20);

    assert_int_equal(machine_audit_report(second, &report, &w->fault), 0);
    assert_int_equal(report.records, PLAYERS + 20);
    assert_int_equal(report.players, PLAYERS);
    assert_int_equal(report.balances, PLAYERS + 2); /* and the provider's, and the gateway's */
    assert_int_equal(report.n_totals, 1);
    assert_string_equal(report.totals[0].currency, "EUR");
    assert_true(report.totals[0].fits);
    assert_int_equal(report.totals[0].players_minor, (100 * PLAYERS - 20) * 100000);
    assert_int_equal(report.totals[0].providers_minor, 20 * 100000);
    assert_int_equal(report.totals[0].gateways_minor, -100 * PLAYERS * 100000);
    assert_int_equal(report.totals[0].house_minor, 0);
    audit_report_release(&report);
    machine_close(second);
    machine_close(view);
}

static bool not_further(void *context, uint64_t seq, uint64_t last_seq)
{
    (void)last_seq;
    *(uint64_t *)context = seq;
    return false;
}

static void an_audit_can_be_stopped(void **state)
{
    struct world *w = *state;
    struct fixture *f = &w->ledger;
    uint64_t seen = 0;
    struct audit_report report = {.go_on = not_further, .context = &seen};
    int i;

    for (i = 0; i < 5000; i++) {
        char id[20];
        snprintf(id, sizeof id, "b%d", i);
        apply(f, money(COMMAND_WIN, "demo", id, "alice", "EUR", 1));
    }
    assert_int_equal(machine_audit_report(f->machine, &report, &w->fault), -1);
    assert_non_null(strstr(w->fault.text, "stopped"));
    assert_in_range(seen, 1, 5000);
    audit_report_release(&report);
}

/* Also while it looks at the actions: a platform that changes its players leaves many. */
static void an_audit_of_actions_can_be_stopped(void **state)
{
    struct world *w = *state;
    uint64_t seen = 0;
    struct audit_report report = {.go_on = not_further, .context = &seen};
    struct command c = {.type = COMMAND_ACTION, .id = slice_of("verify"), .n_by = 1};

    c.by[0] = (struct actor){slice_of("olga"), slice_of("k1"), slice_of("::1"),
                             slice_of("r-1"),  ROLE_OPERATOR,  2};
    for (c.origin = 1; c.origin <= 2500; c.origin++) { /* and as many origins */
        apply(&w->ledger, c);
    }
    assert_int_equal(machine_audit_report(w->ledger.machine, &report, &w->fault), -1);
    assert_non_null(strstr(w->fault.text, "stopped"));
    audit_report_release(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_found_as_it_was_written, open_world, close_world),
        cmocka_unit_test_setup_teardown(every_flipped_bit_is_seen, open_world, close_world),
        cmocka_unit_test_setup_teardown(what_is_no_backup_is_refused, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_seal_must_be_of_its_state, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_state_that_was_cut_off_is_refused, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_view_shows_one_checkpoint_for_good, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(an_audit_can_be_stopped, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_audit_of_actions_can_be_stopped, open_world,
                                        close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The log of a cluster that begins with a state: what it says, and what it takes over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "node/folders.h"
#include "node/seed.h"

static const struct log_identity old_identity = {"old", 3};
static const struct configuration_member three[] = {{1, "127.0.0.1:1", MEMBER_VOTER},
                                                    {2, "127.0.0.1:2", MEMBER_VOTER},
                                                    {3, "127.0.0.1:3", MEMBER_VOTER}};

struct world {
    char folder[256], old_folder[300], new_folder[300];
    struct disk disk;
    struct log *old;
    struct fault fault;
};

static void must(struct world *w, int rv)
{
    if (rv != 0) {
        fail_msg("%s", w->fault.text);
    }
}

static void append(struct world *w, uint64_t index, uint64_t term, enum log_entry_type type,
                   const void *data, size_t len)
{
    const struct log_entry e = {index, term, type, data, len};

    must(w, log_append(w->old, &e, 1, &w->fault));
}

/* 1: the members; 2, 3: commands; 4: other members; 5: a command of a later term. */
static int open_world(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *base = getenv("TMPDIR");
    struct log_entry first = {.index = 1, .term = 1, .type = LOG_CHANGE};
    struct bytes members;

    *state = w;
    snprintf(w->folder, sizeof w->folder, "%s/florin-test-XXXXXX", base == NULL ? "/tmp" : base);
    assert_non_null(mkdtemp(w->folder));
    snprintf(w->old_folder, sizeof w->old_folder, "%s/old", w->folder);
    snprintf(w->new_folder, sizeof w->new_folder, "%s/new", w->folder);
    must(w, folder_make(w->old_folder, &w->fault));
    must(w, folder_make(w->new_folder, &w->fault));
    bytes_init(&members);
    must(w, configuration_encode(three, 3, &members, &w->fault));
    first.data = members.base;
    first.len = members.len;
    assert_int_equal(disk_posix_open(&w->disk, w->old_folder), 0);
    must(w, log_format(&w->disk, &old_identity, &first, &w->fault));
    must(w, log_open(&w->old, &w->disk, &old_identity, NULL, NULL, &w->fault));
    append(w, 2, 1, LOG_COMMAND, "second..", 8);
    append(w, 3, 1, LOG_COMMAND, "third...", 8);
    append(w, 4, 2, LOG_CHANGE, members.base, members.len);
    append(w, 5, 7, LOG_COMMAND, "fifth...", 8);
    must(w, log_sync(w->old, &w->fault));
    bytes_release(&members);
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;

    log_close(w->old);
    w->disk.release(w->disk.impl);
    must(w, folder_remove(w->folder, &w->fault));
    free(w);
    return 0;
}

static struct log *make(struct world *w, const struct seed *seed, struct disk *disk)
{
    struct log *log;

    must(w, seed_log(seed, w->new_folder, &w->fault));
    assert_int_equal(disk_posix_open(disk, w->new_folder), 0);
    must(w, log_open(&log, disk, &seed->identity, NULL, NULL, &w->fault));
    return log;
}

static void expect_entry(struct world *w, struct log *log, uint64_t index, uint64_t term,
                         enum log_entry_type type, const char *data)
{
    struct log_entry e;
    struct bytes held;

    bytes_init(&held);
    must(w, log_read(log, index, &e, &held, &w->fault));
    assert_int_equal(e.term, term);
    assert_int_equal(e.type, type);
    assert_int_equal(e.len, 8);
    assert_memory_equal(e.data, data, 8);
    bytes_release(&held);
}

static void entries_behind_the_state_are_taken_over(void **state)
{
    struct world *w = *state;
    struct seed seed = {.identity = {"new", 3},
                        .members = &three[2],
                        .n_members = 1,
                        .index = 2,
                        .term = 1,
                        .head = "a head",
                        .vote_term = 9,
                        .old = w->old};
    const struct log_snapshot *snapshot;
    struct bytes alone;
    struct disk disk;
    struct log *log = make(w, &seed, &disk);

    assert_int_equal(log_first_index(log), 3);
    assert_int_equal(log_last_index(log), 5);
    assert_int_equal(log_term(log), 9);
    assert_int_equal(log_vote(log), 0);
    expect_entry(w, log, 3, 1, LOG_COMMAND, "third...");
    /* The old cluster's members would bring back a majority that is gone. */
    expect_entry(w, log, 4, 2, LOG_BARRIER, "\0\0\0\0\0\0\0");
    expect_entry(w, log, 5, 7, LOG_COMMAND, "fifth...");

    snapshot = log_snapshot(log);
    assert_int_equal(snapshot->index, 2);
    assert_int_equal(snapshot->configuration_index, 2);
    assert_int_equal(snapshot->manifest.len, sizeof seed.head);
    assert_memory_equal(snapshot->manifest.base, seed.head, sizeof seed.head);
    bytes_init(&alone);
    must(w, configuration_encode(&three[2], 1, &alone, &w->fault));
    assert_int_equal(snapshot->configuration.len, alone.len);
    assert_memory_equal(snapshot->configuration.base, alone.base, alone.len);
    bytes_release(&alone);
    log_close(log);
    disk.release(disk.impl);
    assert_int_equal(log_last_index(w->old), 5); /* and is as it was */
}

static void a_state_alone_needs_no_entries(void **state)
{
    struct world *w = *state;
    struct seed seed = {.identity = {"new", 1},
                        .members = three,
                        .n_members = 3,
                        .index = 1000,
                        .term = 1,
                        .vote_term = 1};
    struct disk disk;
    struct log *log = make(w, &seed, &disk);

    assert_int_equal(log_first_index(log), 1001);
    assert_int_equal(log_last_index(log), 1000);
    assert_int_equal(log_snapshot(log)->index, 1000);
    log_close(log);
    disk.release(disk.impl);
}

/* A node that never wrote a checkpoint: the first entry says who the members are. */
static void an_empty_state_begins_with_the_members(void **state)
{
    struct world *w = *state;
    struct seed seed = {.identity = {"new", 3},
                        .members = &three[2],
                        .n_members = 1,
                        .vote_term = 8,
                        .old = w->old};
    struct log_entry e;
    struct bytes held;
    struct disk disk;
    struct log *log = make(w, &seed, &disk);

    assert_int_equal(log_first_index(log), 1);
    assert_int_equal(log_last_index(log), 5);
    assert_int_equal(log_snapshot(log)->index, 0);
    bytes_init(&held);
    must(w, log_read(log, 1, &e, &held, &w->fault));
    assert_int_equal(e.type, LOG_CHANGE);
    bytes_release(&held);
    expect_entry(w, log, 2, 1, LOG_COMMAND, "second..");
    log_close(log);
    disk.release(disk.impl);
}

static void copies_and_folders(void **state)
{
    struct world *w = *state;
    char from[600], to[600];
    bool empty;
    FILE *f;

    must(w, folder_is_empty(w->new_folder, &empty, &w->fault));
    assert_true(empty);
    snprintf(from, sizeof from, "%s/from", w->new_folder);
    snprintf(to, sizeof to, "%s/to", w->new_folder);
    f = fopen(from, "w");
    assert_non_null(f);
    fputs("one two three", f);
    fclose(f);
    must(w, folder_is_empty(w->new_folder, &empty, &w->fault));
    assert_false(empty);
    must(w, file_copy(from, to, 7, &w->fault));
    f = fopen(to, "r");
    assert_int_equal(fread(to, 1, 100, f), 7);
    assert_memory_equal(to, "one two", 7);
    fclose(f);
    snprintf(to, sizeof to, "%s/to", w->new_folder);
    assert_int_equal(file_copy(from, to, 7, &w->fault), -1); /* never over a file */
    assert_int_equal(remove(to), 0);
    assert_int_equal(file_copy(from, to, 14, &w->fault), -1); /* it has not so many */
    assert_int_equal(remove(to), -1);
    must(w, folder_remove(w->new_folder, &w->fault));
    must(w, folder_remove(w->new_folder, &w->fault));
    must(w, folder_is_empty(w->new_folder, &empty, &w->fault));
    assert_true(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_behind_the_state_are_taken_over, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(a_state_alone_needs_no_entries, open_world, close_world),
        cmocka_unit_test_setup_teardown(an_empty_state_begins_with_the_members, open_world,
                                        close_world),
        cmocka_unit_test_setup_teardown(copies_and_folders, open_world, close_world),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

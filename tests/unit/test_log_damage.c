/* Damage to what was synced: the log must refuse to open and say what to do, or open exactly as it
 * was; it must never open as something else. */
#include "tests/unit/log_fixture.h"

#include <stdio.h>

#include "statemachine/crc32c.h"
#include "consensus/disk_io.h"
#include "consensus/segment.h"

/* Everything that a log says about itself, in one number. */
static void digest_entry(void *context, const struct log_entry *entry)
{
    uint32_t *crc = context;

    *crc = crc32c(*crc, &entry->index, sizeof entry->index);
    *crc = crc32c(*crc, &entry->term, sizeof entry->term);
    *crc = crc32c(*crc, entry->data, entry->len);
}

static uint32_t digest(struct log *log)
{
    const struct log_snapshot *s = log_snapshot(log);
    uint64_t fields[] = {
        log_first_index(log),  log_last_index(log), log_term(log), log_vote(log), s->index, s->term,
        s->configuration_index};
    uint32_t crc = crc32c(0, fields, sizeof fields);
    struct fault fault;

    crc = crc32c(crc, s->configuration.base, s->configuration.len);
    crc = crc32c(crc, s->manifest.base, s->manifest.len);
    must(log_walk(log, digest_entry, &crc, &fault));
    return crc;
}

static void append(struct fixture *f, uint64_t first, uint64_t last, uint64_t term, size_t len)
{
    struct fault fault;

    for (; first <= last; first++) {
        must(fixture_append(f->log, first, term, len, &fault));
    }
    must(log_sync(f->log, &fault));
}

static void snapshot(struct fixture *f, uint64_t index, uint64_t term)
{
    struct log_snapshot s = {.index = index, .term = term, .configuration_index = 1};
    struct fault fault;

    bytes_init(&s.configuration);
    bytes_init(&s.manifest);
    bytes_append(&s.configuration, "configuration", 13);
    bytes_append(&s.manifest, "manifest", 8);
    must(log_set_snapshot(f->log, &s, &fault));
    log_snapshot_release(&s);
}

/* Votes, a snapshot, a cut front, a superseded tail, several segments and lives. */
static struct fixture *lived_in(void)
{
    struct fixture *f = fixture_new();
    struct fault fault;

    must(log_set_vote(f->log, 1, 2, &fault));
    append(f, 1, 5, 1, 1000);
    snapshot(f, 4, 1);
    must(log_cut_before(f->log, 4, &fault));
    append(f, 6, 9, 1, 40);
    append(f, 8, 11, 2, 1200);
    must(log_set_vote(f->log, 3, 1, &fault));
    fixture_reopen(f);
    append(f, 12, 13, 3, 456);
    append(f, 14, 15, 3, 8);
    return f;
}

/* Opens a copy of the disk: 0 and the digest, or -1 with the fault. */
static int open_copy(struct sim_disk *sim, const struct log_options *options, uint32_t *crc,
                     struct fault *fault)
{
    struct disk disk;
    struct log *log;
    int rv;

    sim_disk_interface(sim, &disk);
    rv = log_open(&log, &disk, &fixture_identity, options, NULL, fault);
    if (rv == 0) {
        *crc = digest(log);
        log_close(log);
    }
    return rv;
}

struct flipping {
    struct fixture *f;
    uint32_t expected;
    unsigned refused, unharmed;
};

static void flip_one(struct flipping *flipping, const char *name, size_t offset, uint8_t mask)
{
    struct sim_disk *copy = sim_disk_clone(flipping->f->sim);
    uint32_t crc = 0;
    struct fault fault;

    sim_disk_flip(copy, name, offset, mask);
    if (open_copy(copy, &flipping->f->options, &crc, &fault) != 0) {
        flipping->refused++;
        assert_non_null(strstr(fault.text, name));
        assert_non_null(strstr(fault.text, DISK_REMEDY));
    } else {
        flipping->unharmed++;
        if (crc != flipping->expected) {
            fail_msg("flipping byte %zu of %s with %02x went unnoticed", offset, name, mask);
        }
    }
    sim_disk_free(copy);
}

static void flip_all(void *context, const char *name)
{
    struct flipping *flipping = context;
    size_t size = (size_t)sim_disk_size(flipping->f->sim, name);
    size_t i;

    for (i = 0; i < size; i++) {
        flip_one(flipping, name, i, (uint8_t)(1u << i % 8));
        if (i % 4 == 0) {
            flip_one(flipping, name, i, 0xff);
        }
    }
}

/* The names are noted first: list holds the disk's lock. */
struct listed {
    char names[16][DISK_NAME_MAX];
    size_t n;
};

static void note(void *context, const char *name)
{
    struct listed *listed = context;

    snprintf(listed->names[listed->n++], DISK_NAME_MAX, "%s", name);
}

static void test_every_byte(void **state)
{
    struct flipping flipping = {.f = lived_in()};
    struct listed listed = {.n = 0};
    struct disk *disk = &flipping.f->disk;
    size_t i;

    (void)state;
    flipping.expected = digest(flipping.f->log);
    assert_int_equal(disk->list(disk->impl, note, &listed), 0);
    assert_int_equal(listed.n, 7); /* four segments, identity, snapshot, vote */
    for (i = 0; i < listed.n; i++) {
        flip_all(&flipping, listed.names[i]);
    }
    /* Both must occur, or the test tests nothing: padding is harmless, records are not. */
    assert_true(flipping.refused > 10000);
    assert_true(flipping.unharmed > 1000);
    fixture_free(flipping.f);
}

static void test_missing_files(void **state)
{
    static const struct {
        const char *name;
        const char *says;
    } missing[] = {
        {"identity", "holds no log"},
        {"vote", "vote is damaged at byte 0: the file is missing"},
        {"snapshot", "0000000000000001.seg is damaged at byte 0: the segment is missing"},
        {"0000000000000003.seg", "entries 5 to "},
        {"0000000000000004.seg",
         "0000000000000004.seg is damaged at byte 0: the segment is missing"},
    };
    struct fixture *f = lived_in();
    uint32_t crc;
    struct fault fault;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        struct sim_disk *copy = sim_disk_clone(f->sim);
        assert_true(sim_disk_size(copy, missing[i].name) > 0);
        sim_disk_erase(copy, missing[i].name);
        must_fail(open_copy(copy, &f->options, &crc, &fault), missing[i].says);
        sim_disk_free(copy);
    }
    fixture_free(f);
}

/* The snapshot's manifest knows how far the log was synced: less than that is damage even where
 * the log alone could not tell. */
static void test_manifest_proves(void **state)
{
    struct fixture *f = fixture_new();
    struct sim_disk *copy;
    uint8_t zeros[4096] = {0};
    uint8_t file[4096];
    uint32_t crc;
    struct fault fault;

    (void)state;
    append(f, 1, 3, 1, 40);
    copy = sim_disk_clone(f->sim);
    sim_disk_get(copy, "0000000000000002.seg", file, 4096, 0);
    memcpy(file + 512, zeros, 4096 - 512);
    sim_disk_put(copy, "0000000000000002.seg", file, 4096);
    must(open_copy(copy, &f->options, &crc, &fault)); /* nothing contradicts an empty segment */
    sim_disk_free(copy);

    snapshot(f, 2, 1);
    sim_disk_put(f->sim, "0000000000000002.seg", file, 4096);
    must_fail(open_copy(f->sim, &f->options, &crc, &fault), "synced is missing or torn");
    sim_disk_erase(f->sim, "0000000000000002.seg");
    must_fail(open_copy(f->sim, &f->options, &crc, &fault), "the segment is missing");
    fixture_free(f);
}

/* A record that never arrived, but a later one says that it was synced before. */
static void test_later_record_proves(void **state)
{
    static const char newest[] = "0000000000000002.seg";
    struct fixture *f = fixture_new();
    uint8_t file[4096];
    uint32_t crc;
    struct fault fault;

    (void)state;
    append(f, 1, 1, 1, 400); /* 512 to 960 */
    append(f, 2, 2, 1,
           616); /* from 960: placed at 960, up to 1624; its payload has whole sectors */
    append(f, 3, 3, 1, 40);
    sim_disk_get(f->sim, newest, file, sizeof file, 0);
    memset(file + 1024, 0, 512);
    sim_disk_put(f->sim, newest, file, sizeof file);
    must_fail(open_copy(f->sim, &f->options, &crc, &fault), "the record at byte 1624 says so");
    fixture_free(f);
}

/* Files put under wrong names, from a newer program, or cut short. */
static void test_wrong_segments(void **state)
{
    struct fixture *f = fixture_new();
    struct segment_header newer = {.number = 4, .next_index = 4};
    struct sim_disk *copy;
    uint8_t file[4096];
    uint32_t crc;
    struct fault fault;

    (void)state;
    append(f, 1, 3, 1, 1000);
    append(f, 4, 5, 1, 1000); /* begins segment 3 */
    copy = sim_disk_clone(f->sim);
    sim_disk_get(copy, "0000000000000003.seg", file, 4096, 0);
    sim_disk_put(copy, "0000000000000004.seg", file, 4096);
    must_fail(open_copy(copy, &f->options, &crc, &fault), "another segment under its name");

    memset(file, 0, sizeof file); /* an empty one that begins with another index than 6 */
    newer.previous_end = 512 + 2 * (48 + 1000);
    segment_header_encode(&newer, file);
    sim_disk_put(copy, "0000000000000004.seg", file, 4096);
    must_fail(open_copy(copy, &f->options, &crc, &fault), "does not continue");

    file[8] = SEGMENT_VERSION + 1;
    newer.number = crc32c(0, file, SEGMENT_HEADER - 4);
    memcpy(file + SEGMENT_HEADER - 4, &newer.number, 4);
    sim_disk_put(copy, "0000000000000004.seg", file, 4096);
    must_fail(open_copy(copy, &f->options, &crc, &fault), "newer format");
    sim_disk_free(copy);

    copy = sim_disk_clone(f->sim);
    sim_disk_get(copy, "0000000000000002.seg", file, 2000, 0);
    sim_disk_put(copy, "0000000000000002.seg", file, 2000);
    must_fail(open_copy(copy, &f->options, &crc, &fault), "too short");
    sim_disk_free(copy);
    fixture_free(f);
}

/* log_read checks what it reads: it never hands out an entry that has changed. */
static void test_read_checks(void **state)
{
    struct fixture *f = fixture_new();
    struct log_entry entry;
    struct bytes data;
    struct fault fault;

    (void)state;
    append(f, 1, 2, 1, 40);
    bytes_init(&data);
    sim_disk_flip(f->sim, "0000000000000002.seg", 600 + 10, 1);
    must_fail(log_read(f->log, 2, &entry, &data, &fault), "can't be read back");
    must(log_read(f->log, 1, &entry, &data, &fault));
    sim_disk_flip(f->sim, "0000000000000002.seg", 512 + 50, 1);
    must_fail(log_read(f->log, 1, &entry, &data, &fault), "wrong checksum");
    bytes_release(&data);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte),      cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_manifest_proves), cmocka_unit_test(test_later_record_proves),
        cmocka_unit_test(test_wrong_segments),  cmocka_unit_test(test_read_checks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

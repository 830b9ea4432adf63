/* The store on a disk that is really full: a commit that finds no room changes nothing, gives back
 * what it took, and succeeds when there is room. On a small file system of its own, in a namespace
 * of mounts that ends with this process; without the right to mount it is skipped. */
#define _GNU_SOURCE 1 /* unshare */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "tests/unit/ledger_fixture.h"

enum { DISK_MIB = 8, MAP_BYTES = 256 << 20, VALUE = 1000, RECORDS = 2000 };

static uint64_t free_bytes(const char *folder)
{
    struct statvfs fs;

    assert_int_equal(statvfs(folder, &fs), 0);
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

struct disk {
    char folder[256];
    char ballast[300];
    struct store store;
    struct fault fault;
};

static int setup(void **state)
{
    struct disk *d = calloc(1, sizeof *d);
    char options[32];

    fixture_folder(d->folder);
    snprintf(d->ballast, sizeof d->ballast, "%s/ballast", d->folder);
    snprintf(options, sizeof options, "size=%dm", DISK_MIB);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", d->folder, "tmpfs", 0, options) != 0) {
        fixture_remove(d->folder);
        free(d);
        d = NULL; /* skipped */
    } else if (store_lmdb_open(&d->store, d->folder, MAP_BYTES, &d->fault) != 0) {
        return -1;
    }
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct disk *d = *state;

    if (d == NULL) {
        return 0;
    }
    d->store.close(d->store.impl);
    if (umount(d->folder) != 0) {
        return -1;
    }
    fixture_remove(d->folder);
    free(d);
    return 0;
}

static struct disk *disk_of(void **state)
{
    if (*state == NULL) {
        print_message("no right to mount a small file system: skipped\n");
        skip();
    }
    return *state;
}

/* RECORDS records of VALUE bytes, about 2.5 MiB of pages, named from `first` on. */
static int commit(struct disk *d, enum store_table table, unsigned first)
{
    static char keys[RECORDS][9], value[VALUE];
    static struct store_write writes[RECORDS];
    unsigned i;

    for (i = 0; i < RECORDS; i++) {
        snprintf(keys[i], sizeof keys[i], "%08u", (first + i) % 100000000);
        writes[i].table = table;
        writes[i].key = (struct slice){keys[i], 8};
        writes[i].value = (struct slice){value, sizeof value};
    }
    return d->store.commit(d->store.impl, writes, RECORDS, &d->fault);
}

static int get(struct disk *d, enum store_table table, const char *key)
{
    struct slice value;

    assert_int_equal(d->store.renew(d->store.impl, &d->fault), 0);
    return d->store.get(d->store.impl, table, slice_of(key), &value, &d->fault);
}

static void ballast(struct disk *d, uint64_t bytes)
{
    int fd = open(d->ballast, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)bytes), 0);
    close(fd);
}

static void test_no_room(void **state)
{
    struct disk *d = disk_of(state);
    uint64_t before;

    assert_int_equal(commit(d, TABLE_LEDGER, 1), 0);
    ballast(d, free_bytes(d->folder) - (1 << 20));
    before = free_bytes(d->folder);
    assert_int_equal(commit(d, TABLE_LEDGER, 1 + RECORDS), STORE_NO_ROOM);
    assert_non_null(strstr(d->fault.text, d->folder));
    assert_non_null(strstr(d->fault.text, "the disk is full"));
    assert_int_equal(free_bytes(d->folder), before);
    assert_int_equal(commit(d, TABLE_LEDGER, 1 + RECORDS), STORE_NO_ROOM);
    assert_int_equal(free_bytes(d->folder), before);
    assert_int_equal(get(d, TABLE_LEDGER, "00000001"), 1);
    assert_int_equal(get(d, TABLE_LEDGER, "00002001"), 0);

    assert_int_equal(unlink(d->ballast), 0);
    assert_int_equal(commit(d, TABLE_LEDGER, 1 + RECORDS), 0);
    assert_int_equal(get(d, TABLE_LEDGER, "00004000"), 1);
}

/* What a commit left to be folded waits for room, too, and is read all the while. */
static void test_no_room_to_fold(void **state)
{
    struct disk *d = disk_of(state);
    unsigned parts = 0;
    int rc;

    assert_int_equal(commit(d, TABLE_BALANCE, 1), 0);
    ballast(d, free_bytes(d->folder) - (1 << 20));
    do {
        parts++;
        rc = d->store.fold(d->store.impl, RECORDS / 20, &d->fault);
    } while (rc == 1);
    assert_int_equal(rc, STORE_NO_ROOM);
    assert_true(parts > 1);
    assert_non_null(strstr(d->fault.text, "the disk is full"));
    assert_int_equal(d->store.fold(d->store.impl, RECORDS / 20, &d->fault), STORE_NO_ROOM);
    assert_int_equal(get(d, TABLE_BALANCE, "00000001"), 1);
    assert_int_equal(get(d, TABLE_BALANCE, "00002000"), 1);
    assert_int_equal(get(d, TABLE_BALANCE, "00002001"), 0);

    assert_int_equal(unlink(d->ballast), 0);
    assert_int_equal(d->store.fold(d->store.impl, RECORDS, &d->fault), 1);
    assert_int_equal(d->store.fold(d->store.impl, RECORDS, &d->fault), 0);
    assert_int_equal(get(d, TABLE_BALANCE, "00000001"), 1);
    assert_int_equal(get(d, TABLE_BALANCE, "00002000"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_to_fold, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

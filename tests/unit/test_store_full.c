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

/* RECORDS records of VALUE bytes, about 2.5 MiB of pages, named from `first` on. */
static int commit(struct store *store, unsigned first, struct fault *fault)
{
    static char keys[RECORDS][9], value[VALUE];
    static struct store_write writes[RECORDS];
    unsigned i;

    for (i = 0; i < RECORDS; i++) {
        snprintf(keys[i], sizeof keys[i], "%08u", (first + i) % 100000000);
        writes[i].table = TABLE_LEDGER;
        writes[i].key = (struct slice){keys[i], 8};
        writes[i].value = (struct slice){value, sizeof value};
    }
    return store->commit(store->impl, writes, RECORDS, fault);
}

static void ballast(const char *path, uint64_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    assert_true(fd >= 0);
    assert_int_equal(posix_fallocate(fd, 0, (off_t)bytes), 0);
    close(fd);
}

static void test_no_room(void **state)
{
    char folder[256], options[32], path[300];
    struct store store;
    struct fault fault;
    struct slice value;
    uint64_t before;

    (void)state;
    fixture_folder(folder);
    snprintf(options, sizeof options, "size=%dm", DISK_MIB);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, options) != 0) {
        fixture_remove(folder);
        print_message("no right to mount a small file system: skipped\n");
        skip();
    }
    assert_int_equal(store_lmdb_open(&store, folder, MAP_BYTES, &fault), 0);
    assert_int_equal(commit(&store, 1, &fault), 0);
    snprintf(path, sizeof path, "%s/ballast", folder);
    ballast(path, free_bytes(folder) - (1 << 20));

    before = free_bytes(folder);
    assert_int_equal(commit(&store, 1 + RECORDS, &fault), STORE_NO_ROOM);
    assert_non_null(strstr(fault.text, folder));
    assert_non_null(strstr(fault.text, "the disk is full"));
    assert_int_equal(free_bytes(folder), before);
    assert_int_equal(commit(&store, 1 + RECORDS, &fault), STORE_NO_ROOM);
    assert_int_equal(free_bytes(folder), before);
    assert_int_equal(store.renew(store.impl, &fault), 0);
    assert_int_equal(store.get(store.impl, TABLE_LEDGER, slice_of("00000001"), &value, &fault), 1);
    assert_int_equal(store.get(store.impl, TABLE_LEDGER, slice_of("00002001"), &value, &fault), 0);

    assert_int_equal(unlink(path), 0);
    assert_int_equal(commit(&store, 1 + RECORDS, &fault), 0);
    assert_int_equal(store.renew(store.impl, &fault), 0);
    assert_int_equal(store.get(store.impl, TABLE_LEDGER, slice_of("00004000"), &value, &fault), 1);
    store.close(store.impl);
    assert_int_equal(umount(folder), 0);
    fixture_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_room)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

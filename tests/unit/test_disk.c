/* The POSIX disk in a temporary folder, and a whole log on it. */
#include "tests/unit/log_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[256];
    struct disk disk;
};

static int folder_setup(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    const char *tmp = getenv("TMPDIR");

    snprintf(f->path, sizeof f->path, "%s/florin-disk-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(disk_posix_open(&f->disk, f->path), 0);
    *state = f;
    return 0;
}

static void remove_one(void *context, const char *name)
{
    struct folder *f = context;

    f->disk.remove(f->disk.impl, name);
}

static int folder_teardown(void **state)
{
    struct folder *f = *state;

    f->disk.list(f->disk.impl, remove_one, f);
    f->disk.release(f->disk.impl);
    assert_int_equal(rmdir(f->path), 0);
    free(f);
    return 0;
}

static void join_name(void *context, const char *name)
{
    strcat(context, name);
    strcat(context, " ");
}

static void test_files(void **state)
{
    struct folder *f = *state;
    struct disk *d = &f->disk;
    char names[256] = "";
    char data[16] = "";
    int handle;

    assert_string_equal(d->where(d->impl), f->path);
    assert_int_equal(d->open(d->impl, "b", 0), -ENOENT);
    handle = d->open(d->impl, "b", 1);
    assert_true(handle >= 0);
    assert_int_equal(d->allocate(d->impl, handle, 8192), 0);
    assert_int_equal(d->size(d->impl, handle), 8192);
    assert_int_equal(d->allocate(d->impl, handle, 100), 0); /* never makes it smaller */
    assert_int_equal(d->size(d->impl, handle), 8192);
    assert_int_equal(d->write(d->impl, handle, "hello", 5, 8190), 5);
    assert_int_equal(d->size(d->impl, handle), 8195);
    assert_int_equal(d->read(d->impl, handle, data, sizeof data, 8188), 7);
    assert_memory_equal(data, "\0\0hello", 7);
    assert_int_equal(d->sync(d->impl, handle), 0);
    assert_int_equal(d->truncate(d->impl, handle, 10), 0);
    assert_int_equal(d->read(d->impl, handle, data, sizeof data, 10), 0);
    assert_int_equal(d->close(d->impl, handle), 0);
    assert_int_equal(d->close(d->impl, d->open(d->impl, "a", 1)), 0);
    assert_int_equal(d->rename(d->impl, "b", "c"), 0);
    assert_int_equal(d->sync_folder(d->impl), 0);
    assert_int_equal(d->list(d->impl, join_name, names), 0);
    assert_string_equal(names, "a c ");
    assert_int_equal(d->remove(d->impl, "a"), 0);
    assert_int_equal(d->remove(d->impl, "a"), -ENOENT);
}

static void test_refusals(void **state)
{
    struct folder *f = *state;
    struct disk *d = &f->disk;
    struct disk other;

    assert_int_equal(d->open(d->impl, "../x", 1), -EINVAL);
    assert_int_equal(d->open(d->impl, "", 1), -EINVAL);
    assert_int_equal(d->rename(d->impl, "a", "b/c"), -EINVAL);
    assert_int_equal(d->remove(d->impl, "x/y"), -EINVAL);
    assert_int_equal(d->size(d->impl, -1), -EBADF);
    assert_int_equal(disk_posix_open(&other, "/does/not/exist"), -ENOENT);
    assert_int_equal(disk_posix_open(&other, f->path), -EBUSY); /* one process, one time */
}

static void test_a_log(void **state)
{
    struct folder *f = *state;
    struct log_options options = {.segment_bytes = 1 << 16};
    struct log *log;
    struct fault fault;
    uint64_t i;

    must(log_format(&f->disk, &fixture_identity, NULL, &fault));
    must(log_open(&log, &f->disk, &fixture_identity, &options, NULL, &fault));
    for (i = 1; i <= 100; i++) {
        must(fixture_append(log, i, 1, 2000, &fault));
    }
    must(log_sync(log, &fault));
    must(log_set_vote(log, 2, 3, &fault));
    log_close(log);
    must(log_open(&log, &f->disk, &fixture_identity, &options, NULL, &fault));
    assert_int_equal(log_last_index(log), 100);
    assert_int_equal(log_vote(log), 3);
    for (i = 1; i <= 100; i++) {
        fixture_expect(log, i, 1, 2000);
    }
    log_close(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_refusals, folder_setup, folder_teardown),
        cmocka_unit_test_setup_teardown(test_a_log, folder_setup, folder_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

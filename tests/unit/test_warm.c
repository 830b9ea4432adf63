/* The state is read into memory at a start. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node/warm.h"

enum { FILE_BYTES = 24 << 20, PAGE_BYTES = 4096, PAGES = FILE_BYTES / PAGE_BYTES };

struct bench {
    char folder[64];
    char path[80];
    int fd;
    uv_loop_t loop;
};

static unsigned resident(const struct bench *b)
{
    static unsigned char pages[PAGES];
    void *map = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, b->fd, 0);
    unsigned i, n = 0;

    assert_true(map != MAP_FAILED);
    assert_int_equal(mincore(map, FILE_BYTES, pages), 0);
    munmap(map, FILE_BYTES);
    for (i = 0; i < PAGES; i++) {
        n += pages[i] & 1;
    }
    return n;
}

static int bench_open(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    static char data[1 << 20];
    int i;

    snprintf(b->folder, sizeof b->folder, "/tmp/florin-warm-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->path, sizeof b->path, "%s/data.mdb", b->folder);
    b->fd = open(b->path, O_RDWR | O_CREAT, 0600);
    assert_true(b->fd >= 0);
    for (i = 0; i < FILE_BYTES / (int)sizeof data; i++) {
        assert_int_equal(write(b->fd, data, sizeof data), sizeof data);
    }
    assert_int_equal(fsync(b->fd), 0);
    assert_int_equal(posix_fadvise(b->fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    *state = b;
    return 0;
}

static int bench_close(void **state)
{
    struct bench *b = *state;

    assert_int_equal(uv_loop_close(&b->loop), 0);
    close(b->fd);
    unlink(b->path);
    rmdir(b->folder);
    free(b);
    return 0;
}

static void test_the_file_comes_into_memory(void **state)
{
    struct bench *b = *state;
    struct warm warm;
    int tries;

    warm_start(&warm, &b->loop, b->folder, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(warm.bytes, FILE_BYTES);
    /* The reading itself goes on for a moment after it was asked for; and a system that is short of
     * memory reads less, or takes some back. Without us there would be nothing. */
    for (tries = 0; resident(b) < PAGES / 2; tries++) {
        assert_true(tries < 30000);
        usleep(1000);
    }
}

static void test_no_file_is_no_harm(void **state)
{
    struct bench *b = *state;
    struct warm warm;

    warm_start(&warm, &b->loop, "/nowhere", NULL);
    warm_stop(&warm);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(warm.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_file_comes_into_memory, bench_open, bench_close),
        cmocka_unit_test_setup_teardown(test_no_file_is_no_harm, bench_open, bench_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

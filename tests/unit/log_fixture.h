/* What the tests of the log share: a memory disk with a log on it, entries made from a seed, and
 * short calls that must succeed. */
#ifndef FLORIN_LOG_FIXTURE_H
#define FLORIN_LOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "consensus/log.h"
#include "consensus/manifest.h"
#include "tests/sim/sim_disk.h"

static const struct log_identity fixture_identity = {.cluster_id = "demo", .node_id = 2};

static inline uint64_t fixture_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The payload that entry (index, term, len) has in every test: bytes drawn from the three; every
 * fourth entry is zeros, as a padded command may be. */
static inline void fixture_payload(uint64_t index, uint64_t term, size_t len, uint8_t *data)
{
    uint64_t state = index * 1000003 + term * 7919 + len;
    size_t i;

    for (i = 0; i < len; i++) {
        data[i] = index % 4 == 3 ? 0 : (uint8_t)(fixture_random(&state) | 1);
    }
}

static inline int fixture_append(struct log *log, uint64_t index, uint64_t term, size_t len,
                                 struct fault *fault)
{
    uint8_t *data = malloc(len);
    struct log_entry entry = {index, term, LOG_COMMAND, data, len};
    int rv;

    fixture_payload(index, term, len, data);
    rv = log_append(log, &entry, 1, fault);
    free(data);
    return rv;
}

#define must(call)                                                                                 \
    do {                                                                                           \
        fault.text[0] = '\0';                                                                      \
        if ((call) != 0) {                                                                         \
            print_error("%s\n", fault.text);                                                       \
            fail_msg("%s", #call);                                                                 \
        }                                                                                          \
    } while (0)

/* Must fail, and the fault must hold `text`. */
#define must_fail(call, part)                                                                      \
    do {                                                                                           \
        fault.text[0] = '\0';                                                                      \
        assert_int_equal(call, -1);                                                                \
        if (strstr(fault.text, part) == NULL) {                                                    \
            fail_msg("\"%s\" does not say \"%s\"", fault.text, part);                              \
        }                                                                                          \
    } while (0)

/* Entry `index` must be there with this term and its payload. */
static inline void fixture_expect(struct log *log, uint64_t index, uint64_t term, size_t len)
{
    struct log_entry entry;
    struct fault fault;
    struct bytes data;
    uint8_t *expected = malloc(len);

    bytes_init(&data);
    must(log_read(log, index, &entry, &data, &fault));
    assert_int_equal(entry.index, index);
    assert_int_equal(entry.term, term);
    assert_int_equal(entry.type, LOG_COMMAND);
    assert_int_equal(entry.len, len);
    fixture_payload(index, term, len, expected);
    assert_memory_equal(entry.data, expected, len);
    bytes_release(&data);
    free(expected);
}

struct fixture {
    struct sim_disk *sim;
    struct disk disk;
    struct log_options options;
    struct log *log;
};

static inline int fixture_open(struct fixture *f, struct fault *fault)
{
    return log_open(&f->log, &f->disk, &fixture_identity, &f->options, NULL, fault);
}

/* A formatted, open, empty log with small segments. */
static inline struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct fault fault;

    f->sim = sim_disk_new();
    f->options.segment_bytes = 4096;
    sim_disk_interface(f->sim, &f->disk);
    must(log_format(&f->disk, &fixture_identity, NULL, &fault));
    must(fixture_open(f, &fault));
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    log_close(f->log);
    sim_disk_free(f->sim);
    free(f);
}

static inline void fixture_reopen(struct fixture *f)
{
    struct fault fault;

    log_close(f->log);
    must(fixture_open(f, &fault));
}

/* Power goes and comes back, the node starts again. */
static inline void fixture_crash(struct fixture *f, uint64_t seed)
{
    struct fault fault;

    log_close(f->log);
    f->log = NULL;
    sim_disk_crash(f->sim, seed);
    must(fixture_open(f, &fault));
}

#endif

/* What the tests of the machine share: a world with four players, and one line to apply or ask. */
#ifndef FLORIN_MACHINE_FIXTURE_H
#define FLORIN_MACHINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "statemachine/machine_private.h"
#include "tests/unit/ledger_fixture.h"

static const char *const players[] = {"alice", "bob", "carol", "dave"};
enum { PLAYERS = 4 };

static inline int setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);

    *state = f;
    fixture_open(f, 1);
    return fixture_world(f, players, PLAYERS);
}

static inline int teardown(void **state)
{
    fixture_close(*state);
    free(*state);
    return 0;
}

static inline void apply(struct fixture *f, struct command c)
{
    if (fixture_apply(f, &c) != 0) {
        fail_msg("%s", f->fault.text);
    }
}

/* Asks, and decodes the answer, which borrows from `out`. */
static inline struct answer ask(struct fixture *f, struct query q, struct bytes *out)
{
    struct answer a;
    struct bytes in;
    bool broken;

    bytes_init(&in);
    bytes_clear(out);
    query_encode(&q, &in);
    assert_int_equal(machine_query(f->machine, in.base, in.len, out, &broken, &f->fault), 0);
    assert_int_equal(answer_decode(out->base, out->len, &a, &f->fault), 0);
    bytes_release(&in);
    return a;
}

#endif

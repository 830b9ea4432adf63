/* Whom a node talks with, and what it believes of whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "consensus/roster.h"

/* A roster on a network that remembers. */
struct net {
    struct roster roster;
    uint64_t peers[ROSTER_PEERS_MAX];
    size_t n_peers;
    uint64_t up;      /* bits: connected */
    uint64_t refuses; /* bits: the queue is full */
    unsigned told[16];
    struct roster_news last; /* what was told last */
};

static bool send_frame(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct net *n = impl;
    struct fault fault;

    assert_int_equal(kind, FRAME_MEMBERS);
    if ((n->refuses >> peer & 1) != 0) {
        return false;
    }
    assert_int_equal(roster_news_decode(frame, &n->last, &fault), 0);
    n->told[peer]++;
    return true;
}

static bool connected(void *impl, uint64_t peer)
{
    return (((struct net *)impl)->up >> peer & 1) != 0;
}

static void set_peers(void *impl, const uint64_t *ids, const char *const *addresses, size_t n)
{
    struct net *net = impl;

    (void)addresses;
    memcpy(net->peers, ids, n * sizeof *ids);
    net->n_peers = n;
}

static bool holds_link(const struct net *n, uint64_t id)
{
    size_t i;

    for (i = 0; i < n->n_peers && n->peers[i] != id; i++) {
    }
    return i < n->n_peers;
}

static void init(struct net *n, uint64_t id)
{
    memset(n, 0, sizeof *n);
    roster_init(&n->roster, id, "127.0.0.1:99",
                (struct transport){n, send_frame, connected, set_peers}, NULL);
}

/* Ids as bits. */
static struct roster_list list(uint64_t ids)
{
    struct roster_list l = {.n = 0};
    uint64_t id;

    for (id = 1; id < 16; id++) {
        if ((ids >> id & 1) != 0) {
            l.list[l.n].id = id;
            snprintf(l.list[l.n].address, MEMBER_ADDRESS_MAX, "127.0.0.1:%u", (unsigned)id);
            l.n++;
        }
    }
    return l;
}

enum { B1 = 1 << 1, B2 = 1 << 2, B3 = 1 << 3, B4 = 1 << 4, B5 = 1 << 5 };

static void commit(struct net *n, uint64_t now_ms, uint64_t index, uint64_t ids)
{
    struct roster_list l = list(ids);

    roster_committed(&n->roster, index, &l);
    roster_current(&n->roster, &l);
    roster_tick(&n->roster, now_ms, true);
}

static void hear(struct net *n, uint64_t now_ms, uint64_t from, uint64_t index, uint64_t highest,
                 uint64_t ids)
{
    struct roster_news news = {index, highest, list(ids), "127.0.0.1:99"};
    struct bytes b;
    struct fault fault;

    bytes_init(&b);
    roster_news_encode(&news, &b);
    assert_int_equal(
        roster_heard(&n->roster, now_ms, from, (struct slice){(char *)b.base, b.len}, &fault), 0);
    bytes_release(&b);
    roster_tick(&n->roster, now_ms, true);
}

static void test_a_new_node_finds_the_others(void **state)
{
    struct net n;

    (void)state;
    init(&n, 4);
    n.up = B1;
    roster_tick(&n.roster, 1, false);
    assert_true(roster_knows(&n.roster, 1)); /* it can't judge yet */
    assert_int_equal(n.told[1], 0);          /* and knows nothing to tell */
    hear(&n, 10, 1, 7, 3, B1 | B2 | B3);     /* not added yet */
    assert_true(holds_link(&n, 1) && holds_link(&n, 2) && holds_link(&n, 3));
    assert_int_equal(n.roster.removed, 0);
    hear(&n, 20, 1, 9, 4, B1 | B2 | B3 | B4);
    assert_int_equal(n.roster.removed, 0);
    assert_int_equal(n.told[1], 2); /* each that was newer */
    commit(&n, 30, 9, B1 | B2 | B3 | B4);
    assert_int_equal(n.told[1], 2);
    assert_int_equal(n.last.index, 9);
    assert_false(roster_knows(&n.roster, 5));
}

static void test_an_id_that_is_passed_over_is_removed(void **state)
{
    struct net n;

    (void)state;
    init(&n, 4);
    hear(&n, 10, 1, 9, 5, B1 | B2 | B5);
    assert_int_equal(n.roster.removed, 9);
}

static void test_a_node_that_was_away_follows_newer_members(void **state)
{
    struct net n;

    (void)state;
    init(&n, 3);
    commit(&n, 1, 1, B1 | B2 | B3);
    assert_false(roster_knows(&n.roster, 4));
    hear(&n, 10, 4, 20, 5, B3 | B4 | B5);
    assert_true(roster_knows(&n.roster, 4) && roster_knows(&n.roster, 5));
    assert_true(holds_link(&n, 4) && holds_link(&n, 5) && holds_link(&n, 1));
    hear(&n, 20, 1, 15, 5, B1 | B3); /* older news change nothing */
    assert_true(roster_knows(&n.roster, 5));
    commit(&n, 30, 20, B3 | B4 | B5);
    assert_true(holds_link(&n, 1)); /* to be told, for a moment */
    roster_tick(&n.roster, 30 + 5000, true);
    assert_false(holds_link(&n, 1) || holds_link(&n, 2));
    assert_int_equal(n.roster.removed, 0);
}

static void test_a_removed_node_is_told(void **state)
{
    struct net n;
    struct net other;

    (void)state;
    init(&n, 1);
    n.up = B2 | B3;
    n.refuses = B3; /* at first */
    commit(&n, 1, 1, B1 | B2 | B3);
    commit(&n, 10, 5, B1 | B2);
    assert_int_equal(n.told[3], 0);
    n.refuses = 0;
    roster_tick(&n.roster, 20, true);
    assert_int_equal(n.told[3], 1);
    assert_false(roster_knows(&n.roster, 3));

    init(&other, 3);
    commit(&other, 1, 1, B1 | B2 | B3);
    hear(&other, 20, 1, n.last.index, n.last.highest, B1 | B2);
    assert_int_equal(other.roster.removed, 5);
}

/* It was off meanwhile, comes back and dials. */
static void test_a_removed_node_that_comes_back_is_told(void **state)
{
    struct net n;

    (void)state;
    init(&n, 1);
    commit(&n, 1, 1, B1 | B2 | B3);
    commit(&n, 10, 5, B1 | B2);
    roster_tick(&n.roster, 10000, true);
    assert_false(holds_link(&n, 3));
    hear(&n, 10010, 3, 1, 3, B1 | B2 | B3);
    assert_true(holds_link(&n, 3));
    assert_false(roster_knows(&n.roster, 3));
    n.up = B3;
    roster_link(&n.roster, 3, true);
    roster_tick(&n.roster, 10020, true);
    assert_int_equal(n.told[3], 1);
    roster_tick(&n.roster, 20000, true);
    assert_false(holds_link(&n, 3));
}

/* It was added and removed before its own log had heard of it. */
static void test_a_node_that_never_knew_itself_is_told(void **state)
{
    struct net n;

    (void)state;
    init(&n, 1);
    commit(&n, 1, 1, B1 | B2);
    commit(&n, 10, 5, B1 | B2 | B4);
    commit(&n, 20, 9, B1 | B2);
    roster_tick(&n.roster, 10000, true);
    hear(&n, 10010, 4, 1, 2, B1 | B2);
    assert_true(holds_link(&n, 4));
}

/* The one that looks for a leader tells again and again: whom it tells may have forgotten it. */
static void test_nobody_leads(void **state)
{
    struct net n;

    (void)state;
    init(&n, 3);
    n.up = B1;
    commit(&n, 1, 1, B1 | B2 | B3);
    assert_int_equal(n.told[1], 1);
    roster_tick(&n.roster, 500, false);
    assert_int_equal(n.told[1], 1);
    roster_tick(&n.roster, 1500, false);
    roster_tick(&n.roster, 1600, false);
    assert_int_equal(n.told[1], 2);
}

static void test_its_own_log_tells_a_node_that_it_is_removed(void **state)
{
    struct net n;

    (void)state;
    init(&n, 2);
    commit(&n, 1, 1, B1 | B3); /* history of before it was added: its id is below, but ... */
    assert_int_equal(n.roster.removed, 1);

    init(&n, 4);
    commit(&n, 1, 1, B1 | B3); /* ... ids only grow */
    commit(&n, 2, 5, B1 | B3 | B4);
    assert_int_equal(n.roster.removed, 0);
    commit(&n, 3, 9, B1 | B3);
    assert_int_equal(n.roster.removed, 9);
}

static void test_malformed_news(void **state)
{
    struct roster_news news = {7, 3, list(B1 | B2 | B3), "127.0.0.1:1"};
    struct roster_news got;
    struct bytes b;
    struct fault fault;
    size_t len;

    (void)state;
    bytes_init(&b);
    roster_news_encode(&news, &b);
    assert_int_equal(roster_news_decode((struct slice){(char *)b.base, b.len}, &got, &fault), 0);
    assert_int_equal(got.members.n, 3);
    assert_string_equal(got.members.list[2].address, "127.0.0.1:3");
    for (len = 0; len < b.len; len++) {
        assert_int_equal(roster_news_decode((struct slice){(char *)b.base, len}, &got, &fault), -1);
    }
    bytes_append_u8(&b, 0);
    assert_int_equal(roster_news_decode((struct slice){(char *)b.base, b.len}, &got, &fault), -1);
    b.base[0]++;
    assert_int_equal(roster_news_decode((struct slice){(char *)b.base, b.len - 1}, &got, &fault),
                     -1);
    assert_non_null(strstr(fault.text, "format"));
    news.highest = 2; /* below a member's */
    bytes_clear(&b);
    roster_news_encode(&news, &b);
    assert_int_equal(roster_news_decode((struct slice){(char *)b.base, b.len}, &got, &fault), -1);
    news.highest = 3;
    news.members.list[1].id = 1; /* twice */
    bytes_clear(&b);
    roster_news_encode(&news, &b);
    assert_int_equal(roster_news_decode((struct slice){(char *)b.base, b.len}, &got, &fault), -1);
    bytes_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_node_finds_the_others),
        cmocka_unit_test(test_an_id_that_is_passed_over_is_removed),
        cmocka_unit_test(test_a_node_that_was_away_follows_newer_members),
        cmocka_unit_test(test_a_removed_node_is_told),
        cmocka_unit_test(test_a_removed_node_that_comes_back_is_told),
        cmocka_unit_test(test_a_node_that_never_knew_itself_is_told),
        cmocka_unit_test(test_nobody_leads),
        cmocka_unit_test(test_its_own_log_tells_a_node_that_it_is_removed),
        cmocka_unit_test(test_malformed_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

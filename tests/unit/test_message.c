/* Raft messages as bytes: round trips, every truncation, and what no correct peer sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "consensus/log.h"
#include "consensus/message.h"

/* Copies to exactly len bytes, so that a sanitizer sees every byte read beyond them. */
static int decode(const struct bytes *b, size_t len, struct raft_message *m)
{
    struct fault fault;
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    int rv;

    assert_non_null(copy);
    if (len > 0) {
        memcpy(copy, b->base, len);
    }
    rv = message_decode(copy, len, m, &fault);
    free(copy);
    return rv;
}

/* What goes in comes out; every shorter one, and a longer one, is refused. */
static void round_trip(const struct raft_message *m, struct raft_message *out)
{
    struct bytes b;
    struct raft_message none;
    size_t len;

    bytes_init(&b);
    message_encode(m, &b);
    for (len = 0; len < b.len; len++) {
        assert_int_equal(decode(&b, len, &none), -1);
    }
    assert_int_equal(decode(&b, b.len, out), 0);
    assert_int_equal(out->type, m->type);
    bytes_append_u8(&b, 0);
    assert_int_equal(decode(&b, b.len, &none), -1);
    bytes_release(&b);
}

static void expect_refused(const struct raft_message *m)
{
    struct bytes b;
    struct raft_message none;

    bytes_init(&b);
    message_encode(m, &b);
    assert_int_equal(decode(&b, b.len, &none), -1);
    bytes_release(&b);
}

/* ---- append entries ---- */

static struct raft_message append_of(struct raft_entry *entries, unsigned n)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES};

    m.append_entries.term = 7;
    m.append_entries.prev_log_index = 10;
    m.append_entries.prev_log_term = 5;
    m.append_entries.leader_commit = 9;
    m.append_entries.entries = entries;
    m.append_entries.n_entries = n;
    return m;
}

static struct raft_entry entry_of(raft_term term, unsigned short type, void *data, size_t len)
{
    struct raft_entry e = {.term = term, .type = (enum raft_entry_type)type};

    e.buf.base = data;
    e.buf.len = len;
    return e;
}

static void test_append_entries(void **state)
{
    char first[16] = "first", second[8] = "second";
    struct raft_entry entries[2] = {entry_of(5, RAFT_COMMAND, first, 16),
                                    entry_of(7, RAFT_BARRIER, second, 8)};
    struct raft_message m = append_of(entries, 2), out;

    (void)state;
    round_trip(&m, &out);
    assert_int_equal(out.append_entries.term, 7);
    assert_int_equal(out.append_entries.prev_log_index, 10);
    assert_int_equal(out.append_entries.prev_log_term, 5);
    assert_int_equal(out.append_entries.leader_commit, 9);
    assert_int_equal(out.append_entries.n_entries, 2);
    assert_memory_equal(out.append_entries.entries[0].buf.base, first, 16);
    assert_memory_equal(out.append_entries.entries[1].buf.base, second, 8);
    assert_int_equal(out.append_entries.entries[1].type, RAFT_BARRIER);
    message_release(&out);
    m = append_of(NULL, 0);
    round_trip(&m, &out);
    message_release(&out);
}

static void test_append_entries_that_cannot_be(void **state)
{
    static uint8_t large[LOG_ENTRY_MAX + 8];
    char data[8] = "data";
    struct raft_entry e = entry_of(6, RAFT_COMMAND, data, 8);
    struct raft_entry back[2] = {entry_of(6, RAFT_COMMAND, data, 8),
                                 entry_of(5, RAFT_COMMAND, data, 8)};
    struct raft_message m;

    (void)state;
    m = append_of(back, 2); /* terms that go back */
    expect_refused(&m);
    m = append_of(&e, 1);
    e.term = 4; /* before the previous entry's */
    expect_refused(&m);
    e.term = 8; /* after the leader's */
    expect_refused(&m);
    e.term = 0;
    expect_refused(&m);
    e = entry_of(6, 4, data, 8); /* a type that nobody knows */
    expect_refused(&m);
    e = entry_of(6, RAFT_COMMAND, data, 7); /* the core wants eights */
    expect_refused(&m);
    e = entry_of(6, RAFT_COMMAND, data, 0);
    expect_refused(&m);
    e = entry_of(6, RAFT_COMMAND, large, sizeof large);
    expect_refused(&m);
    e = entry_of(6, RAFT_CHANGE, data, 8); /* no configuration */
    expect_refused(&m);
    m = append_of(NULL, 0);
    m.append_entries.term = 0;
    expect_refused(&m);
    m = append_of(NULL, 0);
    m.append_entries.prev_log_term = 0; /* an entry without a term */
    expect_refused(&m);
    m = append_of(NULL, 0);
    m.append_entries.prev_log_index = UINT64_MAX;
    expect_refused(&m);
}

static void test_an_absurd_count_takes_no_memory(void **state)
{
    struct raft_message m = append_of(NULL, 0), out;
    struct bytes b;

    (void)state;
    bytes_init(&b);
    message_encode(&m, &b);
    memset(b.base + b.len - 4, 0xff, 4);
    assert_int_equal(decode(&b, b.len, &out), -1);
    bytes_release(&b);
}

/* ---- the others ---- */

static void test_append_entries_result(void **state)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT}, out;

    (void)state;
    m.append_entries_result.term = 7;
    m.append_entries_result.rejected = 12;
    m.append_entries_result.last_log_index = 11;
    round_trip(&m, &out);
    assert_int_equal(out.append_entries_result.rejected, 12);
    assert_int_equal(out.append_entries_result.last_log_index, 11);
    m.append_entries_result.last_log_index = 12; /* it rejects what it says it has */
    expect_refused(&m);
    m.append_entries_result.last_log_index = UINT64_MAX;
    m.append_entries_result.rejected = 0;
    expect_refused(&m);
}

static void test_request_vote(void **state)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE}, out;

    (void)state;
    m.request_vote.term = 7;
    m.request_vote.candidate_id = 3;
    m.request_vote.last_log_index = 12;
    m.request_vote.last_log_term = 6;
    m.request_vote.pre_vote = true;
    round_trip(&m, &out);
    assert_true(out.request_vote.pre_vote);
    assert_false(out.request_vote.disrupt_leader);
    assert_int_equal(out.request_vote.last_log_index, 12);
    m.request_vote.candidate_id = 0;
    expect_refused(&m);
    m.request_vote.candidate_id = 3;
    m.request_vote.last_log_term = 8;
    expect_refused(&m);
}

static void test_request_vote_result(void **state)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE_RESULT}, out;

    (void)state;
    m.request_vote_result.term = 7;
    m.request_vote_result.vote_granted = true;
    round_trip(&m, &out);
    assert_true(out.request_vote_result.vote_granted);
    assert_false(out.request_vote_result.pre_vote);
    assert_int_equal(out.request_vote_result.version, 2);
    m.request_vote_result.term = UINT64_MAX;
    expect_refused(&m);
}

static void test_timeout_now(void **state)
{
    struct raft_message m = {.type = RAFT_TIMEOUT_NOW}, out;

    (void)state;
    m.timeout_now.term = 7;
    m.timeout_now.last_log_index = 12;
    m.timeout_now.last_log_term = 7;
    round_trip(&m, &out);
    assert_int_equal(out.timeout_now.last_log_index, 12);
    m.timeout_now.last_log_term = 8;
    expect_refused(&m);
}

/* ---- snapshots and configurations ---- */

static struct raft_message install_of(char *manifest, size_t len)
{
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT};
    struct raft_install_snapshot *i = &m.install_snapshot;

    i->term = 7;
    i->last_index = 20;
    i->last_term = 6;
    i->conf_index = 1;
    i->data.base = manifest;
    i->data.len = len;
    raft_configuration_init(&i->conf);
    assert_int_equal(raft_configuration_add(&i->conf, 1, "127.0.0.1:1", RAFT_VOTER), 0);
    assert_int_equal(raft_configuration_add(&i->conf, 2, "127.0.0.1:2", RAFT_SPARE), 0);
    return m;
}

static void test_install_snapshot(void **state)
{
    static char large[MESSAGE_MANIFEST_MAX + 1];
    char manifest[5] = "state";
    struct raft_message m = install_of(manifest, 5), out;

    (void)state;
    round_trip(&m, &out);
    assert_int_equal(out.install_snapshot.last_index, 20);
    assert_int_equal(out.install_snapshot.conf.n, 2);
    assert_int_equal(out.install_snapshot.conf.servers[1].role, RAFT_SPARE);
    assert_int_equal(out.install_snapshot.data.len, 5);
    assert_memory_equal(out.install_snapshot.data.base, manifest, 5);
    message_release(&out);
    m.install_snapshot.last_term = 8; /* after the leader's own */
    expect_refused(&m);
    m.install_snapshot.last_term = 6;
    m.install_snapshot.conf_index = 21; /* after the snapshot */
    expect_refused(&m);
    m.install_snapshot.conf_index = 1;
    m.install_snapshot.data.base = large;
    m.install_snapshot.data.len = sizeof large;
    expect_refused(&m);
    raft_configuration_close(&m.install_snapshot.conf);
}

static void test_configurations(void **state)
{
    struct raft_message m = install_of(NULL, 0);
    struct raft_buffer b;
    uint8_t *bytes;
    size_t len;

    (void)state;
    assert_int_equal(raft_configuration_encode(&m.install_snapshot.conf, &b), 0);
    bytes = b.base;
    assert_true(message_configuration_valid(bytes, b.len));
    for (len = 0; len < 42; len++) { /* 9 bytes, and twice 8 + 12 + 1; padding after that */
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, len);
        if (len < 9 + 2 * 21) {
            assert_false(message_configuration_valid(copy, len));
        }
        free(copy);
    }
    bytes[0] = 2;
    assert_false(message_configuration_valid(bytes, b.len));
    bytes[0] = 1;
    bytes[1] = MESSAGE_SERVERS_MAX + 1;
    assert_false(message_configuration_valid(bytes, b.len));
    bytes[1] = 0;
    assert_false(message_configuration_valid(bytes, b.len));
    bytes[1] = 2;
    memset(bytes + 9, 0, 8); /* id 0 */
    assert_false(message_configuration_valid(bytes, b.len));
    raft_free(b.base);
    raft_configuration_close(&m.install_snapshot.conf);
}

static void test_other_versions_and_types(void **state)
{
    struct raft_message out;
    struct bytes b;
    unsigned type;

    (void)state;
    bytes_init(&b);
    bytes_append_u8(&b, 2);
    bytes_append_u8(&b, RAFT_TIMEOUT_NOW);
    assert_int_equal(decode(&b, b.len, &out), -1);
    for (type = 0; type < 256; type++) {
        b.base[0] = 1;
        b.base[1] = (uint8_t)type;
        assert_int_equal(decode(&b, b.len, &out), -1); /* unknown, or cut short */
    }
    bytes_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_entries),
        cmocka_unit_test(test_append_entries_that_cannot_be),
        cmocka_unit_test(test_an_absurd_count_takes_no_memory),
        cmocka_unit_test(test_append_entries_result),
        cmocka_unit_test(test_request_vote),
        cmocka_unit_test(test_request_vote_result),
        cmocka_unit_test(test_timeout_now),
        cmocka_unit_test(test_install_snapshot),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_other_versions_and_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

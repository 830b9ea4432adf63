/* Hand-made histories: each anomaly is condemned by its name, and what is only unknown or
 * concurrent is not. */
#define _GNU_SOURCE 1 /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "jepsen/report.h"
#include "tests/unit/jepsen_judge.h"

static void unknowns_and_repeats_are_fine(void **state)
{
    struct rig *g = *state;
    uint64_t seq;

    rig_ask(g, 1, 1, "bet", "applied-unseen", "p0", 100);
    rig_ask(g, 2, 2, "bet", "never-applied", "p0", 200);
    rig_ask(g, 3, 3, "bet", "no-end", "p1", 300);
    rig_line(g, 1, "info", "bet", ":node 1 :error \"timeout\"");
    rig_line(g, 2, "info", "bet", ":node 2 :error \"outcome_unknown\"");
    rig_do(g, "win", COMMAND_WIN, "w0", "p0", 50);
    rig_ask_balance(g, 4, "p0");
    rig_show_balance(g, 4, 10050);
    /* Applied long after its client gave up; then asked again. */
    seq = rig_entry(g, COMMAND_BET, "applied-unseen", "p0", 100);
    rig_ask_balance(g, 4, "p0");
    rig_show_balance(g, 4, 9950);
    rig_ask(g, 5, 2, "bet", "applied-unseen", "p0", 100);
    rig_ok(g, 5, 2, "bet", seq, true, ":balance-now \"99.50\"");
    rig_entry(g, COMMAND_BET, "no-end", "p1", 300);
    /* Refused for good, and in the ledger; an id that is taken; no leader. */
    rig_ask(g, 5, 1, "bet", "too-much", "p0", 99999999);
    seq = rig_entry(g, COMMAND_BET, "too-much", "p0", 99999999);
    rig_ok(g, 5, 1, "bet", seq, false, "");
    rig_ask(g, 5, 1, "bet", "w0", "p0", 50);
    rig_line(g, 5, "fail", "bet", ":node 1 :error \"idempotency_conflict\" :fields [\"type\"]");
    rig_ask(g, 5, 1, "bet", "later", "p0", 50);
    rig_line(g, 5, "fail", "bet", ":node 1 :error \"unavailable\"");
    rig_do(g, "bet", COMMAND_BET, "later", "p0", 50);
    rig_finish(g);
    clean(g);
}

/* The end of a withdrawal names no player: whose balance comes with a repeat, the ledger knows. */
static void a_repeated_confirmation(void **state)
{
    struct rig *g = *state;

    rig_line(g, 1, "invoke", "withdraw",
             ":node 1 :provider \"bank\" :id \"wd\" :player \"p0\" :currency \"EUR\" :amount "
             "\"5.00\" :gateway \"bank\"");
    rig_ok(g, 1, 1, "withdraw", rig_withdraw(g, COMMAND_WITHDRAW, "wd", "p0", 500), false, "");
    for (int i = 0; i < 2; i++) {
        rig_line(g, 1, "invoke", "confirm", ":node 1 :provider \"bank\" :original \"wd\"");
        if (i == 0) {
            rig_withdraw(g, COMMAND_WITHDRAW_CONFIRM, "wd", "p0", 500);
        }
        rig_ok(g, 1, 1, "confirm", g->seq, i > 0, i > 0 ? ":balance-now \"95.00\"" : "");
    }
    rig_finish(g);
    clean(g);
}

/* A read at the same time as a bet may see it or not; but not first the new, then the old. */
static void concurrent_reads(struct rig *g, int64_t first, int64_t second)
{
    uint64_t seq;

    rig_ask(g, 1, 1, "bet", "b", "p0", 1000);
    seq = rig_entry(g, COMMAND_BET, "b", "p0", 1000);
    rig_ask_balance(g, 2, "p0");
    rig_show_balance(g, 2, first);
    rig_ask_balance(g, 3, "p0");
    rig_show_balance(g, 3, second);
    rig_ok(g, 1, 1, "bet", seq, false, "");
    rig_finish(g);
}

static void reads_at_the_same_time(void **state)
{
    concurrent_reads(*state, 10000, 9000);
    clean(*state);
}

static void a_read_goes_back(void **state)
{
    concurrent_reads(*state, 9000, 10000);
    condemned(*state, NULL, ANOMALY_STALE_READ, 2, "at node 2 by process 3");
}

static void a_stale_read(void **state)
{
    rig_do(*state, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_ask_balance(*state, 2, "p0");
    rig_show_balance(*state, 2, 10000);
    rig_finish(*state);
    condemned(*state, NULL, ANOMALY_STALE_READ, 2, "over with seq 3");
}

/* Whoever asks for no more than a node's own state may get an old one. */
static void a_read_that_may_be_stale(void **state)
{
    struct rig *g = *state;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 2, "invoke", "balance", ":node 2 :player \"p0\" :currency \"EUR\" :stale true");
    rig_show_balance(g, 2, 10000);
    rig_finish(g);
    clean(g);
}

static void a_read_of_what_was_not_asked(void **state)
{
    rig_ask_balance(*state, 2, "p0");
    rig_show_balance(*state, 2, 9000);
    rig_do(*state, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_finish(*state);
    condemned(*state, NULL, ANOMALY_FUTURE_READ, 2, "only with seq 3");
}

static void a_read_of_what_never_was(void **state)
{
    rig_ask_balance(*state, 2, "p0");
    rig_show_balance(*state, 2, 12345);
    rig_finish(*state);
    condemned(*state, NULL, ANOMALY_IMPOSSIBLE_READ, 1, "shown as 123.45, which it never was");
}

static void a_transaction_that_is_not_found(void **state)
{
    struct rig *g = *state;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 2, "invoke", "transaction", ":node 2 :provider \"demo\" :id \"b\"");
    rig_line(g, 2, "ok", "transaction", ":node 2 :outcome \"unknown_transaction\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_STALE_READ, 2, "was known, and then not found");
}

static void a_page_that_ends_too_early(void **state)
{
    struct rig *g = *state;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 2, "invoke", "ledger", ":node 2 :from 1 :limit 10");
    rig_line(g, 2, "ok", "ledger", ":node 2 :count 2 :last 2 :hash \"%s\"", rig_answer(g, 2)->hash);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_STALE_READ, 2, "to end with seq 2, and seq 3 was known");
}

static void a_page_of_another_ledger(void **state)
{
    struct rig *g = *state;

    rig_line(g, 2, "invoke", "ledger", ":node 2 :from 1 :limit 2");
    rig_line(g, 2, "ok", "ledger", ":node 2 :count 2 :last 2 :hash \"%s\"", rig_answer(g, 1)->hash);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_ANSWER, 1, "otherwise than the ledger has it");
}

static void a_repeat_with_an_old_balance(void **state)
{
    struct rig *g = *state;
    uint64_t seq = rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);

    rig_do(g, "win", COMMAND_WIN, "w", "p0", 500);
    rig_ask(g, 1, 2, "bet", "b", "p0", 1000);
    rig_ok(g, 1, 2, "bet", seq, true, ":balance-now \"90.00\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_STALE_READ, 2, "over with seq 4");
}

static void a_lost_bet(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 1, "bet", "gone", "p0", 1000);
    rig_line(g, 1, "ok", "bet", ":node 1 :seq 3 :amount \"10.00\" :balance \"90.00\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_LOST, 1, "bet gone of demo was acknowledged");
}

static void a_double_win(void **state)
{
    struct rig *g = *state;

    rig_do(g, "win", COMMAND_WIN, "w", "p0", 1000);
    rig_entry(g, COMMAND_WIN, "w", "p0", 1000);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_DECIDED_TWICE, 1, "w of demo is in the ledger twice");
}

static void an_original_given_back_twice(void **state)
{
    struct rig *g = *state;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    for (int i = 1; i <= 2; i++) {
        char id[8];
        uint64_t seq;

        snprintf(id, sizeof id, "r%d", i);
        rig_line(g, i, "invoke", "rollback",
                 ":node 1 :provider \"demo\" :id \"%s\" :player \"p0\" :currency \"EUR\" "
                 ":original \"b\"",
                 id);
        seq = rig_entry_skewed(g, COMMAND_ROLLBACK, id, "p0", 1000, "b", 0);
        rig_ok(g, i, 1, "rollback", seq, false, "");
    }
    rig_finish(g);
    condemned(g, NULL, ANOMALY_DECIDED_TWICE, 0, "b of demo was given back twice");
}

static void two_answers_to_one_id(void **state)
{
    struct rig *g = *state;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_ask(g, 1, 2, "bet", "b", "p0", 1000);
    rig_line(g, 1, "ok", "bet",
             ":node 2 :seq 3 :amount \"10.00\" :balance \"80.00\" :replayed true");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_CONFLICTING, 2, "was answered in two ways");
}

static void two_firsts_of_one_id(void **state)
{
    struct rig *g = *state;
    uint64_t seq = rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);

    rig_ask(g, 1, 2, "bet", "b", "p0", 1000);
    rig_ok(g, 1, 2, "bet", seq, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_CONFLICTING, 2, "twice as if it were the first time");
}

static void an_answer_that_the_ledger_has_not(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 2, "bet", "b", "p0", 1000);
    rig_entry(g, COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 1, "ok", "bet", ":node 2 :seq 3 :amount \"10.00\" :balance \"80.00\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_ANSWER, 1, "was answered another balance");
}

static void another_content_acknowledged(void **state)
{
    struct rig *g = *state;
    uint64_t seq = rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);

    rig_ask(g, 1, 2, "bet", "b", "p0", 1001);
    rig_ok(g, 1, 2, "bet", seq, true, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_CONTENT, 2, "something else under that id");
}

static void a_conflict_with_itself(void **state)
{
    struct rig *g = *state;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_ask(g, 1, 2, "bet", "b", "p0", 1000);
    rig_line(g, 1, "fail", "bet", ":node 2 :error \"idempotency_conflict\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_CONFLICT, 1, "with the same content");
}

static void a_conflict_with_nothing(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 2, "bet", "b", "p0", 1000);
    rig_line(g, 1, "fail", "bet", ":node 2 :error \"idempotency_conflict\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_CONFLICT, 1, "what is not in the ledger");
}

static void a_failure_that_was_none(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 2, "bet", "b", "p0", 1000);
    rig_line(g, 1, "fail", "bet", ":node 2 :error \"unavailable\"");
    rig_entry(g, COMMAND_BET, "b", "p0", 1000);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_FAILED_APPLIED, 1, "certainly not applied");
}

static void a_phantom(void **state)
{
    rig_entry(*state, COMMAND_WIN, "from-nowhere", "p0", 1000);
    rig_finish(*state);
    condemned(*state, NULL, ANOMALY_PHANTOM, 0, "win from-nowhere of demo");
}

static void bets_in_the_wrong_order(void **state)
{
    struct rig *g = *state;
    uint64_t early, late;

    late = rig_entry(g, COMMAND_BET, "late", "p1", 200);
    early = rig_entry(g, COMMAND_BET, "early", "p0", 100);
    rig_ask(g, 1, 1, "bet", "early", "p0", 100);
    rig_ok(g, 1, 1, "bet", early, false, "");
    rig_ask(g, 2, 2, "bet", "late", "p1", 200);
    rig_ok(g, 2, 2, "bet", late, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_REORDERED, 2, "seq 4 was known before seq 3");
}

static void ask_atomic(struct rig *g)
{
    rig_line(g, 1, "invoke", "atomic",
             ":node 1 :provider \"demo\" :id \"a\" :player \"p0\" :currency \"EUR\" "
             ":items [{:type :bet :id \"a1\" :amount \"1.00\"} {:type :win :id \"a2\" :amount "
             "\"2.00\"}]");
}

static void an_atomic_call(void **state)
{
    struct rig *g = *state;

    ask_atomic(g);
    rig_entry(g, COMMAND_BET, "a1", "p0", 100);
    rig_entry(g, COMMAND_WIN, "a2", "p0", 200);
    rig_line(g, 1, "ok", "atomic",
             ":node 1 :transactions [{:seq 3 :balance \"99.00\"} {:seq 4 :balance \"101.00\"}]");
    rig_finish(g);
    clean(g);
}

static void half_an_atomic_call(void **state)
{
    struct rig *g = *state;

    ask_atomic(g);
    rig_entry(g, COMMAND_BET, "a1", "p0", 100);
    rig_line(g, 1, "info", "atomic", ":node 1 :error \"timeout\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_TORN, 1, "of the 2 items of an atomic call 1");
}

static void an_atomic_call_in_pieces(void **state)
{
    struct rig *g = *state;

    ask_atomic(g);
    rig_entry(g, COMMAND_BET, "a1", "p0", 100);
    rig_do(g, "win", COMMAND_WIN, "between", "p0", 1);
    rig_entry(g, COMMAND_WIN, "a2", "p0", 200);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_TORN, 1, "but not in a row");
}

/* One digit of the ledger's text. */
static void a_broken_chain(void **state)
{
    struct rig *g = *state;
    char *amount;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 0, "invoke", "bet", ":node 1 :provider \"demo\" :id \"x\" :player \"p0\"");
    rig_finish(g);
    amount = memmem(g->ledger.base, g->ledger.len, "\"amount\":\"10.00\"", 16);
    assert_non_null(amount);
    amount[10] = '2'; /* the record says 20.00, its hash is 10.00's */
    {
        struct judged j;

        judge(&j, g, NULL);
        assert_int_equal(check_smallest(&j.c)->kind, ANOMALY_BROKEN_CHAIN);
        assert_int_equal(j.c.counts[ANOMALY_BROKEN_CHAIN], 1);
        judged_release(&j);
    }
}

/* An entry that reads like one and can't be a record: the checker says so and lives. */
static void an_entry_that_no_node_wrote(void **state)
{
    struct rig *g = *state;
    const char *at = "\"amount\":\"100.00\"";
    struct judged j;
    char *amount;

    rig_finish(g);
    amount = memmem(g->ledger.base, g->ledger.len, at, strlen(at));
    assert_non_null(amount);
    memcpy(amount, "\"amount\":\"-10.00\"", strlen(at));
    judge(&j, g, NULL);
    assert_int_equal(check_smallest(&j.c)->kind, ANOMALY_BROKEN_CHAIN);
    assert_non_null(strstr(check_smallest(&j.c)->text.text, "node 1: line 1: "));
    judged_release(&j);
}

static void a_gap_in_the_ledger(void **state)
{
    struct rig *g = *state;

    g->seq++;
    bytes_append(&g->answers, &(struct rig_answer){0}, sizeof(struct rig_answer));
    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_finish(g);
    {
        struct judged j;

        judge(&j, g, NULL);
        assert_int_equal(check_smallest(&j.c)->kind, ANOMALY_BROKEN_CHAIN);
        assert_non_null(strstr(check_smallest(&j.c)->text.text, "seq 4 where 3 was expected"));
        judged_release(&j);
    }
}

static void books_that_do_not_balance(void **state)
{
    struct rig *g = *state;
    uint64_t seq;

    rig_ask(g, 1, 1, "win", "w", "p0", 1000);
    seq = rig_entry_skewed(g, COMMAND_WIN, "w", "p0", 1000, NULL, 1);
    rig_ok(g, 1, 1, "win", seq, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_BOOKS, 0, "states 110.01 for player:p0, the replay has 110.00");
}

static void ledgers_that_differ(void **state)
{
    struct rig *g = *state;
    struct bytes copy;

    rig_finish(g);
    bytes_init(&copy);
    bytes_append(&copy, g->ledger.base, g->ledger.len);
    copy.base[copy.len - 4] ^= 1;
    condemned(g, &copy, ANOMALY_LEDGERS_DIFFER, 0, "node 1 and node 2 differ first at entry 5");
    copy.len -= 100;
    while (copy.base[copy.len - 1] != '\n') {
        copy.len--; /* a node that lags */
    }
    condemned(g, &copy, ANOMALY_LEDGERS_DIFFER, 0, "differ first at entry 5");
    bytes_release(&copy);
}

static void a_node_that_stays_dead(void **state)
{
    struct rig *g = *state;

    rig_finish(g);
    rig_line(g, -1, "info", "start-kill", ":nodes [3]");
    rig_line(g, -1, "info", "stop-kill", ":nodes [3]");
    rig_line(g, -1, "info", "healed", ":nodes [1 3] :within-ms 5");
    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    g->time_ns += 3000000;
    rig_ask(g, 1, 3, "bet", "slow", "p0", 1);
    rig_ok(g, 1, 3, "bet", rig_entry(g, COMMAND_BET, "slow", "p0", 1), false, "");
    condemned(g, NULL, ANOMALY_NOT_LIVE, 0, "node 3 acknowledged no money within 5 ms");
}

static void nobody_waited(void **state)
{
    condemned(*state, NULL, ANOMALY_NOT_LIVE, 0, "no :healed");
}

static void figures(void **state)
{
    struct rig *g = *state;
    struct judged j;
    struct stats s;

    rig_line(g, -1, "info", "leader", ":node 1 :term 2");
    rig_line(g, -1, "info", "start-kill", ":nodes [1]");
    g->time_ns += 2000000000;
    rig_line(g, -1, "info", "leader", ":node 2 :term 3");
    rig_line(g, -1, "info", "stop-kill", ":nodes [1]");
    rig_ask(g, 7, 2, "bet", "x", "p0", 1);
    rig_line(g, 7, "info", "bet", ":error \"timeout\"");
    rig_finish(g);
    judge(&j, g, NULL);
    stats_count(&s, &j.h);
    assert_int_equal(s.by_fn[FN_DEPOSIT][END_OK], 2);
    assert_int_equal(s.total[END_UNKNOWN], 1);
    assert_int_equal(s.elections, 1);
    assert_int_equal(s.faults, 1);
    assert_int_equal(s.gap_ns, 2000000000 + 9 * 1000000); /* one a line */
    assert_int_equal(s.p50_ns, 1000000);
    judged_release(&j);
}

static bool page_has(struct bytes *page, const char *words)
{
    return memmem(page->base, page->len, words, strlen(words)) != NULL;
}

/* The page says what the checker found, needs nothing from elsewhere, and text of the history can't
 * become a part of it. */
static void the_report(void **state)
{
    struct rig *g = *state;
    struct bytes page;
    struct judged j;
    struct stats s;

    rig_line(g, -1, "info", "start-kill", ":nodes [1] :what \"</title><b>1 \\\"leads\\\"\"");
    rig_line(g, -1, "info", "leader", ":node 2 :term 3");
    rig_ask(g, 1, 1, "bet", "gone", "p0", 1000);
    rig_line(g, 1, "ok", "bet", ":node 1 :seq 3");
    rig_finish(g);
    judge(&j, g, NULL);
    stats_count(&s, &j.h);
    bytes_init(&page);
    report_render(&j.c, &s, &page);
    assert_true(page_has(&page, ">FAILED</div>"));
    assert_true(page_has(&page, "lost: bet gone of demo was acknowledged"));
    assert_true(page_has(&page, "&lt;/title>&lt;b>1 &quot;leads&quot;"));
    assert_true(page_has(&page, "term 3: node 2 leads"));
    assert_false(page_has(&page, "</title><b>"));
    assert_false(page_has(&page, "http"));
    bytes_release(&page);
    judged_release(&j);
}

/* Many clients at once, answers that never come: nothing is found that is not there. */
static void a_generated_history(void **state)
{
    struct rig g;

    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rig_open(&g);
        rig_generate(&g, 2000, 1 + (int)seed * 2, seed);
        clean(&g);
        rig_close(&g);
    }
}

int main(void)
{
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(unknowns_and_repeats_are_fine),
        RIG_TEST(a_repeated_confirmation),
        RIG_TEST(reads_at_the_same_time),
        RIG_TEST(a_read_goes_back),
        RIG_TEST(a_stale_read),
        RIG_TEST(a_read_that_may_be_stale),
        RIG_TEST(a_read_of_what_was_not_asked),
        RIG_TEST(a_read_of_what_never_was),
        RIG_TEST(a_transaction_that_is_not_found),
        RIG_TEST(a_page_that_ends_too_early),
        RIG_TEST(a_page_of_another_ledger),
        RIG_TEST(a_repeat_with_an_old_balance),
        RIG_TEST(a_lost_bet),
        RIG_TEST(a_double_win),
        RIG_TEST(an_original_given_back_twice),
        RIG_TEST(two_answers_to_one_id),
        RIG_TEST(two_firsts_of_one_id),
        RIG_TEST(an_answer_that_the_ledger_has_not),
        RIG_TEST(another_content_acknowledged),
        RIG_TEST(a_conflict_with_itself),
        RIG_TEST(a_conflict_with_nothing),
        RIG_TEST(a_failure_that_was_none),
        RIG_TEST(a_phantom),
        RIG_TEST(bets_in_the_wrong_order),
        RIG_TEST(an_atomic_call),
        RIG_TEST(half_an_atomic_call),
        RIG_TEST(an_atomic_call_in_pieces),
        RIG_TEST(a_broken_chain),
        RIG_TEST(an_entry_that_no_node_wrote),
        RIG_TEST(a_gap_in_the_ledger),
        RIG_TEST(books_that_do_not_balance),
        RIG_TEST(ledgers_that_differ),
        RIG_TEST(a_node_that_stays_dead),
        RIG_TEST(nobody_waited),
        RIG_TEST(figures),
        RIG_TEST(the_report),
        cmocka_unit_test(a_generated_history),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

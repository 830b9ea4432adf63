/* Hand-made histories whose ledger is in order, and whose answers fit it, but which no right
 * cluster gives: rules broken by every node alike, and what only the order of several answers
 * shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/jepsen_judge.h"

/* ---- rules ---- */

static uint64_t do_rollback(struct rig *g, const char *id, const char *original, int64_t minor)
{
    uint64_t seq;

    rig_line(g, 1, "invoke", "rollback",
             ":node 1 :provider \"demo\" :id \"%s\" :player \"p0\" :currency \"EUR\" "
             ":original \"%s\"",
             id, original);
    seq = rig_entry_skewed(g, COMMAND_ROLLBACK, id, "p0", minor, original, 0);
    rig_ok(g, 1, 1, "rollback", seq, false, "");
    return seq;
}

static void a_bet_is_given_back(void **state)
{
    rig_do(*state, "bet", COMMAND_BET, "b", "p0", 1000);
    do_rollback(*state, "r1", "b", 1000);
    do_rollback(*state, "r2", "b", 0); /* once is enough */
    rig_finish(*state);
    clean(*state);
}

static void a_bet_that_still_counts(void **state)
{
    rig_do(*state, "bet", COMMAND_BET, "b", "p0", 1000);
    do_rollback(*state, "r", "b", 0);
    rig_finish(*state);
    condemned(*state, NULL, ANOMALY_BROKEN_RULE, 0, "its original still counts");
}

static void half_a_bet_given_back(void **state)
{
    rig_do(*state, "bet", COMMAND_BET, "b", "p0", 1000);
    do_rollback(*state, "r", "b", 500);
    rig_finish(*state);
    condemned(*state, NULL, ANOMALY_BROKEN_RULE, 0, "its original still counts");
}

static void a_bet_behind_its_rollback(void **state)
{
    struct rig *g = *state;
    uint64_t seq;

    rig_line(g, 1, "invoke", "rollback",
             ":node 1 :provider \"demo\" :id \"r\" :player \"p0\" :currency \"EUR\" "
             ":original \"b\"");
    seq = rig_entry_decided(g, COMMAND_ROLLBACK, "r", "p0", 0, "b", VERDICT_TOMBSTONE);
    rig_ok(g, 1, 1, "rollback", seq, false, "");
    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_BROKEN_RULE, 0, "its rollback had come before");
}

static void a_tombstone_of_what_was_there(void **state)
{
    struct rig *g = *state;
    uint64_t seq;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 1, "invoke", "rollback",
             ":node 1 :provider \"demo\" :id \"r\" :player \"p0\" :currency \"EUR\" "
             ":original \"b\"");
    seq = rig_entry_decided(g, COMMAND_ROLLBACK, "r", "p0", 0, "b", VERDICT_TOMBSTONE);
    rig_ok(g, 1, 1, "rollback", seq, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_BROKEN_RULE, 0, "its original was there");
}

static void a_bet_refused_for_nothing(void **state)
{
    struct rig *g = *state;
    uint64_t seq;

    rig_ask(g, 1, 1, "bet", "b", "p0", 1000);
    seq = rig_entry_decided(g, COMMAND_BET, "b", "p0", 1000, NULL, VERDICT_INSUFFICIENT_FUNDS);
    rig_ok(g, 1, 1, "bet", seq, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_BROKEN_RULE, 0, "that much was available");
}

/* A round is closed, then a bet in it is decided so. */
static void bet_too_late(struct rig *g, enum verdict verdict, bool closed)
{
    if (closed) {
        rig_line(g, 1, "invoke", "close",
                 ":node 1 :provider \"demo\" :id \"c\" :player \"p0\" :round \"r\"");
        rig_ok(g, 1, 1, "close",
               rig_entry_odd(g, COMMAND_ROUND_CLOSE, "c", "p0", 0, (struct rig_odd){.round = "r"}),
               false, "");
    }
    rig_line(g, 1, "invoke", "bet",
             ":node 1 :provider \"demo\" :id \"b\" :player \"p0\" :currency \"EUR\" "
             ":amount \"1.00\" :round \"r\"");
    rig_ok(g, 1, 1, "bet",
           rig_entry_odd(g, COMMAND_BET, "b", "p0", 100,
                         (struct rig_odd){.verdict = verdict, .round = "r"}),
           false, "");
    rig_finish(g);
}

static void a_bet_of_a_closed_round(void **state)
{
    bet_too_late(*state, VERDICT_APPLIED, true);
    condemned(*state, NULL, ANOMALY_BROKEN_RULE, 0, "its round was closed");
}

static void a_bet_refused_for_an_open_round(void **state)
{
    bet_too_late(*state, VERDICT_ROUND_CLOSED, false);
    condemned(*state, NULL, ANOMALY_BROKEN_RULE, 0, "its round was open");
}

static void a_bet_that_is_rightly_too_late(void **state)
{
    bet_too_late(*state, VERDICT_ROUND_CLOSED, true);
    clean(*state);
}

static void ask_withdraw(struct rig *g, const char *amount)
{
    rig_line(g, 1, "invoke", "withdraw",
             ":node 1 :provider \"bank\" :id \"wd\" :player \"p0\" :currency \"EUR\" :amount "
             "\"%s\" :gateway \"bank\"",
             amount);
    rig_ok(g, 1, 1, "withdraw", rig_withdraw(g, COMMAND_WITHDRAW, "wd", "p0", 9000), false, "");
}

static void a_bet_with_held_money(void **state)
{
    ask_withdraw(*state, "90.00");
    rig_do(*state, "bet", COMMAND_BET, "b", "p0", 1001);
    rig_finish(*state);
    condemned(*state, NULL, ANOMALY_BROKEN_RULE, 0, "less than that was available");
}

static void a_withdrawal_that_is_not_found(void **state)
{
    struct rig *g = *state;

    ask_withdraw(g, "90.00");
    rig_line(g, 1, "invoke", "confirm", ":node 2 :provider \"bank\" :original \"wd\"");
    rig_line(g, 1, "fail", "confirm", ":node 2 :error \"unknown_transaction\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_REFUSAL, 2, "nobody had withdrawn it");
}

static void a_withdrawal_that_nothing_ended(void **state)
{
    struct rig *g = *state;

    ask_withdraw(g, "90.00");
    rig_line(g, 1, "invoke", "confirm", ":node 2 :provider \"bank\" :original \"wd\"");
    rig_line(g, 1, "fail", "confirm", ":node 2 :error \"hold_closed\"");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_REFUSAL, 2, "nothing had ended it");
}

/* ---- whose answer? ---- */

static void a_read_of_another_id(void **state)
{
    struct rig *g = *state;
    uint64_t seq;

    rig_do(g, "bet", COMMAND_BET, "b1", "p0", 1000);
    seq = rig_do(g, "bet", COMMAND_BET, "b2", "p0", 1000);
    rig_line(g, 2, "invoke", "transaction", ":node 2 :provider \"demo\" :id \"b1\"");
    rig_line(g, 2, "ok", "transaction", ":node 2 :seq %" PRIu64 " :hash \"%s\"", seq,
             rig_answer(g, seq)->hash);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_ANSWER, 1, "otherwise than the ledger has it");
}

static void an_answer_of_another_id(void **state)
{
    struct rig *g = *state;
    uint64_t first = rig_do(g, "bet", COMMAND_BET, "b1", "p0", 1000);

    rig_ask(g, 1, 2, "bet", "b2", "p0", 1000);
    rig_entry(g, COMMAND_BET, "b2", "p0", 1000);
    rig_ok(g, 1, 2, "bet", first, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_ANSWER, 1, "was answered another seq");
}

static void one_id_with_two_seqs(void **state)
{
    struct rig *g = *state;
    uint64_t first, second;

    rig_ask(g, 1, 1, "bet", "b", "p0", 1000);
    rig_ask(g, 2, 2, "bet", "b", "p0", 1000);
    first = rig_entry(g, COMMAND_BET, "b", "p0", 1000);
    second = rig_entry(g, COMMAND_BET, "b", "p0", 1000);
    rig_ok(g, 1, 1, "bet", first, false, "");
    rig_ok(g, 2, 2, "bet", second, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_DECIDED_TWICE, 2, "is in the ledger twice");
}

static void a_repeat_of_nothing(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 1, "bet", "b", "p0", 1000);
    rig_ok(g, 1, 1, "bet", rig_entry(g, COMMAND_BET, "b", "p0", 1000), true, "");
    rig_ask(g, 1, 1, "bet", "b", "p0", 1000); /* later: that explains nothing */
    rig_ok(g, 1, 1, "bet", g->seq, true, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_WRONG_ANSWER, 1, "as a repeat, and nobody else had asked");
}

static void a_first_time_that_was_known(void **state)
{
    struct rig *g = *state;
    uint64_t seq;

    rig_ask(g, 4, 1, "bet", "b", "p0", 1000);
    rig_line(g, 4, "info", "bet", ":node 1 :error \"timeout\"");
    rig_ask(g, 1, 1, "bet", "b", "p0", 1000);
    seq = rig_entry(g, COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 2, "invoke", "transaction", ":node 2 :provider \"demo\" :id \"b\"");
    rig_line(g, 2, "ok", "transaction", ":node 2 :seq %" PRIu64, seq);
    rig_ok(g, 1, 1, "bet", seq, true, ""); /* a repeat of the one that was given up */
    rig_ask(g, 3, 3, "bet", "b", "p0", 1000);
    rig_ok(g, 3, 3, "bet", seq, false, "");
    rig_finish(g);
    condemned(g, NULL, ANOMALY_CONFLICTING, 2, "as if it were the first time, and was known");
}

/* ---- order ---- */

/* Somebody was refused because of it: so it was there. */
static void a_conflict_with_what_comes_later(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 1, "bet", "x", "p0", 1000);
    rig_line(g, 1, "info", "bet", ":node 1 :error \"outcome_unknown\"");
    rig_ask(g, 2, 2, "bet", "x", "p0", 2000);
    rig_line(g, 2, "fail", "bet", ":node 2 :error \"idempotency_conflict\"");
    rig_do(g, "bet", COMMAND_BET, "later", "p1", 1000);
    rig_entry(g, COMMAND_BET, "x", "p0", 1000);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_REORDERED, 2, "seq 4 was known before seq 3");
}

static void a_read_that_misses_a_conflict(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 1, "bet", "x", "p0", 1000);
    rig_line(g, 1, "info", "bet", ":node 1 :error \"outcome_unknown\"");
    rig_entry(g, COMMAND_BET, "x", "p0", 1000);
    rig_ask(g, 2, 2, "bet", "x", "p0", 2000);
    rig_line(g, 2, "fail", "bet", ":node 2 :error \"idempotency_conflict\"");
    rig_ask_balance(g, 3, "p0");
    rig_show_balance(g, 3, 10000);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_STALE_READ, 2, "over with seq 3");
}

/* A bet of another amount was taken for good; the first one, given up long ago, comes after all. */
static void an_unknown_one_that_comes_back(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 1, "bet", "x", "p0", 1000);
    rig_line(g, 1, "info", "bet", ":node 1 :error \"outcome_unknown\"");
    rig_do(g, "bet", COMMAND_BET, "x", "p0", 2000);
    rig_entry(g, COMMAND_BET, "x", "p0", 1000);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_DECIDED_TWICE, 1, "x of demo is in the ledger twice");
}

/* Nobody was told of the last entries but by reads; then the cluster came back without them. */
static void a_tail_that_only_reads_saw(void **state)
{
    struct rig *g = *state;

    rig_ask(g, 1, 1, "bet", "x", "p0", 1000);
    rig_line(g, 1, "info", "bet", ":node 1 :error \"outcome_unknown\"");
    rig_ask_balance(g, 2, "p0");
    rig_show_balance(g, 2, 9000);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_IMPOSSIBLE_READ, 1, "which it never was");
}

static void a_page_with_a_hole(void **state)
{
    struct rig *g = *state;

    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    rig_line(g, 2, "invoke", "ledger", ":node 2 :from 1 :limit 10");
    rig_line(g, 2, "ok", "ledger", ":node 2 :count 2 :last 3 :hash \"%s\"", rig_answer(g, 3)->hash);
    rig_finish(g);
    condemned(g, NULL, ANOMALY_IMPOSSIBLE_READ, 1, "2 entries from seq 1 on");
}

/* ---- liveness ---- */

static void a_node_that_never_answers(void **state)
{
    struct rig *g = *state;

    rig_line(g, -1, "info", "healed", ":nodes [1 3] :within-ms 10000");
    rig_do(g, "bet", COMMAND_BET, "b", "p0", 1000);
    for (int process = 10; process < 14; process++) {
        rig_ask(g, process, 3, "bet", "unheard", "p0", 1);
        rig_line(g, process, "info", "bet", ":node 3 :error \"outcome_unknown\"");
    }
    condemned(g, NULL, ANOMALY_NOT_LIVE, 0, "node 3 acknowledged no money");
}

static void nobody_has_to_live(void **state)
{
    rig_line(*state, -1, "info", "healed", ":nodes [] :within-ms 10000");
    condemned(*state, NULL, ANOMALY_NOT_LIVE, 0, "names no node");
}

int main(void)
{
#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_bet_is_given_back),
        RIG_TEST(a_bet_that_still_counts),
        RIG_TEST(half_a_bet_given_back),
        RIG_TEST(a_bet_behind_its_rollback),
        RIG_TEST(a_tombstone_of_what_was_there),
        RIG_TEST(a_bet_refused_for_nothing),
        RIG_TEST(a_bet_of_a_closed_round),
        RIG_TEST(a_bet_refused_for_an_open_round),
        RIG_TEST(a_bet_that_is_rightly_too_late),
        RIG_TEST(a_bet_with_held_money),
        RIG_TEST(a_withdrawal_that_is_not_found),
        RIG_TEST(a_withdrawal_that_nothing_ended),
        RIG_TEST(a_read_of_another_id),
        RIG_TEST(an_answer_of_another_id),
        RIG_TEST(one_id_with_two_seqs),
        RIG_TEST(a_repeat_of_nothing),
        RIG_TEST(a_first_time_that_was_known),
        RIG_TEST(a_conflict_with_what_comes_later),
        RIG_TEST(a_read_that_misses_a_conflict),
        RIG_TEST(an_unknown_one_that_comes_back),
        RIG_TEST(a_tail_that_only_reads_saw),
        RIG_TEST(a_page_with_a_hole),
        RIG_TEST(a_node_that_never_answers),
        RIG_TEST(nobody_has_to_live),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}

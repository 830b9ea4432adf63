/* The machine and what tables can't show well: calendars, stores of before, full lists, pages. */
#include "tests/unit/machine_fixture.h"
#include "tests/unit/old_store.h"

#include <time.h>

/* Every day from 1970 to 2170 against the C library's calendar. */
static void test_periods(void **state)
{
    uint32_t day, month = 0, week = 0;

    (void)state;
    for (day = 1; day < 73050; day++) {
        time_t at = (time_t)day * 86400;
        struct tm tm;

        gmtime_r(&at, &tm);
        month += tm.tm_mday == 1 ? 1 : 0;
        week += tm.tm_wday == 1 ? 1 : 0;
        assert_int_equal(period_of_day(PERIOD_DAY, day), day);
        assert_int_equal(period_of_day(PERIOD_WEEK, day) - period_of_day(PERIOD_WEEK, 0), week);
        assert_int_equal(period_of_day(PERIOD_MONTH, day) - period_of_day(PERIOD_MONTH, 0), month);
    }
}

static void test_use_is_bounded(void **state)
{
    struct purse p = {.day = 20000};

    (void)state;
    purse_use(&p, LIMIT_STAKE, UINT64_C(20000) * MS_PER_DAY, INT64_MAX);
    purse_use(&p, LIMIT_STAKE, UINT64_C(20000) * MS_PER_DAY, 1);
    assert_true(p.used[LIMIT_STAKE][PERIOD_DAY] == INT64_MAX);
    purse_use(&p, LIMIT_LOSS, UINT64_C(20000) * MS_PER_DAY, INT64_MIN);
    purse_use(&p, LIMIT_LOSS, UINT64_C(20000) * MS_PER_DAY, -1);
    assert_true(p.used[LIMIT_LOSS][PERIOD_MONTH] == INT64_MIN);
    purse_use(&p, LIMIT_DEPOSIT, UINT64_C(1) * MS_PER_DAY, 5); /* long ago */
    assert_int_equal(p.used[LIMIT_DEPOSIT][PERIOD_MONTH], 0);
}

static void put_raw(struct state *s, enum store_table table, const char *key, size_t key_len,
                    const struct bytes *value)
{
    layers_put(&s->layers, table, (struct slice){key, key_len},
               (struct slice){(const char *)value->base, value->len});
}

/* The state's format, as a checkpoint would write it. */
static void set_format(const char *folder, uint32_t format)
{
    struct store_write write = {.table = TABLE_META, .key = slice_of("format")};
    struct bytes value;
    struct store store;
    struct fault fault;

    bytes_init(&value);
    bytes_append_u32(&value, format);
    write.value = (struct slice){(const char *)value.base, value.len};
    assert_int_equal(store_lmdb_open(&store, folder, FIXTURE_MAP_BYTES, &fault), 0);
    assert_int_equal(store.commit(store.impl, &write, 1, &fault), 0);
    store.close(store.impl);
    bytes_release(&value);
}

/* Makes a store as a florind of format 1 left it: no newer tables, values without the newer parts.
 */
static void make_old(struct fixture *f)
{
    struct bytes value;

    bytes_init(&value);
    bytes_append_u64(&value, 100 * 100000);
    put_raw(&f->machine->state, TABLE_BALANCE, "\1\5aliceEUR", 10, &value);
    assert_int_equal(fixture_checkpoint(f), 0);
    machine_close(f->machine);
    f->machine = NULL;
    set_format(f->folder, 1);
    old_store_make(f->folder, TABLE_SESSION); /* and what came later */
    bytes_release(&value);
}

static void test_old_store(void **state)
{
    struct fixture *f = *state;
    struct command c = {.type = COMMAND_WITHDRAW, .expires_s = 60};

    make_old(f);
    assert_int_equal(fixture_reopen(f), 0);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 10));
    assert_int_equal(f->outcome.record.balance_minor, 90 * 100000);
    c.principal = c.gateway = slice_of("bank");
    c.id = slice_of("x1");
    c.player = slice_of("alice");
    c.currency = slice_of("EUR");
    c.amount = whole(90);
    apply(f, c);
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
    assert_int_equal(fixture_checkpoint(f), 0);
    assert_int_equal(fixture_reopen(f), 0);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
}

static void stored(struct fixture *f, enum store_table table, const char *key, size_t key_len,
                   const char *value, size_t len)
{
    struct slice found;

    assert_int_equal(layers_get(&f->machine->state.layers, table, (struct slice){key, key_len},
                                &found, &f->fault),
                     1);
    assert_int_equal(found.len, len);
    assert_memory_equal(found.base, value, len);
}

/* What principals and ids were before an id could be one player's, byte for byte; and since. */
static void test_scopes_as_stored(void **state)
{
    static const char demo[] = "\1\7\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0"; /* reject */
    static const char slots[] = "\1\7\0\0\0\0\0\0\0\0\2\0\0\0\0\0\0";
    struct fixture *f = *state;
    struct state *s = &f->machine->state;
    struct principal p = {.role = ROLE_PROVIDER, .origin = 7};
    struct id_space ids = {.principal = slice_of("demo")};
    struct transaction t = {.seq = 1};
    char value[24] = {1};

    state_put_principal(s, slice_of("demo"), &p);
    stored(f, TABLE_PRINCIPAL, "demo", 4, demo, 9);
    p.policy.shortfall = SHORTFALL_REJECT;
    state_put_principal(s, slice_of("demo"), &p);
    stored(f, TABLE_PRINCIPAL, "demo", 4, demo, sizeof demo - 1);
    state_put_transaction(s, ids, slice_of("x"), &t);
    stored(f, TABLE_TRANSACTION, "\4demox", 6, value, sizeof value);

    p.policy = (struct policy){.ids_scope = IDS_PER_PLAYER};
    state_put_principal(s, slice_of("slots"), &p);
    stored(f, TABLE_PRINCIPAL, "slots", 5, slots, sizeof slots - 1);
    assert_int_equal(state_id_space(s, slice_of("slots"), slice_of("alice"), &ids, &f->fault), 0);
    state_put_transaction(s, ids, slice_of("x"), &t);
    stored(f, TABLE_TRANSACTION, "\5slots\0\5alicex", 14, value, sizeof value);
}

/* A transaction with all the items that there may be, and one that fails at its end. */
static void test_many_items(void **state)
{
    struct fixture *f = *state;
    struct command c = {.type = COMMAND_ATOMIC, .n_items = ITEMS_MAX};
    static char ids[ITEMS_MAX][8];
    struct outcome item;
    uint64_t before = machine_sequence(f->machine), seq;
    uint8_t i;

    c.principal = slice_of("demo");
    c.player = slice_of("alice");
    c.currency = slice_of("EUR");
    for (i = 0; i < ITEMS_MAX; i++) {
        snprintf(ids[i], sizeof ids[i], "i%u", i);
        c.items[i] = (struct command_item){.type = COMMAND_BET,
                                           .id = slice_of(ids[i]),
                                           .amount = whole(i + 1 < ITEMS_MAX ? 1 : 38)};
    }
    apply(f, c);
    assert_int_equal(f->outcome.verdict, VERDICT_INSUFFICIENT_FUNDS);
    assert_int_equal(f->outcome.item, ITEMS_MAX - 1);
    assert_int_equal(machine_sequence(f->machine), before + 1);
    c.items[ITEMS_MAX - 1].id = slice_of("last");
    c.items[ITEMS_MAX - 1].amount = whole(37);
    apply(f, c);
    assert_int_equal(f->outcome.n_items, ITEMS_MAX);
    for (seq = before + 2; outcome_next(&f->outcome, &item, &f->fault) == 1; seq++) {
        assert_int_equal(item.record.seq, seq);
    }
    assert_int_equal(item.record.balance_minor, 0);
    assert_int_equal(machine_sequence(f->machine), before + 1 + ITEMS_MAX);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
}

static void test_many_limits(void **state)
{
    struct fixture *f = *state;
    static const char *const codes[] = {"AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH"};
    struct answer a;
    struct bytes out;
    int i, n = 0;

    for (i = 0; i < 8; i++) {
        struct command c = create(COMMAND_CURRENCY_CREATE, codes[i]);

        apply(f, c);
        c = (struct command){.type = COMMAND_PLAYER_UPDATE, .player = slice_of("alice")};
        while (c.n_limits < LIMIT_KINDS * LIMIT_PERIODS) {
            c.limits[c.n_limits] =
                (struct limit_change){.kind = (enum limit_kind)(c.n_limits % LIMIT_KINDS),
                                      .period = (enum limit_period)(c.n_limits / LIMIT_KINDS),
                                      .currency = slice_of(codes[i]),
                                      .amount = whole(i)};
            c.n_limits++;
        }
        apply(f, c);
        n += c.n_limits;
        /* 63 of 64 fit, and of the last nine not one does: all of it or none. */
        assert_int_equal(f->outcome.verdict,
                         n <= LIMITS_PER_PLAYER ? VERDICT_APPLIED : VERDICT_LIMIT_REACHED);
    }
    bytes_init(&out);
    a = ask(f, (struct query){.type = QUERY_PLAYER, .player = slice_of("alice")}, &out);
    assert_int_equal(a.n_limits, 63);
    bytes_release(&out);
}

static void one_round(struct fixture *f, unsigned i, bool close)
{
    struct command c = {.type = COMMAND_ATOMIC, .close_round = close, .n_items = 1};
    char id[16], round[16];

    snprintf(id, sizeof id, "w%u", i);
    snprintf(round, sizeof round, "r%05u", i);
    c.principal = slice_of("demo");
    c.player = slice_of("alice");
    c.currency = slice_of("EUR");
    c.round = slice_of(round);
    c.items[0] = (struct command_item){.type = COMMAND_WIN, .id = slice_of(id), .amount = whole(1)};
    apply(f, c);
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
}

/* One open round behind thousands of closed ones is found, page by page, whatever layer it is in.
 */
static void test_rounds_far_away(void **state)
{
    struct fixture *f = *state;
    struct query q = {.type = QUERY_ROUNDS, .principal = slice_of("demo"), .limit = 10};
    char player[ID_MAX], round[ID_MAX];
    struct round_info info;
    struct answer a;
    struct bytes out;
    unsigned i, pages = 0;

    for (i = 0; i < 4500; i++) {
        one_round(f, i, i != 4321);
        if (i == 1500 || i == 3000) {
            assert_int_equal(fixture_checkpoint(f), 0);
        }
    }
    bytes_init(&out);
    for (;;) {
        a = ask(f, q, &out);
        pages++;
        if (a.n_rounds > 0 || a.next_round.len == 0) {
            break;
        }
        memcpy(player, a.next_player.base, a.next_player.len);
        memcpy(round, a.next_round.base, a.next_round.len);
        q.name = (struct slice){player, a.next_player.len};
        q.id = (struct slice){round, a.next_round.len};
    }
    assert_int_equal(pages, 3);
    assert_int_equal(answer_next_round(&a, &info, &f->fault), 1);
    assert_true(slice_is(info.round, "r04321"));
    assert_int_equal(answer_next_round(&a, &info, &f->fault), 0);
    assert_int_equal(a.next_round.len, 0);
    bytes_release(&out);
}

static void at(struct fixture *f, uint64_t time_ms, struct command c, enum verdict verdict)
{
    f->time_ms = time_ms - 1; /* the fixture counts one up */
    apply(f, c);
    assert_int_equal(f->outcome.verdict, verdict);
}

static struct command bet(const char *id, int64_t units)
{
    return money(COMMAND_BET, "demo", id, "alice", "EUR", units);
}

static struct command update(enum player_status status, uint64_t until_ms)
{
    return (struct command){.type = COMMAND_PLAYER_UPDATE,
                            .player = slice_of("alice"),
                            .sets = SET_STATUS,
                            .status = status,
                            .until_ms = until_ms};
}

static struct command stake_limit(int64_t units)
{
    struct command c = {.type = COMMAND_PLAYER_UPDATE, .player = slice_of("alice"), .n_limits = 1};

    c.limits[0] = (struct limit_change){
        .kind = LIMIT_STAKE, .currency = slice_of("EUR"), .amount = whole(units)};
    return c;
}

/* What ends at an instant has ended at that very millisecond, and not one before. */
static void test_instants(void **state)
{
    struct fixture *f = *state;
    uint8_t token[SECRET_HASH_BYTES] = {1};
    struct command c = money(COMMAND_WITHDRAW, "bank", "x1", "alice", "EUR", 50);

    c.gateway = slice_of("bank");
    c.expires_s = 1;
    at(f, 10000, c, VERDICT_APPLIED);
    at(f, 10999, bet("b1", 51), VERDICT_INSUFFICIENT_FUNDS);
    at(f, 11000, bet("b2", 51), VERDICT_APPLIED);

    c = create(COMMAND_SESSION_OPEN, "s1");
    c.player = slice_of("alice");
    c.principal = slice_of("demo");
    c.token_hash = token;
    c.ttl_s = 1;
    at(f, 20000, c, VERDICT_APPLIED);
    c = bet("b3", 1);
    c.session = slice_of("s1");
    at(f, 20999, c, VERDICT_APPLIED);
    c.id = slice_of("b4");
    at(f, 21000, c, VERDICT_SESSION_EXPIRED);

    at(f, 30000, update(PLAYER_BLOCKED, 31000), VERDICT_APPLIED);
    at(f, 30999, bet("b5", 1), VERDICT_PLAYER_BLOCKED);
    at(f, 31000, bet("b6", 1), VERDICT_APPLIED);

    at(f, MS_PER_DAY, stake_limit(1), VERDICT_APPLIED); /* a day's first instant */
    at(f, MS_PER_DAY + 1, stake_limit(2), VERDICT_APPLIED);
    at(f, 2 * (uint64_t)MS_PER_DAY, bet("b7", 2), VERDICT_LIMIT_REACHED);
    at(f, 2 * (uint64_t)MS_PER_DAY + 1, bet("b8", 2), VERDICT_APPLIED);
    at(f, 3 * (uint64_t)MS_PER_DAY - 1, bet("b9", 1), VERDICT_LIMIT_REACHED);
    at(f, 3 * (uint64_t)MS_PER_DAY, bet("b10", 1), VERDICT_APPLIED);
}

/* What is closed is closed as of the first time. */
static void test_closed_once(void **state)
{
    struct fixture *f = *state;
    uint8_t token[SECRET_HASH_BYTES] = {1};
    struct command c = create(COMMAND_SESSION_OPEN, "s1");
    struct round round;
    uint64_t closed_at_ms, closed_by;

    c.player = slice_of("alice");
    c.token_hash = token;
    c.ttl_s = 60;
    apply(f, c);
    c = create(COMMAND_SESSION_CLOSE, "s1");
    apply(f, c);
    closed_at_ms = f->outcome.session.closed_at_ms;
    assert_int_equal(closed_at_ms, f->time_ms);
    apply(f, c);
    assert_int_equal(f->outcome.session.closed_at_ms, closed_at_ms);

    one_round(f, 1, true);
    closed_by = machine_sequence(f->machine);
    closed_at_ms = f->time_ms;
    one_round(f, 2, true);
    c = (struct command){.type = COMMAND_ROUND_CLOSE,
                         .principal = slice_of("demo"),
                         .id = slice_of("c1"),
                         .player = slice_of("alice"),
                         .round = slice_of("r00001")};
    apply(f, c);
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
    assert_int_equal(state_round(&f->machine->state, slice_of("demo"), slice_of("alice"),
                                 slice_of("r00001"), &round, &f->fault),
                     1);
    assert_int_equal(round.closed_by, closed_by);
    assert_int_equal(round.closed_at_ms, closed_at_ms);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_periods), cmocka_unit_test(test_use_is_bounded),
        TEST(test_old_store),           TEST(test_scopes_as_stored),
        TEST(test_many_items),          TEST(test_many_limits),
        TEST(test_rounds_far_away),     TEST(test_instants),
        TEST(test_closed_once),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}

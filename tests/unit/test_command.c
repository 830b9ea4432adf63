#include "tests/unit/codec_fixture.h"

#include <msgpack.h>

#include "statemachine/command.h"

static const uint8_t secret_hash[SECRET_HASH_BYTES] = {9, 8, 7, 0xc0, 0xff};

static struct command bet(void)
{
    return (struct command){
        .type = COMMAND_BET,
        .origin = UINT64_MAX,
        .principal = slice_of("demo"),
        .id = slice_of("b-1"),
        .player = slice_of("alice"),
        .currency = slice_of("EUR"),
        .amount = {1250, 2},
        .round = slice_of("r1"),
        .game = slice_of("g1"),
        .session = slice_of("s1"),
    };
}

static struct command win(void)
{
    struct command c = bet();

    c.type = COMMAND_WIN;
    c.amount = (struct decimal){0, 0};
    c.bet = slice_of("b-0");
    c.win_kind = WIN_FREESPIN;
    return c;
}

static struct command rollback(void)
{
    struct command c = bet();

    c.type = COMMAND_ROLLBACK;
    c.amount = (struct decimal){0, 0};
    c.original = slice_of("b-0");
    return c;
}

static struct command deposit(void)
{
    struct command c = bet();

    c.type = COMMAND_DEPOSIT;
    c.round = c.game = c.session = slice_of(NULL);
    c.gateway = slice_of("bank");
    return c;
}

static struct command currency(void)
{
    return (struct command){.type = COMMAND_CURRENCY_CREATE, .name = slice_of("EUR")};
}

static struct command principal(void)
{
    return (struct command){
        .type = COMMAND_PRINCIPAL_CREATE, .name = slice_of("demo"), .role = ROLE_PROVIDER};
}

static struct command key(void)
{
    return (struct command){.type = COMMAND_KEY_CREATE,
                            .name = slice_of("k1"),
                            .principal = slice_of("demo"),
                            .role = ROLE_PROVIDER,
                            .secret_hash = secret_hash};
}

static struct command player(void)
{
    struct command c = {.type = COMMAND_PLAYER_CREATE, .player = slice_of("alice")};
    int i;

    for (i = 0; i < CURRENCIES_PER_PLAYER; i++) {
        c.currencies[i] =
            slice_of("0123456789012345678901234567890123456789012345678901234567890123");
    }
    c.n_currencies = CURRENCIES_PER_PLAYER;
    return c;
}

static struct command (*const makers[])(void) = {bet,      win,       rollback, deposit,
                                                 currency, principal, key,      player};
enum { MAKERS = sizeof makers / sizeof *makers };

static int decode(const void *data, size_t len)
{
    struct command c;
    struct fault fault;
    int rc = command_decode(data, len, &c, &fault);

    /* What decodes is well formed, and can be encoded again. */
    if (rc == 0) {
        struct bytes again;

        assert_int_equal(command_check(&c, &fault), 0);
        bytes_init(&again);
        command_encode(&c, &again);
        assert_true(again.len <= COMMAND_BYTES_MAX);
        bytes_release(&again);
    }
    return rc;
}

static void same_text(struct slice a, struct slice b)
{
    assert_true(slice_equal(a, b));
}

static void test_round_trip(void **state)
{
    struct fault fault;
    struct bytes out, again;
    int i, n;

    (void)state;
    bytes_init(&out);
    bytes_init(&again);
    for (i = 0; i < MAKERS; i++) {
        struct command c = makers[i](), d;

        bytes_clear(&out);
        bytes_clear(&again);
        assert_int_equal(command_check(&c, &fault), 0);
        command_encode(&c, &out);
        assert_true(out.len <= COMMAND_BYTES_MAX);
        assert_int_equal(command_decode(out.base, out.len, &d, &fault), 0);
        assert_int_equal(d.type, c.type);
        assert_true(d.origin == c.origin);
        same_text(d.principal, c.principal);
        same_text(d.id, c.id);
        same_text(d.player, c.player);
        same_text(d.currency, c.currency);
        assert_int_equal(d.amount.digits, c.amount.digits);
        assert_int_equal(d.amount.after_point, c.amount.after_point);
        same_text(d.round, c.round);
        same_text(d.game, c.game);
        same_text(d.session, c.session);
        same_text(d.bet, c.bet);
        same_text(d.original, c.original);
        same_text(d.gateway, c.gateway);
        assert_int_equal(d.win_kind, c.win_kind);
        same_text(d.name, c.name);
        assert_int_equal(d.scale, c.scale);
        assert_int_equal(d.role, c.role);
        assert_int_equal(d.n_currencies, c.n_currencies);
        for (n = 0; n < c.n_currencies; n++) {
            same_text(d.currencies[n], c.currencies[n]);
        }
        if (c.secret_hash != NULL) {
            assert_memory_equal(d.secret_hash, secret_hash, sizeof secret_hash);
        } else {
            assert_null(d.secret_hash);
        }
        command_encode(&d, &again);
        assert_int_equal(again.len, out.len);
        assert_memory_equal(again.base, out.base, out.len);
    }
    bytes_release(&out);
    bytes_release(&again);
}

static void test_bad_bytes(void **state)
{
    struct bytes out;
    int i;

    (void)state;
    bytes_init(&out);
    for (i = 0; i < MAKERS; i++) {
        struct command c = makers[i]();

        bytes_clear(&out);
        command_encode(&c, &out);
        refuses_truncations(decode, &out);
        refuses_more(decode, &out);
        survives_mutations(decode, &out, 20000);
    }
    bytes_release(&out);
}

static int write_bytes(void *data, const char *buf, size_t len)
{
    bytes_append(data, buf, len);
    return 0;
}

/* A small map by hand: {0: type, 1: 0, key: ...} with the value that the test appends itself. */
static void begin(msgpack_packer *pk, struct bytes *out, enum command_type type, size_t more)
{
    bytes_clear(out);
    msgpack_packer_init(pk, out, write_bytes);
    msgpack_pack_map(pk, 2 + more);
    msgpack_pack_uint64(pk, 0);
    msgpack_pack_uint64(pk, type);
    msgpack_pack_uint64(pk, 1);
    msgpack_pack_uint64(pk, 0);
}

static void pack_text(msgpack_packer *pk, uint64_t key_number, const char *text)
{
    msgpack_pack_uint64(pk, key_number);
    msgpack_pack_str(pk, strlen(text));
    msgpack_pack_str_body(pk, text, strlen(text));
}

static void test_strict(void **state)
{
    msgpack_packer pk;
    struct bytes out;

    (void)state;
    bytes_init(&out);
    begin(&pk, &out, COMMAND_PLAYER_CREATE, 1);
    pack_text(&pk, 4, "alice");
    assert_int_equal(decode(out.base, out.len), 0);

    begin(&pk, &out, COMMAND_PLAYER_CREATE, 1);
    pack_text(&pk, 4, "");
    assert_int_not_equal(decode(out.base, out.len), 0); /* empty, not left out */

    begin(&pk, &out, COMMAND_PLAYER_CREATE, 1);
    pack_text(&pk, 4, "al ice");
    assert_int_not_equal(decode(out.base, out.len), 0);

    begin(&pk, &out, COMMAND_PLAYER_CREATE, 2);
    pack_text(&pk, 4, "alice");
    pack_text(&pk, 4, "alice");
    assert_int_not_equal(decode(out.base, out.len), 0); /* twice */

    begin(&pk, &out, COMMAND_PLAYER_CREATE, 2);
    pack_text(&pk, 4, "alice");
    pack_text(&pk, 7, "r1");
    assert_int_not_equal(decode(out.base, out.len), 0); /* not this type's */

    begin(&pk, &out, COMMAND_PLAYER_CREATE, 2);
    pack_text(&pk, 4, "alice");
    pack_text(&pk, 20, "x");
    assert_int_not_equal(decode(out.base, out.len), 0); /* unknown key */

    begin(&pk, &out, COMMAND_PLAYER_CREATE, 2);
    pack_text(&pk, 4, "alice");
    msgpack_pack_uint64(&pk, 36);
    msgpack_pack_array(&pk, 17);
    assert_int_not_equal(decode(out.base, out.len), 0); /* too many currencies */

    begin(&pk, &out, COMMAND_CURRENCY_CREATE, 2);
    pack_text(&pk, 32, "EUR");
    msgpack_pack_uint64(&pk, 33);
    msgpack_pack_uint64(&pk, 256 + 5);
    assert_int_not_equal(decode(out.base, out.len), 0); /* a scale that only fits when cut */

    begin(&pk, &out, COMMAND_CURRENCY_CREATE, 2);
    pack_text(&pk, 32, "EUR");
    msgpack_pack_uint64(&pk, 33);
    msgpack_pack_int64(&pk, -1);
    assert_int_not_equal(decode(out.base, out.len), 0);

    begin(&pk, &out, COMMAND_WIN, 5);
    pack_text(&pk, 2, "demo");
    pack_text(&pk, 3, "w1");
    pack_text(&pk, 4, "alice");
    pack_text(&pk, 5, "EUR");
    msgpack_pack_uint64(&pk, 13);
    msgpack_pack_uint64(&pk, WIN_PROMO);
    assert_int_not_equal(decode(out.base, out.len), 0); /* no amount is not an amount of zero */

    begin(&pk, &out, (enum command_type)99, 0);
    assert_int_not_equal(decode(out.base, out.len), 0);
    bytes_release(&out);
}

/* Five bytes that claim four billion pairs must not be believed. */
static void test_claims(void **state)
{
    static const uint8_t map32[] = {0xdf, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t map16[] = {0xde, 0xff, 0xff};
    static const uint8_t text[] = {0x81, 0x02, 0xdb, 0xff, 0xff, 0xff, 0xff, 'a'};
    uint8_t long_one[COMMAND_BYTES_MAX + 1] = {0x80};

    (void)state;
    assert_int_not_equal(decode(map32, sizeof map32), 0);
    assert_int_not_equal(decode(map16, sizeof map16), 0);
    assert_int_not_equal(decode(text, sizeof text), 0);
    assert_int_not_equal(decode(long_one, sizeof long_one), 0);
}

/* The writer is msgpack-c's, the reader is ours: msgpack-c's reader must see what ours sees. */
static void test_is_msgpack(void **state)
{
    struct bytes out;
    int i;

    (void)state;
    bytes_init(&out);
    for (i = 0; i < MAKERS; i++) {
        struct command c = makers[i]();
        msgpack_unpacked u;
        size_t offset = 0;

        bytes_clear(&out);
        command_encode(&c, &out);
        msgpack_unpacked_init(&u);
        assert_int_equal(msgpack_unpack_next(&u, (const char *)out.base, out.len, &offset),
                         MSGPACK_UNPACK_SUCCESS);
        assert_int_equal(offset, out.len);
        assert_int_equal(u.data.type, MSGPACK_OBJECT_MAP);
        assert_int_equal(u.data.via.map.ptr[0].key.via.u64, 0);
        assert_int_equal(u.data.via.map.ptr[0].val.via.u64, c.type);
        msgpack_unpacked_destroy(&u);
    }
    bytes_release(&out);
}

static void refused(struct command c, const char *word)
{
    struct fault fault = {""};

    assert_int_equal(command_check(&c, &fault), -1);
    if (strstr(fault.text, word) == NULL) {
        fail_msg("'%s' does not name '%s'", fault.text, word);
    }
}

static void test_check(void **state)
{
    struct command c = bet();

    (void)state;
    c.player = slice_of("");
    refused(c, "player");
    c = bet();
    c.id = slice_of("a/b");
    refused(c, "id");
    c = bet();
    c.original = slice_of("x");
    refused(c, "original");
    c = bet();
    c.amount.after_point = SCALE_MAX + 1;
    refused(c, "amount");
    c = bet();
    c.amount.digits = -1;
    refused(c, "amount");
    c = rollback();
    c.amount.digits = 1;
    refused(c, "amount");
    c = rollback();
    c.original = slice_of(NULL);
    refused(c, "original");
    c = deposit();
    c.gateway = slice_of(NULL);
    refused(c, "gateway");
    c = win();
    c.win_kind = (enum win_kind)4;
    refused(c, "kind");
    c = currency();
    c.scale = SCALE_MAX + 1;
    refused(c, "scale");
    c = currency();
    c.name = slice_of("THIRTEENCHARS");
    refused(c, "name");
    c = principal();
    c.role = ROLE_OPERATOR;
    refused(c, "provider");
    c = key();
    c.secret_hash = NULL;
    refused(c, "secret_hash");
    c = key();
    c.role = (enum role)6;
    refused(c, "role");
    c = player();
    c.n_currencies = CURRENCIES_PER_PLAYER + 1;
    refused(c, "currencies");
    c = bet();
    c.type = (enum command_type)77;
    refused(c, "type");
}

static void test_ids(void **state)
{
    char text[ID_MAX + 2];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_true(id_valid((struct slice){text, 1}));
    assert_true(id_valid((struct slice){text, ID_MAX}));
    assert_false(id_valid((struct slice){text, ID_MAX + 1}));
    assert_false(id_valid(slice_of("")));
    assert_false(id_valid(slice_of(NULL)));
    assert_true(id_valid(slice_of("AZaz09._:-")));
    assert_false(id_valid(slice_of("a b")));
    assert_false(id_valid(slice_of("a/b")));
    assert_false(id_valid(slice_of("\xc3\xa9")));
    assert_false(id_valid((struct slice){"a\0b", 3}));
}

static void test_names(void **state)
{
    enum role role;
    enum win_kind kind;

    (void)state;
    for (role = ROLE_PROVIDER; role <= ROLE_AUDITOR; role++) {
        enum role back;

        assert_int_equal(role_parse(slice_of(role_name(role)), &back), 0);
        assert_int_equal(back, role);
    }
    for (kind = WIN_PLAIN; kind <= WIN_FREESPIN; kind++) {
        enum win_kind back;

        assert_int_equal(win_kind_parse(slice_of(win_kind_name(kind)), &back), 0);
        assert_int_equal(back, kind);
    }
    assert_int_equal(role_parse(slice_of("none"), &role), -1);
    assert_int_equal(role_parse(slice_of(""), &role), -1);
    assert_int_equal(win_kind_parse(slice_of("Win"), &kind), -1);
    assert_string_equal(command_type_name(COMMAND_BET), "bet");
    assert_string_equal(command_type_name(COMMAND_PLAYER_CREATE), "player_create");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bad_bytes),
        cmocka_unit_test(test_strict),     cmocka_unit_test(test_claims),
        cmocka_unit_test(test_is_msgpack), cmocka_unit_test(test_check),
        cmocka_unit_test(test_ids),        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

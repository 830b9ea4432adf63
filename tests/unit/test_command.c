#include "tests/unit/codec_fixture.h"

#include <msgpack.h>

#include "tests/unit/command_fixture.h"

static struct command (*const makers[])(void) = {
    bet,          win,          rollback, deposit,          currency,    principal,
    key,          player,       withdraw, confirm,          round_close, player_update,
    session_open, authenticate, password, principal_update, key_update,  hmac_key,
    atomic};
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

static void same_lists(const struct command *d, const struct command *c)
{
    int n;

    assert_int_equal(d->n_ip_allow, c->n_ip_allow);
    for (n = 0; n < c->n_ip_allow; n++) {
        same_text(d->ip_allow[n], c->ip_allow[n]);
    }
    assert_int_equal(d->n_items, c->n_items);
    for (n = 0; n < c->n_items; n++) {
        assert_int_equal(d->items[n].type, c->items[n].type);
        assert_int_equal(d->items[n].win_kind, c->items[n].win_kind);
        assert_int_equal(d->items[n].negative, c->items[n].negative);
        assert_int_equal(d->items[n].amount.digits, c->items[n].amount.digits);
        same_text(d->items[n].id, c->items[n].id);
        same_text(d->items[n].bet, c->items[n].bet);
        same_text(d->items[n].original, c->items[n].original);
    }
    assert_int_equal(d->n_limits, c->n_limits);
    for (n = 0; n < c->n_limits; n++) {
        assert_int_equal(d->limits[n].kind, c->limits[n].kind);
        assert_int_equal(d->limits[n].period, c->limits[n].period);
        assert_int_equal(d->limits[n].none, c->limits[n].none);
        assert_int_equal(d->limits[n].amount.digits, c->limits[n].amount.digits);
        assert_int_equal(d->limits[n].amount.after_point, c->limits[n].amount.after_point);
        same_text(d->limits[n].currency, c->limits[n].currency);
    }
}

static void same_rest(const struct command *d, const struct command *c)
{
    assert_int_equal(d->close_round, c->close_round);
    assert_int_equal(d->dry_run, c->dry_run);
    assert_int_equal(d->expires_s, c->expires_s);
    assert_int_equal(d->key_kind, c->key_kind);
    same_text(d->sealed, c->sealed);
    same_text(d->password_hash, c->password_hash);
    assert_int_equal(d->sets, c->sets);
    assert_int_equal(d->status, c->status);
    assert_int_equal(d->until_ms, c->until_ms);
    assert_int_equal(d->reminder_s, c->reminder_s);
    assert_int_equal(d->disabled, c->disabled);
    assert_int_equal(d->shortfall, c->shortfall);
    assert_int_equal(d->ids_scope, c->ids_scope);
    assert_int_equal(d->rate_per_s, c->rate_per_s);
    assert_int_equal(d->ttl_s, c->ttl_s);
    assert_int_equal(d->token_hash == NULL, c->token_hash == NULL);
    assert_int_equal(d->parent_hash == NULL, c->parent_hash == NULL);
    if (c->token_hash != NULL) {
        assert_memory_equal(d->token_hash, c->token_hash, SECRET_HASH_BYTES);
    }
    same_lists(d, c);
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
        same_rest(&d, &c);
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
        survives_mutations(decode, &out, out.len > 2000 ? 4000 : 20000);
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
        cmocka_unit_test(test_is_msgpack), cmocka_unit_test(test_ids),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

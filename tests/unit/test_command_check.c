/* What is not a well-formed command, and that the refusal names what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/command_fixture.h"

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

static void test_check_items(void **state)
{
    struct command c = atomic();

    (void)state;
    c.n_items = 0;
    refused(c, "items");
    c = atomic();
    c.n_items = ITEMS_MAX + 1;
    refused(c, "items");
    c = atomic();
    c.items[5].id = c.items[4].id;
    refused(c, "same id twice");
    c = atomic();
    c.items[0].type = COMMAND_DEPOSIT;
    refused(c, "items");
    c = atomic();
    c.items[0].type = COMMAND_ATOMIC;
    refused(c, "items");
    c = atomic();
    c.items[0].id = slice_of(NULL);
    refused(c, "id");
    c = atomic();
    c.items[0].negative = true; /* only an adjustment has a sign */
    refused(c, "negative");
    c = atomic();
    c.items[2].amount.digits = 1; /* a rollback names none */
    refused(c, "amount");
    c = atomic();
    c.items[0].original = slice_of("x");
    refused(c, "original");
    c = atomic();
    c.items[1].amount.after_point = SCALE_MAX + 1;
    refused(c, "amount");
    c = atomic();
    c.round = slice_of(NULL);
    refused(c, "close_round");
    c = bet();
    c.type = COMMAND_ADJUST;
    refused(c, "transaction only");
    c = deposit();
    c.dry_run = true;
    refused(c, "dry_run");
    c = bet();
    c.negative = true;
    refused(c, "negative");
}

static void test_check_updates(void **state)
{
    struct command c = player_update();

    (void)state;
    c.sets = SET_STATUS;
    refused(c, "reminder_s");
    c = player_update();
    c.status = PLAYER_ACTIVE;
    refused(c, "until");
    c = player_update();
    c.status = (enum player_status)3;
    refused(c, "status");
    c = player_update();
    c.limits[1] = c.limits[0];
    refused(c, "twice");
    c = player_update();
    c.limits[2].amount.digits = 1;
    refused(c, "without and with");
    c = player_update();
    c.limits[0].currency = slice_of("");
    refused(c, "currency");
    c = player_update();
    c.limits[0].kind = (enum limit_kind)3;
    refused(c, "kind");
    c = player_update();
    c.limits[0].period = (enum limit_period)3;
    refused(c, "period");
    c = player_update();
    c.sets |= SET_RATE;
    refused(c, "can't set");
    c = (struct command){.type = COMMAND_PLAYER_UPDATE, .player = slice_of("alice")};
    refused(c, "nothing");
    c = principal_update();
    c.sets &= ~(unsigned)SET_RATE;
    refused(c, "rate_per_s");
    c = principal_update();
    c.sets &= ~(unsigned)SET_IDS_SCOPE;
    refused(c, "ids_scope");
    c = principal_update();
    c.ids_scope = (enum ids_scope)2;
    refused(c, "ids_scope");
    c = principal_update();
    c.role = ROLE_PLATFORM;
    refused(c, "provider");
    c = principal_update();
    c.ip_allow[3] = slice_of("10.0.0.0 ");
    refused(c, "ip_allow");
    c = hmac_key();
    c.secret_hash = secret_hash;
    refused(c, "secret_hash");
    c = hmac_key();
    c.sealed = slice_of(NULL);
    refused(c, "sealed");
    c = key();
    c.sealed = slice_of("x");
    refused(c, "sealed");
    c = session_open();
    c.ttl_s = 0;
    refused(c, "ttl_s");
    c = session_open();
    c.ttl_s = SESSION_TTL_S_MAX + 1;
    refused(c, "ttl_s");
    c = withdraw();
    c.expires_s = HOLD_EXPIRES_S_MAX + 1;
    refused(c, "expires_s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_items),
        cmocka_unit_test(test_check_updates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

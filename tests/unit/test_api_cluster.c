/* The cluster as operators see and change it: status, members, leadership. */
#include "tests/unit/api_fixture.h"

static void the_cluster_is_shown(void **state)
{
    struct rig *r = rig_of(state);
    struct cluster_status *s = &r->backend.status;
    json_t *m;

    pthread_mutex_lock(&r->backend.lock);
    *s = (struct cluster_status){.node_id = 2, .leader_id = 2, .term = 7, .commit_index = 99};
    strcpy(s->state, "leader");
    s->clock_ms = 1500;
    s->n_members = 2;
    s->members[0].id = 2;
    strcpy(s->members[0].address, "127.0.0.1:7002");
    s->members[0].role = MEMBER_VOTER;
    s->members[0].connected = true;
    s->members[0].match_index = 99;
    s->members[1].id = 3;
    s->members[1].role = MEMBER_SPARE;
    s->members_index = 40;
    s->highest_member_id = 5;
    pthread_mutex_unlock(&r->backend.lock);
    r->key = "auditor";
    rig_get(r, "/v1/cluster");
    assert_status(r, 200);
    assert_int_equal(rig_number(r, "node"), 2);
    assert_int_equal(rig_number(r, "leader"), 2);
    assert_int_equal(rig_number(r, "term"), 7);
    assert_int_equal(rig_number(r, "commit_index"), 99);
    assert_string_equal(rig_text(r, "state"), "leader");
    assert_string_equal(rig_text(r, "clock"), "1970-01-01T00:00:01.500Z");
    assert_true(rig_true(r, "ready"));
    assert_int_equal(rig_number(r, "members_index"), 40);
    assert_int_equal(rig_number(r, "highest_member_id"), 5);
    assert_false(rig_true(r, "change_under_way"));
    assert_int_equal(json_array_size(json_object_get(r->json, "copies")), 0);
    assert_int_equal(json_array_size(json_object_get(r->json, "members")), 2);
    m = json_array_get(json_object_get(r->json, "members"), 0);
    assert_string_equal(json_string_value(json_object_get(m, "address")), "127.0.0.1:7002");
    assert_string_equal(json_string_value(json_object_get(m, "role")), "voter");
    assert_true(json_is_true(json_object_get(m, "connected")));
    assert_int_equal(json_integer_value(json_object_get(m, "match_index")), 99);
    pthread_mutex_lock(&r->backend.lock);
    s->leader_id = 0;
    pthread_mutex_unlock(&r->backend.lock);
    rig_get(r, "/v1/cluster");
    assert_true(json_is_null(json_object_get(r->json, "leader")));
    m = json_array_get(json_object_get(r->json, "members"), 0);
    assert_null(json_object_get(m, "match_index"));
}

static void leadership_is_handed_over(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_post(r, "/v1/cluster/transfer", "{\"to\":3}");
    assert_status(r, 200);
    assert_int_equal(rig_number(r, "leader"), 3);
    assert_int_equal(r->backend.transfer_target, 3);
    rig_post(r, "/v1/cluster/transfer", "{}");
    assert_status(r, 200);
    assert_int_equal(r->backend.transfer_target, 0);
    rig_send(r, "POST", "/v1/cluster/transfer", NULL, 0);
    assert_status(r, 200);
    rig_post(r, "/v1/cluster/transfer", "{\"to\":0}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/cluster/transfer", "{\"to\":\"3\"}");
    assert_problem(r, 400, "malformed");
    r->backend.transfer_result = RESULT_REFUSED;
    rig_post(r, "/v1/cluster/transfer", "{\"to\":9}");
    assert_problem(r, 409, "transfer_refused");
    r->backend.transfer_result = RESULT_OK;
}

static json_int_t number_in(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void work_under_way_is_shown(void **state)
{
    struct rig *r = rig_of(state);
    struct cluster_status *s = &r->backend.status;
    json_t *copy;

    pthread_mutex_lock(&r->backend.lock);
    *s = (struct cluster_status){.node_id = 2, .change_index = 41};
    s->fetch = (struct status_copy){3, 1000, 3000, 500};
    s->sends[1] = (struct status_copy){4, 7000, 6000, 10}; /* more than was thought */
    s->formats = (struct status_formats){1, 2, 3, 4, 5};
    pthread_mutex_unlock(&r->backend.lock);
    r->key = "operator";
    rig_get(r, "/v1/cluster");
    assert_true(rig_true(r, "change_under_way"));
    assert_int_equal(json_array_size(json_object_get(r->json, "copies")), 2);
    copy = rig_item(r, "copies", 0);
    assert_string_equal(json_text(copy, "direction"), "fetching");
    assert_int_equal(number_in(copy, "peer"), 3);
    assert_int_equal(number_in(copy, "bytes"), 1000);
    assert_int_equal(number_in(copy, "total"), 3000);
    assert_int_equal(number_in(copy, "percent"), 33);
    assert_int_equal(number_in(copy, "bytes_per_s"), 500);
    copy = rig_item(r, "copies", 1);
    assert_string_equal(json_text(copy, "direction"), "sending");
    assert_int_equal(number_in(copy, "peer"), 4);
    assert_int_equal(number_in(copy, "percent"), 100);
    assert_int_equal(number_in(json_object_get(r->json, "formats"), "log"), 2);
    assert_int_equal(number_in(json_object_get(r->json, "formats"), "message"), 5);
}

/* How florinctl tells a restarted node from one that was never stopped. */
static void a_process_says_since_when_it_runs(void **state)
{
    struct rig *r = rig_of(state);
    char first[TIME_TEXT_MAX];
    uint64_t started_ms;
    uint64_t now_ms = time_now_ms();

    r->key = "operator";
    rig_get(r, "/v1/cluster");
    assert_int_equal(time_parse(slice_of(rig_text(r, "started_at")), &started_ms), 0);
    assert_in_range(started_ms, now_ms - 3600000, now_ms);
    snprintf(first, sizeof first, "%s", rig_text(r, "started_at"));
    rig_get(r, "/v1/cluster");
    assert_string_equal(rig_text(r, "started_at"), first);
}

static void members_are_changed(void **state)
{
    struct rig *r = rig_of(state);
    struct member_change *c = &r->backend.change;

    r->key = "operator";
    r->headers = "Florin-Request-Id: add-4";
    rig_post(r, "/v1/cluster/members", "{\"id\":4,\"address\":\"127.0.0.1:7004\"}");
    r->headers = NULL;
    assert_status(r, 200);
    assert_int_equal(rig_number(r, "id"), 4);
    assert_string_equal(rig_text(r, "address"), "127.0.0.1:7004");
    assert_int_equal(c->op, MEMBER_ADD);
    assert_int_equal(c->id, 4);
    assert_string_equal(c->address, "127.0.0.1:7004");
    assert_string_equal(r->line, "an operator's call call=\"POST /v1/cluster/members\" of=4 "
                                 "by=ops key=operator from=127.0.0.1 request=add-4 outcome=done");

    rig_send(r, "POST", "/v1/cluster/members/4/promote", NULL, 0);
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "role"), "voter");
    assert_int_equal(c->op, MEMBER_PROMOTE);
    assert_int_equal(c->id, 4);

    rig_send(r, "POST", "/v1/cluster/members/3/demote", NULL, 0);
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "role"), "standby");
    assert_int_equal(c->op, MEMBER_DEMOTE);
    assert_int_equal(c->id, 3);

    rig_send(r, "DELETE", "/v1/cluster/members/3", NULL, 0);
    assert_status(r, 200);
    assert_true(rig_true(r, "removed"));
    assert_int_equal(c->op, MEMBER_REMOVE);
    assert_int_equal(c->id, 3);
    assert_non_null(strstr(r->line, "call=\"DELETE /v1/cluster/members/{id}\" of=3 by=ops"));
}

static void what_is_no_member_is_malformed(void **state)
{
    static const char *const bodies[] = {
        "{\"id\":0,\"address\":\"127.0.0.1:7004\"}",
        "{\"id\":\"4\",\"address\":\"127.0.0.1:7004\"}",
        "{\"id\":4}",
        "{\"id\":4,\"address\":\"\"}",
        "{\"id\":4,\"address\":\"a b:7004\"}",
        "{\"id\":4,\"address\":\"$(reboot):7004\"}",
        "{\"id\":4,\"address\":\"127.0.0.1\"}",
        "{\"id\":4,\"address\":\"127.0.0.1:0\"}",
        "{\"id\":4,\"address\":\"012345678901234567890123456789012345678901234567890123456789:"
        "7004\"}",
    };
    static const char *const ids[] = {"0", "x", "-1", "1.5", "9999999999999999999"};
    struct rig *r = rig_of(state);
    char path[100];
    size_t i;

    r->key = "operator";
    r->backend.change.op = 0;
    for (i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        rig_post(r, "/v1/cluster/members", bodies[i]);
        assert_problem(r, 400, "malformed");
    }
    for (i = 0; i < sizeof ids / sizeof *ids; i++) {
        snprintf(path, sizeof path, "/v1/cluster/members/%s", ids[i]);
        rig_send(r, "DELETE", path, NULL, 0);
        assert_problem(r, 400, "bad_id");
    }
    assert_int_equal(r->backend.change.op, 0);
}

static void each_refusal_has_its_code(void **state)
{
    static const struct {
        enum member_refusal reason;
        int status;
        const char *code, *detail;
    } cases[] = {
        {MEMBER_BUSY, 409, "membership_busy", ""},
        {MEMBER_UNKNOWN, 404, "unknown_member", ""},
        {MEMBER_EXISTS, 409, "already_exists", ""},
        {MEMBER_ADDRESS_TAKEN, 409, "address_taken", ""},
        {MEMBER_NOT_CAUGHT_UP, 409, "not_caught_up", "entry 7 of 9."},
        {MEMBER_LAST_VOTER, 409, "last_voter", ""},
        {MEMBER_NO_QUORUM, 409, "no_quorum", ""},
        {MEMBER_TOO_MANY, 409, "too_many_members", "16 members"},
        {MEMBER_ID_USED, 409, "id_used", "above 12."},
        {MEMBER_NO_SUCCESSOR, 409, "no_successor", ""},
    };
    struct rig *r = rig_of(state);
    char outcome[64];
    size_t i;

    assert_int_equal(sizeof cases / sizeof *cases, MEMBER_REFUSALS_END - 1);
    r->key = "operator";
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        r->backend.unchanged = (struct member_answer){cases[i].reason, 7, 9, 12};
        rig_send(r, "POST", "/v1/cluster/members/4/promote", NULL, 0);
        assert_problem(r, cases[i].status, cases[i].code);
        assert_non_null(strstr(rig_text(r, "detail"), cases[i].detail));
        snprintf(outcome, sizeof outcome, "outcome=%s", cases[i].code);
        assert_non_null(strstr(r->line, outcome));
    }
    r->backend.unchanged = (struct member_answer){0};
}

static void without_a_leader_no_member_is_changed(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_get(r, "/v1/cluster"); /* the key is known from here on */
    backend_set_mode(&r->backend, LEAVE_QUEUED);
    r->headers = "Florin-Timeout-Ms: 50";
    rig_send(r, "DELETE", "/v1/cluster/members/3", NULL, 0);
    assert_problem(r, 503, "unavailable");
    backend_set_mode(&r->backend, LEAVE_ENTERED);
    r->headers = "Florin-Timeout-Ms: 50";
    rig_send(r, "DELETE", "/v1/cluster/members/3", NULL, 0);
    assert_problem(r, 504, "outcome_unknown");
    backend_set_mode(&r->backend, SERVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cluster_is_shown),
        cmocka_unit_test(work_under_way_is_shown),
        cmocka_unit_test(a_process_says_since_when_it_runs),
        cmocka_unit_test(leadership_is_handed_over),
        cmocka_unit_test(members_are_changed),
        cmocka_unit_test(what_is_no_member_is_malformed),
        cmocka_unit_test(each_refusal_has_its_code),
        cmocka_unit_test(without_a_leader_no_member_is_changed),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}

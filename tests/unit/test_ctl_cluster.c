#define _GNU_SOURCE 1 /* strcasestr */
/* florinctl's commands for members against scripted nodes: what is waited for, what is done
 * already, what a repeat finds. */
#include "tests/unit/ctl_fixture.h"

#define LEADER                                                                                     \
    "{\"node\":1,\"state\":\"leader\",\"leader\":1,\"last_index\":90,\"members\":["                \
    "{\"id\":1,\"address\":\"127.0.0.1:1\",\"role\":\"voter\",\"connected\":true},"                \
    "{\"id\":4,\"address\":\"127.0.0.1:4\",\"role\":\"%s\",\"connected\":%s,\"match_index\":30}]," \
    "\"copies\":[%s]}"

#define NOT_CAUGHT_UP "{\"code\":\"not_caught_up\",\"detail\":\"It has entry 30 of 90.\"}"
#define BUSY          "{\"code\":\"membership_busy\"}"
#define FAR                                                                                        \
    "{\"node\":1,\"state\":\"leader\",\"last_index\":5000,\"members\":["                           \
    "{\"id\":4,\"role\":\"standby\",\"connected\":true,\"match_index\":3000}]}"
#define NEAR                                                                                       \
    "{\"node\":1,\"state\":\"leader\",\"last_index\":5000,\"members\":["                           \
    "{\"id\":4,\"role\":\"standby\",\"connected\":true,\"match_index\":4990}]}"
#define VOTERS                                                                                     \
    "{\"node\":1,\"state\":\"leader\",\"leader\":1,\"members\":["                                  \
    "{\"id\":1,\"address\":\"127.0.0.1:1\",\"role\":\"voter\"},"                                   \
    "{\"id\":4,\"address\":\"127.0.0.1:4\",\"role\":\"voter\"}]}"

static int run(struct rig *r, ctl_command_fn *command, char *one, char *two, char *three)
{
    char *args[] = {one, two, three, NULL};
    int n = one == NULL ? 0 : two == NULL ? 1 : three == NULL ? 2 : 3;

    return command(&r->ctl, args, n);
}

/* The same, and what it prints. */
static int run_to(char out[static 256], struct rig *r, ctl_command_fn *command, char *one)
{
    FILE *file = tmpfile();
    int kept = dup(STDOUT_FILENO);
    size_t len;
    int rc;

    assert_non_null(file);
    fflush(stdout);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    rc = run(r, command, one, NULL, NULL);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    rewind(file);
    len = fread(out, 1, 255, file);
    out[len] = '\0';
    fclose(file);
    return rc;
}

static void promotion_waits_until_it_can_be(void **state)
{
    struct rig r = {0};

    (void)state;
    /* Far: it only looks. Near: it asks. */
    SCRIPT(&r.a, {409, NOT_CAUGHT_UP}, {200, FAR}, {200, "{}"}, {200, NEAR}, {200, "{}"},
           {409, NOT_CAUGHT_UP}, {200, NEAR}, {200, "{}"}, {200, "{\"id\":4,\"role\":\"voter\"}"});
    SCRIPT(&r.b, {503, "{}"});
    rig_open(&r);
    r.ctl.options.wait_ms = TEST_TIMEOUT_MS;
    assert_int_equal(run(&r, ctl_cluster_promote, "4", NULL, NULL), CTL_OK);
    assert_int_equal(requests(&r.a), 9);
    assert_non_null(strstr(got(&r.a, r.a.last), "POST /v1/cluster/members/4/promote HTTP/1.1\r\n"));
    assert_null(r.ctl.expected);
    rig_close(&r);
}

static void promotion_waits_no_longer_than_told(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {409, NOT_CAUGHT_UP});
    SCRIPT(&r.b, {503, "{}"});
    rig_open(&r);
    r.ctl.options.wait_ms = 1;
    assert_int_equal(run(&r, ctl_cluster_promote, "4", NULL, NULL), CTL_REFUSED);
    rig_close(&r);
}

static void another_refusal_is_not_waited_out(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {409, "{\"code\":\"no_quorum\"}"});
    SCRIPT(&r.b, {200, "{}"});
    rig_open(&r);
    r.ctl.options.wait_ms = TEST_TIMEOUT_MS;
    assert_int_equal(run(&r, ctl_cluster_promote, "4", NULL, NULL), CTL_REFUSED);
    assert_int_equal(requests(&r.a), 1);
    rig_close(&r);
}

static void a_repeated_removal_finds_its_work_done(void **state)
{
    struct rig r = {0};
    char out[256];

    (void)state;
    SCRIPT(&r.a, {504, "{}"});
    SCRIPT(&r.b, {404, "{\"code\":\"unknown_member\"}"});
    rig_open(&r);
    assert_int_equal(run_to(out, &r, ctl_cluster_remove, "4"), CTL_OK);
    assert_string_equal(out, "id       4\nremoved  true\n");
    assert_non_null(strstr(got(&r.b, r.b.last), "DELETE /v1/cluster/members/4 HTTP/1.1\r\n"));
    /* ... but who is unknown from the first is a mistake. */
    r.ctl.n_endpoints = 1;
    snprintf(r.ctl.endpoints[0], sizeof r.ctl.endpoints[0], "http://127.0.0.1:%u", r.b.port);
    assert_int_equal(run(&r, ctl_cluster_remove, "4", NULL, NULL), CTL_REFUSED);
    /* And so is a demotion that was repeated. */
    snprintf(r.ctl.endpoints[0], sizeof r.ctl.endpoints[0], "http://127.0.0.1:%u", r.a.port);
    snprintf(r.ctl.endpoints[1], sizeof r.ctl.endpoints[1], "http://127.0.0.1:%u", r.b.port);
    r.ctl.n_endpoints = 2;
    assert_int_equal(run(&r, ctl_cluster_demote, "4", NULL, NULL), CTL_REFUSED);
    rig_close(&r);
}

/* The change that is under way may be our own, of an attempt that was not answered. */
static void busy_with_our_own_change_is_waited_out(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {504, "{}"}, {200, "{\"id\":4}"});
    SCRIPT(&r.b, {409, BUSY});
    rig_open(&r);
    assert_int_equal(run(&r, ctl_cluster_demote, "4", NULL, NULL), CTL_OK);
    assert_int_equal(requests(&r.a), 2);
    rig_close(&r);
}

static void busy_with_another_change_is_said(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {409, BUSY});
    SCRIPT(&r.b, {200, "{}"});
    rig_open(&r);
    assert_int_equal(run(&r, ctl_cluster_add, "4", "127.0.0.1:4", NULL), CTL_REFUSED);
    assert_int_equal(requests(&r.b), 0);
    assert_non_null(strstr(got(&r.a, r.a.last), "\r\n\r\n{\"id\":4,\"address\":\"127.0.0.1:4\"}"));
    rig_close(&r);
}

/* It is not the last word: a successor may be found in a moment. */
static void a_leader_that_finds_no_successor_is_asked_again(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {409, "{\"code\":\"no_successor\"}"}, {200, "{\"id\":4}"});
    rig_open(&r);
    r.ctl.n_endpoints = 1;
    assert_int_equal(run(&r, ctl_cluster_remove, "4", NULL, NULL), CTL_OK);
    assert_int_equal(requests(&r.a), 2);
    rig_close(&r);
}

/* ... and when time is up it is the answer, not "no node could answer". */
static void a_refusal_that_stays_is_the_answer(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {409, "{\"code\":\"no_successor\"}"});
    rig_open(&r);
    r.ctl.n_endpoints = 1;
    r.ctl.options.timeout_ms = 200;
    assert_int_equal(run(&r, ctl_cluster_remove, "4", NULL, NULL), CTL_REFUSED);
    assert_true(requests(&r.a) > 1);
    rig_close(&r);
}

static void a_replacement_goes_on_where_it_was(void **state)
{
    struct rig r = {0};

    (void)state;
    /* The new one has its vote already: only the old one is removed. */
    SCRIPT(&r.a, {200, VOTERS}, {200, "{}"}, {200, "{\"id\":1}"}, {200, VOTERS});
    rig_open(&r);
    r.ctl.n_endpoints = 1;
    assert_int_equal(run(&r, ctl_cluster_replace, "1", "4", "127.0.0.1:4"), CTL_OK);
    assert_int_equal(requests(&r.a), 5);
    /* All of it is done: nothing is changed, whatever the nodes would say to a change. */
    assert_int_equal(run(&r, ctl_cluster_replace, "3", "4", "127.0.0.1:4"), CTL_OK);
    rig_close(&r);
}

static void a_replacement_that_can_not_be(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {200, VOTERS});
    rig_open(&r);
    r.ctl.n_endpoints = 1;
    assert_int_equal(run(&r, ctl_cluster_replace, "1", "1", "127.0.0.1:4"), CTL_USAGE);
    assert_int_equal(run(&r, ctl_cluster_replace, "1", "x", "127.0.0.1:4"), CTL_USAGE);
    assert_int_equal(requests(&r.a), 0);
    assert_int_equal(run(&r, ctl_cluster_replace, "2", "3", "127.0.0.1:4"), CTL_REFUSED);
    assert_int_equal(run(&r, ctl_cluster_replace, "1", "4", "127.0.0.1:5"), CTL_REFUSED);
    assert_null(strstr(got(&r.a, r.a.first), "POST"));
    assert_null(strstr(got(&r.a, r.a.last), "POST"));
    rig_close(&r);
}

static void view(struct rig *r, struct ctl_view *v, const char *role, const char *connected,
                 const char *copies)
{
    static char body[1024];

    snprintf(body, sizeof body, LEADER, role, connected, copies);
    r->a.script[0] = (struct reply_line){200, body};
    r->a.n_script = 1;
    ctl_view_take(&r->ctl, v);
}

static void progress_is_told(void **state)
{
    struct rig r = {0};
    struct ctl_view v;
    char text[160];

    (void)state;
    SCRIPT(&r.a, {200, "{}"});
    rig_open(&r);
    r.ctl.n_endpoints = 1;

    view(&r, &v, "standby", "true",
         "{\"direction\":\"sending\",\"peer\":3,\"bytes\":1,\"total\":1},"
         "{\"direction\":\"sending\",\"peer\":4,\"bytes\":3145728,\"total\":12582912,"
         "\"percent\":25,\"bytes_per_s\":1048576}");
    ctl_view_progress(&v, 4, text, sizeof text);
    assert_string_equal(text, "gets the state: 3.0 of 12.0 MiB, 25 %, 1.0 MiB/s");
    assert_true(ctl_view_behind(&v, 4));
    assert_false(ctl_view_behind(&v, 1));
    ctl_view_release(&v);

    view(&r, &v, "standby", "true", "");
    ctl_view_progress(&v, 4, text, sizeof text);
    assert_string_equal(text, "has entry 30 of 90 of the log");
    assert_false(ctl_view_behind(&v, 4));
    ctl_view_progress(&v, 9, text, sizeof text);
    assert_string_equal(text, "it is not a member");
    ctl_view_release(&v);

    view(&r, &v, "standby", "false", "");
    ctl_view_progress(&v, 4, text, sizeof text);
    assert_string_equal(text, "not connected: does it run, and is its address right?");
    assert_true(ctl_view_behind(&v, 4));
    ctl_view_release(&v);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(promotion_waits_until_it_can_be),
        cmocka_unit_test(promotion_waits_no_longer_than_told),
        cmocka_unit_test(another_refusal_is_not_waited_out),
        cmocka_unit_test(a_repeated_removal_finds_its_work_done),
        cmocka_unit_test(busy_with_our_own_change_is_waited_out),
        cmocka_unit_test(busy_with_another_change_is_said),
        cmocka_unit_test(a_leader_that_finds_no_successor_is_asked_again),
        cmocka_unit_test(a_refusal_that_stays_is_the_answer),
        cmocka_unit_test(a_replacement_goes_on_where_it_was),
        cmocka_unit_test(a_replacement_that_can_not_be),
        cmocka_unit_test(progress_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a leader says in its log about the work that followers forward, by the names of the
 * requests; and what is urgent. */
#include "tests/unit/replica_host.h"

#include <stdio.h>
#include <string.h>

#include "consensus/entry.h"
#include "consensus/replica_private.h"

static void must(int rc, const struct fault *fault)
{
    if (rc != 0) {
        fail_msg("%s", fault->text);
    }
}

/* One that leads by itself. */
static struct host *leader(void)
{
    struct host *h = host_new(1);

    host_pump(h);
    host_write_all(h);
    assert_true(driver_is_leader(replica_driver(h->replica)));
    return h;
}

/* A command comes in from node 2 under this name; NULL: from a node of before the names. */
static void forwarded(struct host *h, uint64_t request, const char *name, bool urgent)
{
    struct forward f = {.request = request,
                        .kind = TICKET_COMMANDS,
                        .timeout_ms = HOST_TIMEOUT_MS,
                        .n_commands = 1,
                        .name = slice_of(name),
                        .urgent = urgent};
    struct bytes in, frame, names;

    bytes_init(&in);
    bytes_init(&frame);
    bytes_init(&names);
    frame_append(&in, "a", 1);
    f.bytes = (struct slice){(const char *)in.base, in.len};
    forward_append(&frame, &names, &f);
    if (name != NULL) {
        bytes_append(&frame, names.base, names.len);
    }
    assert_int_equal(
        replica_take_forward(h->replica, 2, (struct slice){(const char *)frame.base, frame.len}),
        0);
    bytes_release(&in);
    bytes_release(&frame);
    bytes_release(&names);
}

static void test_slow_work_has_a_line(void **state)
{
    struct host *h = leader();

    (void)state;
    forwarded(h, 1, "quick-1", false);
    host_pump(h);
    host_write_all(h);
    assert_int_equal(h->count, 1);
    assert_int_equal(h->lines, 0);
    forwarded(h, 2, "slow-2", false);
    h->now_ms += 700;
    host_pump(h);
    host_write_all(h);
    assert_int_equal(h->count, 2);
    assert_string_equal(h->line, "a forwarded request was slow: request=slow-2 from_node=2 "
                                 "kind=commands outcome=done ms=700");
    host_free(h);
}

static void test_refused_work_has_a_line(void **state)
{
    struct host *h = leader();
    int i;

    (void)state;
    for (i = 0; i < 40; i++) { /* ten may be under way */
        forwarded(h, (uint64_t)i + 1, i == 10 ? "first-too-many" : "more", false);
        if (i == 10) {
            assert_string_equal(h->line, "a forwarded request was not done: request=first-too-many "
                                         "from_node=2 kind=commands outcome=overloaded ms=0");
        }
    }
    assert_int_equal(h->lines, 10); /* that is known by now */
    h->now_ms += 1000;
    forwarded(h, 99, "", false);
    assert_int_equal(h->lines, 11);
    assert_non_null(strstr(h->line, "request=- "));
    host_free(h);
}

static void test_work_without_names(void **state)
{
    struct host *h = leader();

    (void)state;
    forwarded(h, 1, NULL, false);
    host_pump(h);
    host_write_all(h);
    assert_int_equal(h->count, 1);
    host_free(h);
}

static void test_urgent_work_finds_room(void **state)
{
    struct host *h = leader();
    struct ticket *own;
    struct fault fault;

    (void)state;
    must(replica_room(h->replica, true, &fault), &fault);
    forwarded(h, 1, "plain", false);
    forwarded(h, 2, "urgent", true);
    own = ticket_new(TICKET_COMMANDS);
    frame_append(&own->in, "a", 1);
    own->n_commands = 1;
    own->urgent = true;
    assert_int_equal(gate_hand_in(h->gate, own, HOST_TIMEOUT_MS), RESULT_OK);
    host_pump(h);
    host_write_all(h);
    assert_int_equal(h->count, 2);
    assert_true(ticket_is_done(own));
    assert_int_equal(own->result, RESULT_OK);
    ticket_release(own);
    assert_string_equal(h->line, "a forwarded request was not done: request=plain from_node=2 "
                                 "kind=commands outcome=no_room ms=0");
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_work_has_a_line),
        cmocka_unit_test(test_refused_work_has_a_line),
        cmocka_unit_test(test_work_without_names),
        cmocka_unit_test(test_urgent_work_finds_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

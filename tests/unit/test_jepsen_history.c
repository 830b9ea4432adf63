/* Histories that are refused, and why. What is taken is test_jepsen_checker.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "jepsen/edn.h"
#include "jepsen/history.h"

static void histories_that_are_none(void **state)
{
    static const struct {
        const char *text, *fault;
    } bad[] = {
        {"{:type :invoke", "line 1: not EDN"},
        {"{:type :invoke, :f :bet, :process 1, :time 1, :value {:provider \"d\" :id \"b\"}}",
         "player"},
        {"{:type :invoke, :f :fly, :process 1, :time 1, :value {}}", "unknown: fly"},
        {"\n{:type :ok, :f :bet, :process 1, :time 1, :value {}}", "line 2: process 1 ends what"},
        {"{:type :invoke, :f :bet, :process 4194304, :time 1, :value {}}", "process"},
        {"{:type :invoke, :f :ledger, :process 1, :time 1, :value {}}\n"
         "{:type :info, :f :ledger, :process 1, :time 2, :value {}}\n"
         "{:type :invoke, :f :ledger, :process 1, :time 3, :value {}}",
         "line 3: process 1 ended in :info before"},
        {"{:type :invoke, :f :ledger, :process 1, :time 1, :value {}}\n"
         "{:type :invoke, :f :ledger, :process 1, :time 3, :value {}}",
         "has not ended what it began"},
        {"{:type :invoke, :f :ledger, :process 1, :time 9223372036854775808, :value {}}",
         "no 64-bit integer"},
        {"{:type :invoke, :f :ledger, :process 1, :time 2, :value {}}\n"
         "{:type :ok, :f :ledger, :process 1, :time 1, :value {}}",
         "ends before it was invoked"},
        {"{:type :info :f :x :process :nemesis :time 1 :value {:nodes [64]}}", "nodes"},
        {"[[[[[[[[[[1]]]]]]]]]]", "too many values"},
        {"{1 2}", "no keyword"},
        {"{:a \"\\q\"}", "escape"},
        {"{:a} ", "without its end"},
        {"{} {}", "behind the value"},
    };
    struct history h;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        history_init(&h);
        assert_int_equal(history_parse(&h, slice_of(bad[i].text), &fault), -1);
        if (strstr(fault.text, bad[i].fault) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", fault.text, bad[i].fault);
        }
        history_release(&h);
    }
}

/* Each kind of value, its bounds, and the way through collections. */
static void values(void **state)
{
    static const char text[] =
        "{:n -9223372036854775808, :s \"a\\\"\\n\" :v [1 [2 3] {:x nil}] :t true}";
    struct edn e;
    struct fault fault;
    struct bytes plain;
    const struct edn_node *item, *v;

    (void)state;
    assert_int_equal(edn_parse(slice_of(text), &e, &fault), 0);
    assert_true(edn_get(&e, &e.nodes[0], "n")->integer == INT64_MIN);
    assert_int_equal(edn_get(&e, &e.nodes[0], "t")->integer, 1);
    assert_null(edn_get(&e, &e.nodes[0], "x")); /* that of another map */
    v = edn_get(&e, &e.nodes[0], "v");
    item = edn_first(&e, v);
    assert_int_equal(item->integer, 1);
    item = edn_next(&e, v, item);
    assert_int_equal(item->kind, EDN_VECTOR);
    item = edn_next(&e, v, item);
    assert_int_equal(item->kind, EDN_MAP);
    assert_null(edn_get(&e, item, "x")); /* nil is absent */
    assert_null(edn_next(&e, v, item));
    bytes_init(&plain);
    edn_unescape(edn_get(&e, &e.nodes[0], "s")->text, &plain);
    assert_int_equal(plain.len, 3);
    assert_memory_equal(plain.base, "a\"\n", 3);
    bytes_release(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_that_are_none),
        cmocka_unit_test(values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#define _GNU_SOURCE 1 /* strcasestr */
/* florinctl audit --verify: what it takes for whole, and what it finds. The pages are those that
 * the API makes of a real ledger, with one thing changed. */
#include "tests/unit/ctl_fixture.h"

#include "api/render.h"
#include "tests/unit/ledger_fixture.h"

enum { PAGE_MAX = 8192 };

/* The answers in the order in which they are asked for: the actions; then, for each place in the
 * ledger, the record there and the next. */
struct pages {
    char actions[PAGE_MAX], first[PAGE_MAX], second[PAGE_MAX];
    char early[PAGE_MAX], late[PAGE_MAX]; /* the actions but the last, and that one */
};

static void apply(struct fixture *f, struct command c)
{
    if (fixture_apply(f, &c) != 0 || f->outcome.verdict != VERDICT_APPLIED) {
        fail_msg("%s", f->fault.text);
    }
}

static void by_olga(struct command *c, uint64_t origin)
{
    c->origin = origin;
    c->by[0] = (struct actor){slice_of("olga"), slice_of("k1"), slice_of("::1"),
                              slice_of("r-1"),  ROLE_OPERATOR,  2};
    c->n_by = 1;
}

static struct command asked(const char *what, uint64_t origin)
{
    struct command c = {.type = COMMAND_ACTION, .id = slice_of(what)};

    by_olga(&c, origin);
    c.note = slice_of("a \"note\"");
    return c;
}

static void ask(struct fixture *f, struct query q, const char *list, char page[static PAGE_MAX])
{
    struct bytes in, out, text;
    struct answer a;
    struct action action;
    struct record r;
    struct writer w;
    bool broken;

    bytes_init(&in);
    bytes_init(&out);
    bytes_init(&text);
    query_encode(&q, &in);
    assert_int_equal(machine_query(f->machine, in.base, in.len, &out, &broken, &f->fault), 0);
    assert_int_equal(answer_decode(out.base, out.len, &a, &f->fault), 0);
    writer_init(&w, &text, FORM_JSON);
    writer_open_map(&w);
    writer_key(&w, list);
    writer_open_list(&w);
    while (q.type == QUERY_ACTIONS ? answer_next_action(&a, &action, &f->fault) == 1
                                   : answer_next_record(&a, &r, &f->fault) == 1) {
        writer_open_map(&w);
        if (q.type == QUERY_ACTIONS) {
            render_action(&w, &action);
        } else {
            render_entry(&w, &r);
        }
        writer_close_map(&w);
    }
    writer_close_list(&w);
    writer_key(&w, "next");
    writer_null(&w);
    writer_close_map(&w);
    assert_true(text.len < PAGE_MAX);
    memcpy(page, text.base, text.len);
    page[text.len] = '\0';
    bytes_release(&in);
    bytes_release(&out);
    bytes_release(&text);
}

/* Refused by a code that a refused deposit has, too. */
static void end_exclusion(struct fixture *f, uint64_t origin)
{
    struct command c = {.type = COMMAND_PLAYER_UPDATE, .sets = SET_STATUS};

    c.player = slice_of("alice");
    c.status = PLAYER_SELF_EXCLUDED;
    apply(f, c);
    c.status = PLAYER_ACTIVE;
    by_olga(&c, origin);
    assert_int_equal(fixture_apply(f, &c), 0);
    assert_int_equal(f->outcome.verdict, VERDICT_FORBIDDEN_CHANGE);
}

/* Two actions, a win, a refused one and one more, a win. */
static int make_pages(void **state)
{
    static const char *const players[] = {"alice"};
    struct pages *p = calloc(1, sizeof *p);
    struct fixture f;

    *state = p;
    fixture_open(&f, 1);
    assert_int_equal(fixture_world(&f, players, 1), 0);
    apply(&f, money(COMMAND_WIN, "demo", "w1", "alice", "EUR", 1));
    apply(&f, asked("one", 1));
    apply(&f, asked("two", 2));
    apply(&f, money(COMMAND_WIN, "demo", "w2", "alice", "EUR", 1));
    end_exclusion(&f, 3);
    apply(&f, asked("three", 4));
    apply(&f, money(COMMAND_WIN, "demo", "w3", "alice", "EUR", 1));
    uint64_t seq = machine_sequence(f.machine);
    ask(&f, (struct query){.type = QUERY_ACTIONS, .limit = 10}, "actions", p->actions);
    ask(&f, (struct query){.type = QUERY_ACTIONS, .limit = 3}, "actions", p->early);
    ask(&f, (struct query){.type = QUERY_ACTIONS, .seq = 4, .limit = 1}, "actions", p->late);
    ask(&f, (struct query){.type = QUERY_LEDGER, .seq = seq - 2, .limit = 2}, "entries", p->first);
    ask(&f, (struct query){.type = QUERY_LEDGER, .seq = seq - 1, .limit = 2}, "entries", p->second);
    fixture_close(&f);
    return 0;
}

static int free_pages(void **state)
{
    free(*state);
    return 0;
}

/* Answered one after the other; the last one again and again. */
static int verify_answers(const char *const *pages, unsigned n)
{
    struct rig r = {0};
    unsigned i;
    int rc;

    for (i = 0; i < n; i++) {
        r.a.script[i] = (struct reply_line){200, pages[i]};
    }
    r.a.n_script = n;
    SCRIPT(&r.b, {500, ""});
    rig_open(&r);
    r.ctl.options.verify = true;
    rc = ctl_audit(&r.ctl, NULL, 0);
    rig_close(&r);
    return rc;
}

static int verify(const struct pages *p)
{
    const char *const answers[] = {p->actions, p->first, p->second};

    return verify_answers(answers, 3);
}

/* Puts `new` in place of the nth `old` of a page; both are of the same length. */
static void change(char *page, int nth, const char *old, const char *new)
{
    assert_int_equal(strlen(old), strlen(new));
    while (nth-- > 0 && page != NULL) {
        page = strstr(page + 1, old);
    }
    assert_non_null(page);
    memcpy(page, new, strlen(new));
}

static void what_is_whole_is_taken(void **state)
{
    assert_int_equal(verify(*state), CTL_OK);
}

static void what_was_changed_is_found(void **state)
{
    const struct pages *good = *state;
    static const struct {
        int page, nth;
        const char *old, *new;
    } changes[] = {
        {0, 1, "\"olga\"", "\"otto\""},
        {0, 2, "::1", "::2"},
        {0, 1, "\"three\"", "\"thief\""},
        {0, 2, "a \\\"note", "b \\\"note"},
        {0, 1, "\"asked\"", "\"limit\""},
        {0, 1, "\"number\":2", "\"number\":4"},
        {0, 2, "\"operator\"", "\"platform\""},
        {1, 1, "\"action\":2", "\"action\":1"},
        {1, 1, "\"action\":", "\"actiom\":"}, /* as if it were not there */
        {2, 1, "\"w2\"", "\"w9\""},
        {2, 1, "\"entries\"", "\"nothing\""},
    };
    size_t i;

    for (i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct pages p = *good;
        char *page = changes[i].page == 0 ? p.actions : changes[i].page == 1 ? p.first : p.second;

        change(page, changes[i].nth, changes[i].old, changes[i].new);
        if (verify(&p) != CTL_REFUSED) {
            fail_msg("'%s' for '%s' was not found", changes[i].new, changes[i].old);
        }
    }
}

/* The last action was made after the others were read, and a win after it before the ledger was. */
static void what_comes_meanwhile_is_read(void **state)
{
    const struct pages *p = *state;
    const char *const answers[] = {p->early, p->first, p->second, p->late, p->second};

    assert_int_equal(verify_answers(answers, 5), CTL_OK);
}

static void what_the_ledger_holds_is_missed(void **state)
{
    const struct pages *p = *state;
    const char *const answers[] = {p->early, p->first, p->second, "{\"actions\":[]}", p->second};

    assert_int_equal(verify_answers(answers, 5), CTL_REFUSED);
}

static void one_way_at_a_time(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {200, "{}"});
    SCRIPT(&r.b, {200, "{}"});
    rig_open(&r);
    r.ctl.options.from = r.ctl.options.before = 3;
    assert_int_equal(ctl_audit(&r.ctl, NULL, 0), CTL_USAGE);
    r.ctl.options.verify = true;
    assert_int_equal(ctl_audit(&r.ctl, NULL, 0), CTL_USAGE);
    r.ctl.options = (struct ctl_options){.timeout_ms = TEST_TIMEOUT_MS, .before = 3, .limit = 2};
    assert_int_equal(ctl_audit(&r.ctl, NULL, 0), CTL_UNAVAILABLE); /* no list came */
    assert_non_null(strstr(got(&r.a, r.a.last), "GET /v1/audit?before=3&limit=2 "));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_whole_is_taken, make_pages, free_pages),
        cmocka_unit_test_setup_teardown(what_was_changed_is_found, make_pages, free_pages),
        cmocka_unit_test_setup_teardown(what_comes_meanwhile_is_read, make_pages, free_pages),
        cmocka_unit_test_setup_teardown(what_the_ledger_holds_is_missed, make_pages, free_pages),
        cmocka_unit_test(one_way_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

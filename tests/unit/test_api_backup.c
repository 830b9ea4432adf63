/* Backup and audit over HTTP: who may, what stands in the way, what is answered. The vault is a
 * fake: the node's own has its test. */
#include "tests/unit/api_fixture.h"

enum { BACKUP_BYTES = 3 << 20 };

struct vault_backup {
    uint64_t given;
};

/* What it does is set by the tests before they call; the server's threads only read it. */
struct fake {
    enum vault_result result;
    bool cut_off;
    struct vault_backup backup;
    unsigned begun, ended;
};

static enum vault_result fake_begin(void *impl, struct vault_backup **backup, struct fault *fault)
{
    struct fake *f = impl;

    f->begun++;
    f->backup.given = f->cut_off ? 1 : 0; /* an odd number never reaches the end */
    *backup = &f->backup;
    fault_set(fault, "the disk is gone");
    return f->result;
}

static int64_t fake_read(struct vault_backup *b, void *data, size_t cap, struct fault *fault)
{
    uint64_t left = BACKUP_BYTES - b->given / 2;
    size_t n = left < cap ? (size_t)left : cap;

    if (b->given % 2 == 1 && b->given > BACKUP_BYTES) {
        return fault_set(fault, "taken too slowly");
    }
    memset(data, 'x', n);
    b->given += 2 * n;
    return (int64_t)n;
}

static void fake_end(struct vault_backup *b)
{
    struct fake *f = (struct fake *)((char *)b - offsetof(struct fake, backup));

    f->ended++;
}

static enum vault_result fake_audit(void *impl, struct audit_report *report,
                                    struct backup_seal *seal, struct fault *fault)
{
    struct fake *f = impl;

    *seal = (struct backup_seal){.node_id = 2, .seq = 7, .applied_index = 9};
    *report = (struct audit_report){.records = 7, .players = 3, .balances = 4};
    if (f->result == VAULT_OK) {
        report->totals = calloc(2, sizeof *report->totals);
        report->n_totals = 2;
        report->totals[0] = (struct audit_total){"EUR", 2, true, 1250, -200, -1100, 50};
        report->totals[1] = (struct audit_total){"XXL", 2, false, 0, 0, 0, 0};
    }
    fault_set(fault, "audit: ledger record 3: the hash chain is broken here");
    return f->result;
}

struct served {
    struct rig *rig;
    struct fake fake;
};

static int open_served(void **state)
{
    struct served *s = calloc(1, sizeof *s);
    const struct vault vault = {&s->fake, fake_begin, fake_read, fake_end, fake_audit};
    void *rig;
    int rv = rig_open_with(&rig, &vault);

    s->rig = rig;
    *state = s;
    return rv;
}

static int close_served(void **state)
{
    struct served *s = *state;
    void *rig = s->rig;

    rig_close(&rig);
    free(s);
    return 0;
}

static int reset(void **state)
{
    struct served *s = *state;

    s->fake = (struct fake){.result = VAULT_OK};
    return 0;
}

static void a_backup_is_streamed(void **state)
{
    struct served *s = *state;
    struct rig *r = s->rig;

    r->key = "operator";
    rig_get(r, "/v1/backup");
    assert_status(r, 200);
    assert_int_equal(r->body.len - 1, BACKUP_BYTES);
    assert_true(rig_header(r, "Content-Type: application/octet-stream"));
    assert_true(rig_header(r, "Connection: close"));
    assert_int_equal(s->fake.ended, 1);
    rig_send(r, "HEAD", "/v1/backup", NULL, 0);
    assert_int_equal(r->status, 200);
    assert_int_equal(s->fake.begun, 1); /* nothing was made for it */
}

static void one_that_was_cut_off_is_shorter(void **state)
{
    struct served *s = *state;

    s->fake.cut_off = true;
    s->rig->key = "operator";
    rig_get(s->rig, "/v1/backup");
    assert_true(s->rig->body.len - 1 < BACKUP_BYTES);
    assert_int_equal(s->fake.ended, 1);
}

static void only_who_may(void **state)
{
    struct served *s = *state;
    static const char *const others[] = {"provider", "platform", "gateway"};
    size_t i;

    for (i = 0; i < 3; i++) {
        s->rig->key = others[i];
        rig_get(s->rig, "/v1/backup");
        assert_problem(s->rig, 403, "forbidden");
        rig_post(s->rig, "/v1/verify", "{}");
        assert_problem(s->rig, 403, "forbidden");
    }
    s->rig->key = "auditor"; /* keys' hashes are in a backup */
    rig_get(s->rig, "/v1/backup");
    assert_problem(s->rig, 403, "forbidden");
    rig_post(s->rig, "/v1/verify", "{}");
    assert_status(s->rig, 200);
    assert_int_equal(s->fake.begun, 0);
}

static void what_stands_in_the_way_is_said(void **state)
{
    struct served *s = *state;
    static const struct {
        enum vault_result result;
        long status;
        const char *code;
    } cases[] = {{VAULT_BUSY, 503, "overloaded"},
                 {VAULT_AWAY, 503, "unavailable"},
                 {VAULT_BROKEN, 500, "internal"}};
    size_t i;

    s->rig->key = "operator";
    for (i = 0; i < 3; i++) {
        s->fake.result = cases[i].result;
        rig_get(s->rig, "/v1/backup");
        assert_problem(s->rig, cases[i].status, cases[i].code);
        rig_post(s->rig, "/v1/verify", "{}");
        assert_problem(s->rig, cases[i].status, cases[i].code);
    }
    assert_int_equal(s->fake.ended, 0);
}

/* Nobody knows what was acknowledged, so nothing is called complete. */
static void without_a_leader_only_what_is_here(void **state)
{
    struct served *s = *state;
    struct rig *r = s->rig;
    uint64_t began_ms;

    r->key = "operator";
    rig_get(r, "/v1/backup"); /* the key is known from here on */
    assert_status(r, 200);
    backend_set_mode(&r->backend, LEAVE_QUEUED);
    r->headers = "Florin-Timeout-Ms: 100";
    rig_get(r, "/v1/backup");
    assert_problem(r, 503, "unavailable");
    /* Nor does anybody's hurry keep it out of the ledger, should there be one after all. */
    r->headers = "Florin-Timeout-Ms: 1";
    began_ms = backend_now_ms(NULL);
    rig_get(r, "/v1/backup?consistency=stale");
    assert_status(r, 200);
    assert_true(backend_now_ms(NULL) - began_ms >= 1000);
    assert_int_equal(r->body.len - 1, BACKUP_BYTES);
    backend_set_mode(&r->backend, SERVE);
}

static void an_audit_tells_what_it_found(void **state)
{
    struct served *s = *state;
    struct rig *r = s->rig;

    r->key = "operator";
    rig_send(r, "POST", "/v1/verify", NULL, 0);
    assert_status(r, 200);
    assert_true(rig_true(r, "verified"));
    assert_int_equal(rig_number(r, "seq"), 7);
    assert_int_equal(rig_number(r, "applied_index"), 9);
    assert_int_equal(rig_number(r, "players"), 3);
    assert_int_equal(rig_number(r, "balances"), 4);
    assert_false(rig_has(r, "breaks"));
    assert_string_equal(json_text(rig_item(r, "currencies", 0), "players"), "12.50");
    assert_string_equal(json_text(rig_item(r, "currencies", 0), "gateways"), "-11.00");
    assert_string_equal(json_text(rig_item(r, "currencies", 0), "sum"), "0.00");
    assert_string_equal(json_text(rig_item(r, "currencies", 1), "players"), "(none)");

    s->fake.result = VAULT_UNSOUND;
    rig_post(r, "/v1/verify", "{}");
    assert_status(r, 200);
    assert_false(rig_true(r, "verified"));
    assert_non_null(strstr(rig_text(r, "breaks"), "record 3"));
    rig_post(r, "/v1/verify", "{\"deep\":true}");
    assert_problem(r, 400, "unknown_field");
}

/* Who may only read must not be able to fill the ledger with the records of it. */
static void audits_come_one_by_one(void **state)
{
    struct served *s = *state;
    struct rig *r = s->rig;
    unsigned n = 0;

    r->key = "auditor";
    do {
        rig_post(r, "/v1/verify", "{}");
    } while (r->status == 200 && ++n < 100);
    assert_problem(r, 429, "rate_limited");
    assert_non_null(strstr((const char *)r->head.base, "\r\nRetry-After: "));
    assert_in_range(n, 10, 99);
    r->key = "operator"; /* is not held up by it */
    rig_post(r, "/v1/verify", "{}");
    assert_status(r, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_backup_is_streamed, reset),
        cmocka_unit_test_setup(one_that_was_cut_off_is_shorter, reset),
        cmocka_unit_test_setup(only_who_may, reset),
        cmocka_unit_test_setup(what_stands_in_the_way_is_said, reset),
        cmocka_unit_test_setup(without_a_leader_only_what_is_here, reset),
        cmocka_unit_test_setup(an_audit_tells_what_it_found, reset),
        cmocka_unit_test_setup(audits_come_one_by_one, reset),
    };

    return cmocka_run_group_tests(tests, open_served, close_served);
}

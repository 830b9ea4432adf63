/* The ledger page by page: to read, or to verify as a whole. */
#include "cluster-config/ctl.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "cluster-config/ledger_json.h"
#include "cluster-config/ledger_verify.h"

enum { PAGE = 1000, PATH_BYTES = 256 };

static int page_fetch(struct ctl *ctl, uint64_t from, uint64_t limit, struct ctl_reply *reply)
{
    char path[PATH_BYTES] = "/v1/ledger";
    int rc;

    ctl_path_add_number(path, sizeof path, "from", from);
    if (limit != 0) {
        ctl_path_add_number(path, sizeof path, "limit", limit);
    }
    if (ctl->options.stale) {
        ctl_path_add(path, sizeof path, "consistency", "stale");
    }
    rc = ctl_call(ctl, path, NULL, reply);
    if (rc == CTL_OK && !json_is_array(json_object_get(reply->body, "entries"))) {
        rc = ctl_fail(CTL_UNAVAILABLE, "the answer has no list \"entries\"");
    }
    return rc;
}

static int list(struct ctl *ctl)
{
    static const char *const columns[] = {"seq",     "at",      "type",   "provider",
                                          "id",      "player",  "amount", "currency",
                                          "balance", "outcome", NULL};
    struct ctl_reply reply = {0};
    int rc =
        page_fetch(ctl, ctl->options.from != 0 ? ctl->options.from : 1, ctl->options.limit, &reply);

    if (rc == CTL_OK) {
        rc = ctl->options.json ? ctl_show_json(reply.body)
                               : ctl_show_rows(json_object_get(reply.body, "entries"), columns);
    }
    ctl_reply_release(&reply);
    return rc;
}

/* Tells the verifier where the ids of the record's principal are unique. A payment that does not
 * come from its gateway comes from a platform, which has no such policy. */
static int learn_ids(struct ctl *ctl, struct ledger_verifier *v, const struct record *r)
{
    bool by_gateway = slice_equal(r->principal, r->gateway);
    enum ids_scope scope = IDS_PER_PRINCIPAL;
    struct ctl_reply reply = {0};
    char path[PATH_BYTES];
    const char *text;
    int rc = CTL_OK;

    if (by_gateway || r->gateway.len == 0) {
        snprintf(path, sizeof path, "/v1/%s/%.*s", by_gateway ? "gateways" : "providers",
                 (int)r->principal.len, r->principal.base);
        rc = ctl_call(ctl, path, NULL, &reply);
        text = json_string_value(json_object_get(reply.body, "ids_scope"));
        if (rc == CTL_OK && (text == NULL || ids_scope_parse(slice_of(text), &scope) != 0)) {
            rc = ctl_fail(CTL_UNAVAILABLE, "the answer to %s has no \"ids_scope\" that is known",
                          path);
        }
    }
    if (rc == CTL_OK) {
        ledger_verifier_ids(v, r->principal, scope);
    }
    ctl_reply_release(&reply);
    return rc;
}

/* Feeds one page; *next is where the next begins, 0 at the end. CTL_REFUSED with the fault when
 * the ledger breaks. */
static int page_verify(struct ctl *ctl, struct ledger_verifier *v, uint64_t *next,
                       struct fault *fault)
{
    struct ctl_reply reply = {0};
    int rc = page_fetch(ctl, *next, PAGE, &reply);
    const json_t *entries = json_object_get(reply.body, "entries");
    uint8_t hash[HASH_BYTES];
    json_t *entry;
    size_t i;

    json_array_foreach(entries, i, entry)
    {
        struct record r;

        if (rc == CTL_OK && ledger_record_from_json(entry, &r, fault) != 0) {
            struct fault why = *fault;
            fault_set(fault, "seq %" PRIu64 ": %.400s", ledger_verifier_head(v, hash) + 1,
                      why.text);
            rc = CTL_REFUSED;
        }
        if (rc == CTL_OK && !ledger_verifier_knows(v, r.principal)) {
            rc = learn_ids(ctl, v, &r);
        }
        if (rc == CTL_OK && ledger_verifier_add(v, &r, fault) != 0) {
            rc = CTL_REFUSED;
        }
    }
    *next = (uint64_t)json_integer_value(json_object_get(reply.body, "next"));
    if (json_array_size(entries) == 0) {
        *next = 0;
    }
    ctl_reply_release(&reply);
    return rc;
}

static json_t *money(int64_t minor, uint8_t scale)
{
    char text[AMOUNT_TEXT_MAX];

    money_format(minor, scale, text);
    return json_string(text);
}

static json_t *totals_of(const struct ledger_verifier *v)
{
    const struct ledger_total *totals;
    size_t n = ledger_verifier_totals(v, &totals);
    json_t *rows = json_array();

    for (size_t i = 0; i < n; i++) {
        const struct ledger_total *t = &totals[i];
        json_t *row = json_object();

        json_object_set_new(row, "currency", json_string(t->currency));
        json_object_set_new(row, "players", money(t->players_minor, t->scale));
        json_object_set_new(row, "providers", money(t->providers_minor, t->scale));
        json_object_set_new(row, "gateways", money(t->gateways_minor, t->scale));
        json_object_set_new(row, "house", money(t->house_minor, t->scale));
        json_object_set_new(row, "sum", money(0, t->scale)); /* checked: it is zero */
        json_array_append_new(rows, row);
    }
    return rows;
}

static int show_verified(struct ctl *ctl, const struct ledger_verifier *v)
{
    static const char *const columns[] = {"currency", "players", "providers", "gateways",
                                          "house",    "sum",     NULL};
    uint8_t hash[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];
    uint64_t seq = ledger_verifier_head(v, hash), actions;
    json_t *totals = totals_of(v);
    int rc;

    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    if (ctl->options.json) {
        json_t *all = json_object();

        json_object_set_new(all, "verified", json_true());
        json_object_set_new(all, "seq", json_integer((json_int_t)seq));
        json_object_set_new(all, "hash", json_string(hex));
        json_object_set_new(all, "accounts", json_integer((json_int_t)ledger_verifier_accounts(v)));
        actions = ledger_verifier_actions(v, hash);
        sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
        json_object_set_new(all, "actions", json_integer((json_int_t)actions));
        json_object_set_new(all, "actions_hash", actions == 0 ? json_null() : json_string(hex));
        json_object_set_new(all, "currencies", json_incref(totals));
        rc = ctl_show_json(all);
        json_decref(all);
    } else {
        printf("verified: %" PRIu64 " entries, %zu accounts; chain head %s\n", seq,
               ledger_verifier_accounts(v), hex);
        rc = ctl_show_rows(totals, columns);
    }
    json_decref(totals);
    return rc;
}

static int verify(struct ctl *ctl)
{
    struct ledger_verifier *v = ledger_verifier_new();
    struct fault fault = {""};
    uint64_t next = 1;
    int rc = CTL_OK;

    while (rc == CTL_OK && next != 0) {
        rc = page_verify(ctl, v, &next, &fault);
    }
    if (rc == CTL_OK && ledger_verifier_finish(v, &fault) != 0) {
        rc = CTL_REFUSED;
    }
    if (rc == CTL_OK) {
        rc = show_verified(ctl, v);
    } else if (fault.text[0] != '\0') {
        if (ctl->options.json) {
            json_t *no = json_object();

            json_object_set_new(no, "verified", json_false());
            json_object_set_new(no, "breaks", json_string(fault.text));
            ctl_show_json(no);
            json_decref(no);
        }
        ctl_fail(rc, "the ledger breaks: %s", fault.text);
    }
    ledger_verifier_free(v);
    return rc;
}

int ctl_ledger(struct ctl *ctl, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    if (!ctl->options.verify) {
        return list(ctl);
    }
    if (ctl->options.from != 0 || ctl->options.limit != 0) {
        return ctl_fail(CTL_USAGE, "--verify reads the whole ledger: no --from, no --limit");
    }
    return verify(ctl);
}

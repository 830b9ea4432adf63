/* Who did what: the actions page by page, to read, or to verify as a whole.
 *
 * Verified is, from the answers alone: numbers without a gap, each action's hash over its content
 * and the action before it, the clock, and the two ends by which the actions and the ledger hold
 * each other. What the ledger's own records say among themselves, `ledger --verify` recomputes. */
#include "cluster-config/ctl.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#include "cluster-config/ledger_json.h"

enum { PAGE = 1000, PATH_BYTES = 256 };

/* Where the verification is. */
struct walk {
    uint64_t number, at_ms, seq;
    uint8_t hash[HASH_BYTES];
    uint8_t head[HASH_BYTES]; /* what the last action says of ledger record `seq` */
    uint64_t pages;           /* of the ledger, that were looked at */
    struct bytes scratch;
};

static int page_fetch(struct ctl *ctl, const char *name, uint64_t number, uint64_t limit,
                      struct ctl_reply *reply)
{
    char path[PATH_BYTES] = "/v1/audit";
    int rc;

    if (number != 0) {
        ctl_path_add_number(path, sizeof path, name, number);
    }
    if (limit != 0) {
        ctl_path_add_number(path, sizeof path, "limit", limit);
    }
    if (ctl->options.stale) {
        ctl_path_add(path, sizeof path, "consistency", "stale");
    }
    rc = ctl_call(ctl, path, NULL, reply);
    if (rc == CTL_OK && !json_is_array(json_object_get(reply->body, "actions"))) {
        rc = ctl_fail(CTL_UNAVAILABLE, "the answer has no list \"actions\"");
    }
    return rc;
}

static int list(struct ctl *ctl)
{
    static const char *const columns[] = {"number",  "at",     "principal", "role",    "key",
                                          "from",    "node",   "call",      "subject", "outcome",
                                          "request", "detail", NULL};
    bool ascending = ctl->options.from != 0;
    struct ctl_reply reply = {0};
    int rc =
        page_fetch(ctl, ascending ? "from" : "before",
                   ascending ? ctl->options.from : ctl->options.before, ctl->options.limit, &reply);

    if (rc == CTL_OK) {
        rc = ctl->options.json ? ctl_show_json(reply.body)
                               : ctl_show_rows(json_object_get(reply.body, "actions"), columns);
    }
    ctl_reply_release(&reply);
    return rc;
}

static int broken(struct fault *fault, uint64_t number, const char *what)
{
    fault_set(fault, "action %" PRIu64 ": %s", number, what);
    return CTL_REFUSED;
}

static int check_record(struct walk *walk, const struct record *r, struct fault *fault)
{
    uint8_t hash[HASH_BYTES];

    bytes_clear(&walk->scratch);
    record_encode(r, &walk->scratch);
    record_hash(r->prev_hash, walk->scratch.base, walk->scratch.len, hash);
    if (memcmp(hash, r->hash, HASH_BYTES) != 0) {
        return broken(fault, walk->number, "the ledger record beside it was changed");
    }
    if (r->seq == walk->seq && memcmp(r->hash, walk->head, HASH_BYTES) != 0) {
        return broken(fault, walk->number, "the ledger record that it holds is another one");
    }
    if (r->seq == walk->seq + 1 &&
        (r->action != walk->number || memcmp(r->action_hash, walk->hash, HASH_BYTES) != 0 ||
         memcmp(r->prev_hash, walk->head, HASH_BYTES) != 0)) {
        return broken(fault, walk->number, "the next ledger record does not hold it");
    }
    return CTL_OK;
}

/* The ledger's record at the last action, and the one behind it, which must hold that action. Or a
 * newer one, which came since the actions were read: then there is *more to read first. NULL: there
 * can be none. */
static int check_weave(struct ctl *ctl, struct walk *walk, bool *more, struct fault *fault)
{
    char path[PATH_BYTES] = "/v1/ledger?limit=2";
    struct ctl_reply reply = {0};
    const json_t *entries;
    /* One that is behind, which a stale read may come from, need not have them yet. */
    int missing = ctl->options.stale ? 0 : (walk->seq > 0) + (more == NULL);
    struct record r;
    size_t i;
    json_t *entry;
    int rc;

    ctl_path_add_number(path, sizeof path, "from", walk->seq == 0 ? 1 : walk->seq);
    if (ctl->options.stale) {
        ctl_path_add(path, sizeof path, "consistency", "stale");
    }
    rc = ctl_call(ctl, path, NULL, &reply);
    entries = json_object_get(reply.body, "entries");
    json_array_foreach(entries, i, entry)
    {
        if (rc == CTL_OK && ledger_record_from_json(entry, &r, fault) != 0) {
            rc = CTL_REFUSED;
        }
        if (rc != CTL_OK) {
            break;
        }
        if (more != NULL && r.seq == walk->seq + 1 && r.action > walk->number) {
            *more = true;
            break;
        }
        rc = check_record(walk, &r, fault);
        missing -= r.seq == walk->seq || r.seq == walk->seq + 1;
    }
    if (rc == CTL_OK && missing > 0) {
        rc = broken(fault, walk->number, "the ledger records beside it are not shown");
    }
    walk->pages++;
    ctl_reply_release(&reply);
    return rc;
}

static int check_action(struct ctl *ctl, struct walk *walk, const struct action *a,
                        struct fault *fault)
{
    uint8_t hash[HASH_BYTES];

    if (a->number != walk->number + 1) {
        return broken(fault, a->number, "it does not follow the one before it");
    }
    bytes_clear(&walk->scratch);
    action_encode(a, &walk->scratch);
    record_hash(walk->hash, walk->scratch.base, walk->scratch.len, hash);
    if (memcmp(a->prev_hash, walk->hash, HASH_BYTES) != 0 ||
        memcmp(a->hash, hash, HASH_BYTES) != 0) {
        return broken(fault, a->number, "the chain is broken here: it was changed afterwards");
    }
    if (a->at_ms < walk->at_ms || a->seq < walk->seq) {
        return broken(fault, a->number, "it is dated before the one before it");
    }
    /* The last action at one place of the ledger is the one that the next record holds. */
    if (walk->number != 0 && a->seq != walk->seq) {
        int rc = check_weave(ctl, walk, NULL, fault);
        if (rc != CTL_OK) {
            return rc;
        }
    }
    walk->number = a->number;
    walk->at_ms = a->at_ms;
    walk->seq = a->seq;
    memcpy(walk->hash, a->hash, HASH_BYTES);
    memcpy(walk->head, a->head, HASH_BYTES);
    return CTL_OK;
}

static int page_verify(struct ctl *ctl, struct walk *walk, uint64_t *next, struct fault *fault)
{
    struct ctl_reply reply = {0};
    int rc = page_fetch(ctl, "from", *next, PAGE, &reply);
    const json_t *actions = json_object_get(reply.body, "actions");
    json_t *entry;
    size_t i;

    json_array_foreach(actions, i, entry)
    {
        struct action a;

        if (rc == CTL_OK && ledger_action_from_json(entry, &a, fault) != 0) {
            struct fault why = *fault;
            fault_set(fault, "action %" PRIu64 ": %.400s", walk->number + 1, why.text);
            rc = CTL_REFUSED;
        }
        if (rc == CTL_OK) {
            rc = check_action(ctl, walk, &a, fault);
        }
    }
    *next = (uint64_t)json_integer_value(json_object_get(reply.body, "next"));
    if (json_array_size(actions) == 0) {
        *next = 0;
    }
    ctl_reply_release(&reply);
    return rc;
}

static int show_verified(const struct ctl *ctl, const struct walk *walk)
{
    char hex[2 * HASH_BYTES + 1];
    json_t *all;
    int rc;

    sodium_bin2hex(hex, sizeof hex, walk->hash, HASH_BYTES);
    if (!ctl->options.json) {
        printf("verified: %" PRIu64 " actions, held by the ledger at %" PRIu64 " places; head %s\n",
               walk->number, walk->pages, hex);
        return CTL_OK;
    }
    all = json_object();
    json_object_set_new(all, "verified", json_true());
    json_object_set_new(all, "actions", json_integer((json_int_t)walk->number));
    json_object_set_new(all, "hash", json_string(hex));
    rc = ctl_show_json(all);
    json_decref(all);
    return rc;
}

/* All actions there are, to the one that the ledger holds by now. */
static int walk_all(struct ctl *ctl, struct walk *walk, struct fault *fault)
{
    uint64_t behind = 0; /* how far it was when the ledger told of a newer one */
    bool more;
    int rc;

    do {
        uint64_t next = walk->number + 1;

        more = false;
        rc = CTL_OK;
        while (rc == CTL_OK && next != 0) {
            rc = page_verify(ctl, walk, &next, fault);
        }
        if (rc == CTL_OK && walk->number != 0) {
            /* Asked for again and not there: it is kept from us, and the ledger says so. */
            rc = check_weave(ctl, walk, walk->number == behind ? NULL : &more, fault);
        }
        behind = walk->number;
    } while (rc == CTL_OK && more);
    return rc;
}

static int verify(struct ctl *ctl)
{
    struct walk walk = {.number = 0};
    struct fault fault = {""};
    int rc;

    bytes_init(&walk.scratch);
    rc = walk_all(ctl, &walk, &fault);
    if (rc == CTL_OK) {
        rc = show_verified(ctl, &walk);
    } else if (fault.text[0] != '\0') {
        if (ctl->options.json) {
            json_t *no = json_pack("{s:b,s:s}", "verified", 0, "breaks", fault.text);

            ctl_show_json(no);
            json_decref(no);
        }
        ctl_fail(rc, "the audit breaks: %s", fault.text);
    }
    bytes_release(&walk.scratch);
    return rc;
}

int ctl_audit(struct ctl *ctl, char **args, int n_args)
{
    const struct ctl_options *o = &ctl->options;

    (void)args;
    (void)n_args;
    if (o->verify && (o->from != 0 || o->before != 0 || o->limit != 0)) {
        return ctl_fail(CTL_USAGE, "--verify reads all of them: no --from, --before, --limit");
    }
    if (o->from != 0 && o->before != 0) {
        return ctl_fail(CTL_USAGE, "either --from or --before");
    }
    return o->verify ? verify(ctl) : list(ctl);
}

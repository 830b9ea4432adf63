/* The actions, checked from the ground up: their chain, and how it is woven into the ledger. */
#include "statemachine/machine_private.h"

static int wrong(struct fault *fault, uint64_t number, const char *what)
{
    return fault_set(fault, "audit: action %llu: %s", (unsigned long long)number, what);
}

/* What stands in the action of the ledger, and the other way round. `last`: the
 * ledger's next record is to hold it. */
static int audit_weave(const struct state *s, const struct action *a, bool last,
                       struct fault *fault)
{
    struct record r;

    if (a->seq > 0) {
        if (state_record(s, a->seq, &r, fault) != 0) {
            return -1;
        }
        if (memcmp(r.hash, a->head, HASH_BYTES) != 0) {
            return wrong(fault, a->number, "the ledger record that it holds is another one");
        }
    }
    if (last && a->seq < s->seq) {
        if (state_record(s, a->seq + 1, &r, fault) != 0) {
            return -1;
        }
        if (r.action != a->number || memcmp(r.action_hash, a->hash, HASH_BYTES) != 0) {
            return wrong(fault, a->number, "the next ledger record does not hold it");
        }
    }
    return 0;
}

/* True when no later action holds the same ledger record: the next record then holds this one. */
static int is_last(const struct state *s, const struct action *a, bool *last, struct fault *fault)
{
    struct action next;

    *last = a->number == s->actions.number;
    if (*last) {
        return 0;
    }
    if (state_action(s, a->number + 1, &next, fault) != 0) {
        return -1;
    }
    *last = next.seq != a->seq;
    return 0;
}

static int audit_action(const struct state *s, uint64_t number, struct action_head *head,
                        uint64_t *woven, struct fault *fault)
{
    struct slice sealed;
    struct action a;
    uint8_t hash[HASH_BYTES];
    bool last;

    if (state_action(s, number, &a, fault) != 0 ||
        state_sealed_action(s, number, &sealed, fault) != 0) {
        return -1;
    }
    record_hash(head->hash, sealed.base, sealed.len - 2 * HASH_BYTES, hash);
    if (memcmp(a.prev_hash, head->hash, HASH_BYTES) != 0 || memcmp(a.hash, hash, HASH_BYTES) != 0) {
        return wrong(fault, number, "the hash chain is broken here: it was changed afterwards");
    }
    if (a.seq < head->seq || a.seq > s->seq) {
        return wrong(fault, number, "its place in the ledger is not behind the one before it");
    }
    if (is_last(s, &a, &last, fault) != 0) {
        return -1;
    }
    *woven += last && a.seq < s->seq ? 1 : 0;
    head->number = number;
    head->seq = a.seq;
    memcpy(head->hash, a.hash, HASH_BYTES);
    return audit_weave(s, &a, last, fault);
}

int audit_actions(const struct state *s, uint64_t woven, struct audit_watch *watch,
                  struct fault *fault)
{
    struct action_head head = {.number = 0};
    struct scan scan;
    struct slice key, value;
    uint64_t found = 0, number;
    int rc;

    for (number = 1; number <= s->actions.number; number++) {
        if (audit_action(s, number, &head, &found, fault) != 0 ||
            audit_go_on(watch, s->seq, fault) != 0) {
            return -1;
        }
    }
    if (memcmp(head.hash, s->actions.hash, HASH_BYTES) != 0 || head.seq != s->actions.seq) {
        return fault_set(fault, "audit: the actions' head is not the last one");
    }
    if (found != woven) {
        return fault_set(fault, "audit: the ledger holds %llu actions, and should hold %llu",
                         (unsigned long long)woven, (unsigned long long)found);
    }
    number = 0;
    scan_open(&scan, &s->layers, TABLE_ORIGIN);
    while ((rc = scan_next(&scan, &key, &value, fault)) == 1) {
        struct cursor in = cursor_of(value.base, value.len);
        uint64_t of = cursor_u64(&in);

        if (in.failed || of == 0 || of > s->actions.number) {
            rc = fault_set(fault, "audit: an origin belongs to action %llu, which is not there",
                           (unsigned long long)of);
            break;
        }
        number++;
        if (audit_go_on(watch, s->seq, fault) != 0) {
            rc = -1;
            break;
        }
    }
    scan_close(&scan);
    return rc == 0 && number != s->actions.number
               ? fault_set(fault, "audit: %llu commands left %llu actions",
                           (unsigned long long)number, (unsigned long long)s->actions.number)
               : rc;
}

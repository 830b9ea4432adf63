/* Where each entry comes from, and that real time and the ledger's order agree: whoever knew of an
 * entry when another had not been asked for yet stands before it. */
#include <inttypes.h>

#include "jepsen/check_private.h"

static void judge_origin(struct checking *k, uint64_t seq)
{
    const struct entry_facts *f = &k->facts[seq - 1];
    struct record r;

    ledger_record(k->l, seq, &r);
    if (f->failed_by != NOBODY) {
        anomaly_tell(k, ANOMALY_FAILED_APPLIED, f->failed_by, NOBODY, seq, 0,
                     "%s %.*s of %.*s was answered as certainly not applied, and is in the ledger",
                     command_type_name(r.type), (int)r.id.len, r.id.base, (int)r.principal.len,
                     r.principal.base);
    } else {
        anomaly_tell(k, ANOMALY_PHANTOM, NOBODY, NOBODY, seq, 0,
                     "%s %.*s of %.*s is in the ledger, and nobody asked for it",
                     command_type_name(r.type), (int)r.id.len, r.id.base, (int)r.principal.len,
                     r.principal.base);
    }
}

void check_order(struct checking *k)
{
    int64_t asked_until = 0;
    uint64_t known = 0; /* the entry at or behind this one that was known first */

    for (uint64_t seq = 1; seq <= k->l->n; seq++) {
        const struct entry_facts *f = &k->facts[seq - 1];

        if (f->asked_ns == INT64_MAX) {
            judge_origin(k, seq);
        } else if (f->asked_ns > asked_until) {
            asked_until = f->asked_ns;
        }
        k->asked_until[seq - 1] = asked_until;
    }
    for (uint64_t seq = k->l->n; seq > 0; seq--) {
        const struct entry_facts *f = &k->facts[seq - 1];

        if (known != 0 && f->asked_ns != INT64_MAX && k->facts[known - 1].known_ns < f->asked_ns) {
            anomaly_tell(k, ANOMALY_REORDERED, k->facts[known - 1].known_by, f->asked_by, seq,
                         known,
                         "seq %" PRIu64 " was known before seq %" PRIu64
                         ", which stands before it, was asked for",
                         known, seq);
        }
        if (f->known_ns != INT64_MAX &&
            (known == 0 || f->known_ns < k->facts[known - 1].known_ns)) {
            known = seq;
        }
    }
}

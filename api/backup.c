/* The whole state: a copy of it to take away, and an audit of it where it is.
 *
 * A backup's answer has no length: the state grows while it is read. It is whole when it ends with
 * its seal (statemachine/backup.h); a client that sees none was cut off, and asks again. */
#include <time.h>

#include "api/audit.h"
#include "api/fields.h"
#include "api/handlers.h"
#include "api/render.h"

enum {
    PIECE = 256 << 10,
    MOMENT_MS = 5,
    STALE_TIMEOUT_MS = 1000,

    /* An audit leaves an action, and auditors are to fill no ledger. */
    AUDITS_OF_KEY = 20,
    AUDIT_OF_KEY_EVERY_S = 3,
};

static const int64_t SECOND_NS = 1000000000;

/* What stands in the way, as a problem; -1. */
static int refuse(struct exchange *x, enum vault_result result, const char *what,
                  const struct fault *fault)
{
    switch (result) {
    case VAULT_BUSY:
        return problem_set(&x->problem, PROBLEM_OVERLOADED, "%s is under way at this node.", what);
    case VAULT_AWAY:
        return problem_set(&x->problem, PROBLEM_UNAVAILABLE,
                           "This node is stopping, or gets its state from another node.");
    default:
        return problem_set(&x->problem, PROBLEM_INTERNAL, "%s", fault->text);
    }
}

/* Until this node has applied all that was acknowledged anywhere before the request, unless the
 * client takes what is here (`consistency=stale`): without a majority nobody knows more. */
static int catch_up(struct exchange *x, enum ticket_kind kind)
{
    const struct query q = {.type = QUERY_HEAD};
    const struct timespec moment = {0, MOMENT_MS * 1000000L};
    struct gate_view view;
    struct ticket *held;
    struct answer a;
    unsigned waited_ms = 0;

    if (kind == TICKET_STALE_QUERY) {
        return 0;
    }
    if (reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    ticket_release(held);
    gate_view(x->api->gate, &view);
    while (view.applied_seq < a.seq) {
        if (waited_ms >= x->timeout_ms) {
            return problem_set(&x->problem, PROBLEM_UNAVAILABLE,
                               "This node has not caught up yet: seq %llu of %llu.",
                               (unsigned long long)view.applied_seq, (unsigned long long)a.seq);
        }
        nanosleep(&moment, NULL);
        waited_ms += MOMENT_MS;
        gate_view(x->api->gate, &view);
    }
    return 0;
}

/* Puts down that the state is taken, or read through. Without a majority nothing can be put down;
 * whoever takes what this node has for itself (`consistency=stale`) does so because the ledger
 * can't be asked, and must not be kept from saving it: then a line in the log has to do. */
static int record(struct exchange *x, const char *call, enum ticket_kind kind)
{
    unsigned timeout_ms = x->timeout_ms;
    bool stale = kind == TICKET_STALE_QUERY;
    int result;

    /* Whatever the client wants to wait: nobody gets around the record by being in a hurry. */
    if (stale) {
        x->timeout_ms = STALE_TIMEOUT_MS;
    }
    result = audit_record(x, call, slice_of(""), slice_of(stale ? "consistency=stale" : ""));
    x->timeout_ms = timeout_ms;
    if (result == 0 || !stale) {
        return result;
    }
    report(x->api->reporter, LEVEL_WARN, "api", "a call is done that the ledger could not record",
           "call=%s by=%s key=%s from=%s request=%s why=%s", call, x->who.name, x->who.key,
           x->remote, x->request_id, x->problem.code);
    return 0;
}

static void run(struct exchange *x, const struct sink *sink)
{
    const struct vault *vault = &x->api->vault;
    uint64_t sent = 0;
    struct fault fault;
    int64_t n;

    bytes_clear(x->out);
    bytes_reserve(x->out, PIECE);
    while ((n = vault->backup_read(x->backup, x->out->base, PIECE, &fault)) > 0) {
        if (!sink->write(sink->context, x->out->base, (size_t)n)) {
            n = fault_set(&fault, "the client is gone, or takes nothing");
            break;
        }
        sent += (uint64_t)n;
    }
    vault->backup_end(x->backup);
    if (n == 0) {
        report(x->api->reporter, LEVEL_INFO, "api", "sent a backup", "bytes=%llu",
               (unsigned long long)sent);
    } else {
        report(x->api->reporter, LEVEL_WARN, "api", "a backup was cut off", "bytes=%llu why=\"%s\"",
               (unsigned long long)sent, fault.text);
    }
}

int handle_backup(struct exchange *x)
{
    const struct vault *vault = &x->api->vault;
    enum ticket_kind kind = TICKET_QUERY;
    enum vault_result result;
    struct fault fault;

    if (reads_consistency(x, &kind) != 0) {
        return -1;
    }
    if (vault->backup_begin == NULL) {
        return problem_set(&x->problem, PROBLEM_NOT_FOUND, "%s", "");
    }
    x->content_type = "application/octet-stream";
    if (x->head) {
        return 0;
    }
    if (record(x, "backup", kind) != 0 || catch_up(x, kind) != 0) {
        return -1;
    }
    result = vault->backup_begin(vault->impl, &x->backup, &fault);
    if (result != VAULT_OK) {
        return refuse(x, result, "A backup", &fault);
    }
    x->stream = run;
    return 0;
}

static void write_total(struct writer *w, const struct audit_total *t)
{
    char text[AMOUNT_TEXT_MAX];
    const struct {
        const char *name;
        int64_t minor;
    } sums[] = {
        {"players", t->players_minor},
        {"providers", t->providers_minor},
        {"gateways", t->gateways_minor},
        {"house", t->house_minor},
        {"sum", 0}, /* audited: it is zero */
    };
    size_t i;

    writer_open_map(w);
    writer_put_string(w, "currency", t->currency);
    for (i = t->fits ? 0 : 4; i < sizeof sums / sizeof *sums; i++) {
        money_format(sums[i].minor, t->scale, text);
        writer_put_string(w, sums[i].name, text);
    }
    writer_close_map(w);
}

static void write_report(struct writer *w, const struct audit_report *r)
{
    size_t i;

    writer_put_u64(w, "actions", r->actions);
    writer_put_u64(w, "players", r->players);
    writer_put_u64(w, "balances", r->balances);
    writer_key(w, "currencies");
    writer_open_list(w);
    for (i = 0; i < r->n_totals; i++) {
        write_total(w, &r->totals[i]);
    }
    writer_close_list(w);
}

int handle_verify(struct exchange *x)
{
    const struct limiter_rule by_key = {AUDITS_OF_KEY, AUDIT_OF_KEY_EVERY_S * SECOND_NS};
    const struct vault *vault = &x->api->vault;
    struct backup_seal seal = {.node_id = 0};
    struct audit_report audit = {0};
    enum ticket_kind kind = TICKET_QUERY;
    enum vault_result result;
    struct fault fault;
    char hex[HEX_MAX];

    if ((x->tree.root != NULL && fields_read(x->tree.root, NULL, 0, NULL, &x->problem) != 0) ||
        reads_consistency(x, &kind) != 0) {
        return -1;
    }
    if (vault->audit == NULL) {
        return problem_set(&x->problem, PROBLEM_NOT_FOUND, "%s", "");
    }
    if (exchange_take(x, "/verify/", slice_of(x->who.key), by_key) != 0 ||
        record(x, "verify", kind) != 0 || catch_up(x, kind) != 0) {
        return -1;
    }
    result = vault->audit(vault->impl, &audit, &seal, &fault);
    if (result != VAULT_OK && result != VAULT_UNSOUND) {
        return refuse(x, result, "An audit", &fault);
    }
    render_hex(seal.chain, HASH_BYTES, hex);
    writer_open_map(&x->w);
    writer_put_bool(&x->w, "verified", result == VAULT_OK);
    writer_put_u64(&x->w, "node", seal.node_id);
    writer_put_u64(&x->w, "seq", seal.seq);
    writer_put_string(&x->w, "hash", hex);
    writer_put_u64(&x->w, "applied_index", seal.applied_index);
    if (result == VAULT_OK) {
        write_report(&x->w, &audit);
        audit_report_release(&audit);
    } else {
        writer_put_string(&x->w, "breaks", fault.text);
        report(x->api->reporter, LEVEL_ERROR, "api", "the ledger does not verify", "why=\"%s\"",
               fault.text);
    }
    writer_close_map(&x->w);
    return 0;
}

#include "jepsen/ledger.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "cluster-config/ledger_json.h"
#include "cluster-config/ledger_verify.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory while checking\n", stderr);
        abort();
    }
    return memory;
}

void ledger_init(struct ledger *l)
{
    memset(l, 0, sizeof *l);
}

void ledger_release(struct ledger *l)
{
    bytes_release(&l->sealed);
    bytes_release(&l->offsets);
    free(l->by_id);
    free(l->balance_minor);
    free(l->account_of);
    free(l->accounts);
    free(l->by_account);
    free(l->order);
    ledger_init(l);
}

void ledger_record(const struct ledger *l, uint64_t seq, struct record *r)
{
    const size_t *offsets = (const size_t *)(const void *)l->offsets.base;
    size_t begin = offsets[seq - 1];
    size_t end = seq == l->n ? l->sealed.len : offsets[seq];
    struct fault fault;

    if (record_unseal(l->sealed.base + begin, end - begin, r, &fault) != 0) {
        fprintf(stderr, "seq %" PRIu64 ": %s\n", seq, fault.text); /* we sealed it ourselves */
        abort();
    }
}

/* --- index ------------------------------------------------------------------------------------ */

/* FNV-1a, finished so that low bits are as good as high ones. */
static uint64_t hash_of(struct slice a, struct slice b, unsigned char between)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < a.len; i++) {
        h = (h ^ (unsigned char)a.base[i]) * UINT64_C(0x100000001b3);
    }
    h = (h ^ between) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < b.len; i++) {
        h = (h ^ (unsigned char)b.base[i]) * UINT64_C(0x100000001b3);
    }
    h ^= h >> 32;
    return h * UINT64_C(0x9e3779b97f4a7c15) >> 16;
}

static bool is_end(const struct record *r)
{
    return r->type == COMMAND_WITHDRAW_CONFIRM || r->type == COMMAND_WITHDRAW_CANCEL;
}

static struct slice name_of(const struct record *r)
{
    return is_end(r) ? r->original : r->id;
}

static size_t table_size(uint64_t n)
{
    size_t size = 16;

    while (size < 2 * n) {
        size *= 2;
    }
    return size;
}

uint64_t ledger_find(const struct ledger *l, struct slice provider, struct slice id, bool end,
                     size_t *slot)
{
    size_t at = (*slot != 0 ? *slot : hash_of(provider, id, end ? '/' : ' ')) & l->by_id_mask;
    struct record r;

    for (; l->by_id[at] != 0; at = (at + 1) & l->by_id_mask) {
        ledger_record(l, l->by_id[at], &r);
        if (is_end(&r) == end && slice_equal(r.principal, provider) &&
            slice_equal(name_of(&r), id)) {
            /* Never zero: the table is larger than any place in it, plus its own size. */
            *slot = ((at + 1) & l->by_id_mask) + l->by_id_mask + 1;
            return l->by_id[at];
        }
    }
    return 0;
}

static size_t account_slot(const struct ledger *l, struct slice player, struct slice currency)
{
    size_t at = hash_of(player, currency, '/') & l->by_account_mask;
    struct record r;

    for (; l->by_account[at] != 0; at = (at + 1) & l->by_account_mask) {
        ledger_record(l, l->accounts[l->by_account[at] - 1].first_seq, &r);
        if (slice_equal(r.player, player) && slice_equal(r.currency, currency)) {
            break;
        }
    }
    return at;
}

const struct ledger_account *ledger_account(const struct ledger *l, struct slice player,
                                            struct slice currency)
{
    uint32_t found = l->by_account[account_slot(l, player, currency)];

    return found == 0 ? NULL : &l->accounts[found - 1];
}

static void index_record(struct ledger *l, uint64_t seq, const struct record *r)
{
    size_t at = hash_of(r->principal, name_of(r), is_end(r) ? '/' : ' ') & l->by_id_mask;
    size_t slot = account_slot(l, r->player, r->currency);

    while (l->by_id[at] != 0) {
        at = (at + 1) & l->by_id_mask;
    }
    l->by_id[at] = seq;
    if (l->by_account[slot] == 0) {
        l->accounts[l->n_accounts] = (struct ledger_account){.first_seq = seq, .scale = r->scale};
        l->by_account[slot] = (uint32_t)++l->n_accounts;
    }
    l->account_of[seq - 1] = l->by_account[slot] - 1;
    l->accounts[l->account_of[seq - 1]].count++;
    l->balance_minor[seq - 1] = r->balance_minor;
}

static void index_all(struct ledger *l)
{
    size_t size = table_size(l->n);
    size_t n = l->n > 0 ? l->n : 1;
    size_t begin = 0;
    struct record r;

    l->by_id = must(calloc(size, sizeof *l->by_id));
    l->by_account = must(calloc(size, sizeof *l->by_account));
    l->by_id_mask = l->by_account_mask = size - 1;
    l->balance_minor = must(calloc(n, sizeof *l->balance_minor));
    l->account_of = must(calloc(n, sizeof *l->account_of));
    l->accounts = must(calloc(n, sizeof *l->accounts));
    l->order = must(calloc(n, sizeof *l->order));
    for (uint64_t seq = 1; seq <= l->n; seq++) {
        ledger_record(l, seq, &r);
        index_record(l, seq, &r);
    }
    for (size_t i = 0; i < l->n_accounts; i++) {
        l->accounts[i].begin = begin;
        begin += l->accounts[i].count;
        l->accounts[i].count = 0;
    }
    for (uint64_t seq = 1; seq <= l->n; seq++) {
        struct ledger_account *a = &l->accounts[l->account_of[seq - 1]];

        l->order[a->begin + a->count++] = seq;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_entry(struct ledger *l, struct slice line, struct fault *fault)
{
    json_error_t why;
    json_t *entry = json_loadb(line.base, line.len, JSON_REJECT_DUPLICATES, &why);
    size_t offset = l->sealed.len;
    struct record r, again;
    int rc = 0;

    if (entry == NULL) {
        return fault_set(fault, "not JSON: %s", why.text);
    }
    if (ledger_record_from_json(entry, &r, fault) != 0) {
        rc = -1;
    } else if (r.seq != l->n + 1) {
        rc = fault_set(fault, "seq %" PRIu64 " where %" PRIu64 " was expected", r.seq, l->n + 1);
    } else {
        record_seal(&r, &l->sealed);
        rc = record_unseal(l->sealed.base + offset, l->sealed.len - offset, &again, fault);
    }
    if (rc == 0) {
        bytes_append(&l->offsets, &offset, sizeof offset);
        l->n++;
    } else {
        l->sealed.len = offset; /* a record that none of our nodes could have written */
    }
    json_decref(entry);
    return rc;
}

static struct slice line_at(struct slice text, size_t at)
{
    const char *end = memchr(text.base + at, '\n', text.len - at);

    return (struct slice){text.base + at,
                          end == NULL ? text.len - at : (size_t)(end - text.base) - at};
}

int ledger_read(struct ledger *l, struct slice text, struct fault *fault)
{
    size_t at = 0;
    size_t n_line = 0;
    int rc = 0;

    while (at < text.len && rc == 0) {
        struct slice line = line_at(text, at);

        n_line++;
        if (line.len > 0 && read_entry(l, line, fault) != 0) {
            struct fault why = *fault;
            rc = fault_set(fault, "line %zu: %.400s", n_line, why.text);
        }
        at += line.len + 1;
    }
    index_all(l);
    return rc;
}

int ledger_check(const struct ledger *l, bool *chain, struct fault *fault)
{
    struct ledger_verifier *v = ledger_verifier_new();
    uint8_t before[HASH_BYTES] = {0}, hash[HASH_BYTES];
    struct bytes canonical;
    struct record r;
    int rc = 0;

    *chain = false;
    bytes_init(&canonical);
    for (uint64_t seq = 1; seq <= l->n && rc == 0; seq++) {
        ledger_record(l, seq, &r);
        rc = ledger_verifier_add(v, &r, fault);
        if (rc != 0) { /* the chain or the books? */
            bytes_clear(&canonical);
            record_encode(&r, &canonical);
            record_hash(r.prev_hash, canonical.base, canonical.len, hash);
            *chain = memcmp(hash, r.hash, HASH_BYTES) != 0 ||
                     memcmp(before, r.prev_hash, HASH_BYTES) != 0;
        }
        memcpy(before, r.hash, HASH_BYTES);
    }
    if (rc == 0) {
        rc = ledger_verifier_finish(v, fault);
    }
    bytes_release(&canonical);
    ledger_verifier_free(v);
    return rc;
}

size_t ledgers_differ(struct slice a, struct slice b, struct slice *line_a, struct slice *line_b)
{
    size_t at_a = 0, at_b = 0;
    size_t n = 1;

    if (slice_equal(a, b)) {
        return 0;
    }
    for (;; n++) {
        *line_a = at_a < a.len ? line_at(a, at_a) : (struct slice){"", 0};
        *line_b = at_b < b.len ? line_at(b, at_b) : (struct slice){"", 0};
        if (!slice_equal(*line_a, *line_b)) {
            return n;
        }
        if (at_a >= a.len && at_b >= b.len) {
            return 0; /* only the last line's end */
        }
        at_a += line_a->len + 1;
        at_b += line_b->len + 1;
    }
}

/* The rules of atomic commands, and of dry runs.
 *
 * Guarantee: all items are applied, or nothing of them remains but one record of why not.
 *
 * How: the items are decided one after the other by the very same rules as single commands, in a
 * draft (layers.h): each sees what those before it did. The draft is then kept or dropped, and with
 * it everything: balances, records, rounds, limits, what they say about ids. A dry run is a draft
 * that is always dropped. */
#include "statemachine/machine_private.h"

/* What of the state is not in the layers, and changes with money. A currency's sum is zero after
 * every item. */
struct mark {
    uint64_t seq;
    uint8_t hash[HASH_BYTES];
};

static void begin(struct state *s, struct mark *mark)
{
    mark->seq = s->seq;
    memcpy(mark->hash, s->hash, HASH_BYTES);
    layers_draft(&s->layers);
}

static void drop(struct state *s, const struct mark *mark)
{
    layers_drop(&s->layers);
    s->seq = mark->seq;
    memcpy(s->hash, mark->hash, HASH_BYTES);
}

/* A new record will not be there: without place and hash, in memory that outlives the draft. */
static int make_dry(struct state *s, struct decision *d, struct fault *fault)
{
    struct record r;

    d->dry_run = true;
    if (!d->has_record) {
        return 0;
    }
    if (record_unseal(d->sealed.base, d->sealed.len, &r, fault) != 0) {
        return -1;
    }
    r.seq = 0;
    r.previous = 0;
    r.action = 0;
    memset(r.prev_hash, 0, HASH_BYTES);
    memset(r.hash, 0, HASH_BYTES);
    bytes_clear(&s->spare);
    record_seal(&r, &s->spare);
    d->sealed = (struct slice){(const char *)s->spare.base, s->spare.len};
    return 0;
}

int rules_dry_run(struct state *s, const struct command *c, struct decision *d, struct fault *fault)
{
    struct mark mark;
    int rc;

    begin(s, &mark);
    rc = rules_money(s, c, d, fault);
    d->dry_run = true;
    if (rc == 0 && s->seq > mark.seq) {
        rc = make_dry(s, d, fault);
    }
    drop(s, &mark);
    return rc;
}

/* ---- the same items again ---- */

static void append_item(struct state *s, const struct decision *d)
{
    size_t length_at = s->items.len, len;
    int i;

    bytes_append_u32(&s->items, 0);
    decision_append(s, d, &s->items);
    len = s->items.len - length_at - 4;
    for (i = 0; i < 4; i++) {
        s->items.base[length_at + (size_t)i] = (uint8_t)(len >> (8 * i));
    }
}

static void refuse(struct decision *d, const struct decision *of_item, unsigned item)
{
    *d = *of_item;
    d->has_item = true;
    d->item = (uint8_t)item;
}

static void conflict(struct decision *d, unsigned fields, unsigned item)
{
    refuse(d, &(struct decision){.verdict = VERDICT_IDEMPOTENCY_CONFLICT, .conflicts = fields},
           item);
}

/* The call's own name in the idempotency table: no client's id holds a slash. */
static struct slice call_name(const struct command *c, char out[static RECORD_ID_MAX])
{
    static const char end[] = "/items";

    memcpy(out, c->id.base, c->id.len);
    memcpy(out + c->id.len, end, sizeof end - 1);
    return (struct slice){out, c->id.len + sizeof end - 1};
}

/* What is known of the items' ids, and of the call's. */
struct known {
    struct id_space ids;
    unsigned n;     /* items */
    unsigned first; /* ... and the first of them */
    bool call;
    struct transaction of_call; /* seq of the first item's record; rolled_by: of the last's */
    bool same_call;             /* the known items stand where this call left them */
};

/* One item. 1: it decides the whole. */
static int look_at_item(struct state *s, const struct command *c, unsigned i, struct known *known,
                        struct decision *d, struct fault *fault)
{
    struct command item;
    struct decision of_item = {.verdict = VERDICT_APPLIED};
    struct transaction t;
    int rc;

    command_of_item(c, i, &item);
    rc = state_transaction(s, known->ids, item.id, &t, fault);
    if (rc < 1 || t.seq == 0) {
        return rc < 0 ? -1 : 0;
    }
    /* Known: the rules answer from the table and change nothing. */
    if (rules_money(s, &item, &of_item, fault) != 0) {
        return -1;
    }
    if (!verdict_is_success(of_item.verdict)) {
        refuse(d, &of_item, i);
        return 1;
    }
    known->first = known->n++ == 0 ? i : known->first;
    known->same_call = known->same_call && t.seq == known->of_call.seq + i;
    append_item(s, &of_item);
    return 0;
}

/* Every call with close_round that was applied left its round closed, and closed it stays: with an
 * open one these items were decided without. An answer of before would say that it is closed. */
static int check_close(struct state *s, const struct command *c, struct decision *d,
                       struct fault *fault)
{
    struct round round;
    int rc;

    if (!c->close_round) {
        return 1;
    }
    rc = state_round(s, c->principal, c->player, c->round, &round, fault);
    if (rc == 0 || (rc == 1 && round.closed_by == 0)) {
        conflict(d, CONFLICT_CLOSE_ROUND, 0);
    }
    return rc < 0 ? -1 : 1;
}

/* 1: decided. */
static int look_at_ids(struct state *s, const struct command *c, struct id_space ids,
                       struct decision *d, struct fault *fault)
{
    struct known known = {.ids = ids, .same_call = true};
    char name[RECORD_ID_MAX];
    unsigned i;
    int rc = 0;

    if (c->id.len > 0) {
        rc = state_transaction(s, ids, call_name(c, name), &known.of_call, fault);
        known.call = rc == 1;
    }
    for (i = 0; rc >= 0 && i < c->n_items; i++) {
        rc = look_at_item(s, c, i, &known, d, fault);
        if (rc == 1) {
            return 1;
        }
    }
    if (rc < 0 || (known.n == 0 && !known.call)) {
        return rc < 0 ? -1 : 0;
    }
    if (known.n == c->n_items &&
        (!known.call ||
         (known.same_call && known.of_call.rolled_by == known.of_call.seq + known.n - 1))) {
        d->n_items = (uint16_t)known.n;
        return check_close(s, c, d, fault);
    }
    conflict(d, CONFLICT_ITEMS, known.first);
    return 1;
}

/* ---- new ones ---- */

/* Decides the items in the draft. 1: all applied, 0: one was refused and *d says which. */
static int decide_items(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault)
{
    unsigned i;

    for (i = 0; i < c->n_items; i++) {
        struct command item;
        struct decision of_item = {.verdict = VERDICT_APPLIED};

        command_of_item(c, i, &item);
        if (rules_money(s, &item, &of_item, fault) != 0) {
            return -1;
        }
        if (!verdict_is_success(of_item.verdict)) {
            refuse(d, &of_item, i);
            return 0;
        }
        if (c->dry_run && make_dry(s, &of_item, fault) != 0) {
            return -1;
        }
        append_item(s, &of_item);
    }
    d->n_items = c->n_items;
    return 1;
}

static void note_call(struct state *s, const struct command *c, struct id_space ids,
                      const struct mark *mark)
{
    char name[RECORD_ID_MAX];
    struct transaction t = {mark->seq + 1, s->seq, c->origin};

    if (c->id.len > 0) {
        state_put_transaction(s, ids, call_name(c, name), &t);
    }
}

/* The draft is gone; its refusal is recorded as if only that item had come. */
static int record_refusal(struct state *s, const struct command *c, struct decision *d,
                          struct fault *fault)
{
    struct command item;
    struct record r;

    if (!d->has_record) {
        return 0;
    }
    command_of_item(c, d->item, &item);
    if (record_unseal(s->spare.base, s->spare.len, &r, fault) != 0) {
        return -1;
    }
    return rules_money_refuse(s, &item, &r, d, fault);
}

/* The same without leaving it there: the items before it are taken back first here too, so that a
 * dry run shows the balance that the refusal would. */
static int show_refusal(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault)
{
    struct mark mark;
    int rc;

    begin(s, &mark);
    rc = record_refusal(s, c, d, fault);
    if (rc == 0) {
        rc = make_dry(s, d, fault);
    }
    drop(s, &mark);
    return rc;
}

int rules_atomic(struct state *s, const struct command *c, struct decision *d, struct fault *fault)
{
    struct id_space ids;
    struct mark mark;
    int rc;

    bytes_clear(&s->items);
    if (state_id_space(s, c->principal, c->player, &ids, fault) != 0) {
        return -1;
    }
    rc = look_at_ids(s, c, ids, d, fault);
    d->dry_run = c->dry_run;
    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    begin(s, &mark);
    rc = decide_items(s, c, d, fault);
    if (rc == 1 && c->close_round && rules_round_end(s, c, fault) != 0) {
        rc = -1;
    }
    if (rc == 0 && MUTANT(s, MUTANT_HALF_ATOMIC)) {
        layers_keep(&s->layers);
        return 0;
    }
    if (rc == 1 && !c->dry_run) {
        note_call(s, c, ids, &mark);
        layers_keep(&s->layers);
        return 0;
    }
    if (rc == 0 && d->has_record) {
        bytes_clear(&s->spare);
        bytes_append(&s->spare, d->sealed.base, d->sealed.len);
    }
    drop(s, &mark);
    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    return c->dry_run ? show_refusal(s, c, d, fault) : record_refusal(s, c, d, fault);
}

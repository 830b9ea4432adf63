/* The idempotency table and the ledger. */
#include "statemachine/state_private.h"

/* No id begins with a zero: it says that a player stands between. */
struct slice id_key(struct id_space ids, struct slice id, char out[static STORE_KEY_MAX])
{
    size_t len = put_key_text(out, 0, ids.principal);

    if (ids.player.len > 0) {
        out[len++] = 0;
        len = put_key_text(out, len, ids.player);
    }
    assert(len + id.len <= STORE_KEY_MAX);
    memcpy(out + len, id.base, id.len);
    return (struct slice){out, len + id.len};
}

bool state_transaction_seen(const struct state *s, struct slice key)
{
    return !seen_never(&s->layers.seen, TABLE_TRANSACTION,
                       changes_hash(s->layers.hash_key, TABLE_TRANSACTION, key));
}

int transaction_decode(struct slice key, struct slice value, struct id_space *ids, struct slice *id,
                       struct transaction *t, struct fault *fault)
{
    struct cursor k = cursor_over(key), v = cursor_over(value);

    ids->principal = text_take(&k);
    ids->player = (struct slice){NULL, 0};
    if (k.left > 0 && k.at[0] == 0) {
        cursor_u8(&k);
        ids->player = text_take(&k);
    }
    *id = (struct slice){(const char *)k.at, k.left};
    t->seq = cursor_u64(&v);
    t->rolled_by = cursor_u64(&v);
    t->origin = cursor_u64(&v);
    if (k.failed || v.failed || v.left > 0 || (t->seq == 0 && t->rolled_by == 0)) {
        return state_damaged(fault, "transaction", *id);
    }
    return 0;
}

void transaction_key(const struct state *s, struct id_space ids, struct slice id,
                     struct layers_key *key)
{
    layers_key(&s->layers, TABLE_TRANSACTION, id_key(ids, id, key->text).len, key);
}

int state_transaction_at(const struct state *s, struct layers_key *key, struct transaction *t,
                         struct fault *fault)
{
    struct id_space ids;
    struct slice value, id;
    int rc = layers_get_at(&s->layers, key, &value, fault);

    if (rc != 1) {
        return rc;
    }
    return transaction_decode((struct slice){key->text, key->len}, value, &ids, &id, t, fault) == 0
               ? 1
               : -1;
}

int state_transaction(const struct state *s, struct id_space ids, struct slice id,
                      struct transaction *t, struct fault *fault)
{
    struct layers_key key;

    transaction_key(s, ids, id, &key);
    return state_transaction_at(s, &key, t, fault);
}

void state_put_transaction_at(struct state *s, struct layers_key *key, const struct transaction *t)
{
    bytes_clear(&s->value);
    bytes_append_u64(&s->value, t->seq);
    bytes_append_u64(&s->value, t->rolled_by);
    bytes_append_u64(&s->value, t->origin);
    state_put_at(s, key);
}

void state_put_transaction(struct state *s, struct id_space ids, struct slice id,
                           const struct transaction *t)
{
    struct layers_key key;

    transaction_key(s, ids, id, &key);
    state_put_transaction_at(s, &key, t);
}

struct slice transaction_place(const struct record *r, char out[static RECORD_ID_MAX])
{
    if (r->type != COMMAND_WITHDRAW_CONFIRM && r->type != COMMAND_WITHDRAW_CANCEL) {
        return r->id;
    }
    memcpy(out, r->id.base, r->id.len);
    out[r->original.len] = '/';
    return (struct slice){out, r->id.len};
}

/* ---- the ledger ---- */

/* Big-endian, so that the order of the keys is the order of the ledger. */
static struct slice ledger_key(uint64_t seq, char out[static 8])
{
    int i;

    for (i = 0; i < 8; i++) {
        out[i] = (char)(seq >> (56 - 8 * i));
    }
    return (struct slice){out, 8};
}

int state_sealed(const struct state *s, uint64_t seq, struct slice *sealed, struct fault *fault)
{
    char key[8];

    return layers_get(&s->layers, TABLE_LEDGER, ledger_key(seq, key), sealed, fault);
}

int state_record(const struct state *s, uint64_t seq, struct record *r, struct fault *fault)
{
    struct slice sealed;
    int rc = state_sealed(s, seq, &sealed, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || record_unseal(sealed.base, sealed.len, r, fault) != 0 || r->seq != seq) {
        return fault_set(fault,
                         "state: ledger record %llu is missing or damaged; rebuild this node from "
                         "the others, or restore a backup",
                         (unsigned long long)seq);
    }
    return 0;
}

void state_append(struct state *s, struct record *r)
{
    char key[8];

    r->seq = s->seq + 1;
    r->at_ms = s->clock_ms;
    memcpy(r->prev_hash, s->hash, HASH_BYTES);
    r->action = s->actions.seq == s->seq ? s->actions.number : 0;
    if (r->action != 0) {
        memcpy(r->action_hash, s->actions.hash, HASH_BYTES);
    }
    bytes_clear(&s->sealed);
    record_encode(r, &s->sealed);
    record_hash(s->hash, s->sealed.base, s->sealed.len, r->hash);
    bytes_append(&s->sealed, r->prev_hash, HASH_BYTES);
    bytes_append(&s->sealed, r->hash, HASH_BYTES);
    layers_put(&s->layers, TABLE_LEDGER, ledger_key(r->seq, key),
               (struct slice){(const char *)s->sealed.base, s->sealed.len});
    s->seq = r->seq;
    memcpy(s->hash, r->hash, HASH_BYTES);
}

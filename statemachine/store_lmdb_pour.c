#include "statemachine/store_lmdb_pour.h"

#include <assert.h>

#include "statemachine/changes.h"

enum { WRITES_AHEAD = 8 }; /* reads that memory takes to come */

static int lmdb_fault(const struct store_pour *p, int rc)
{
    return store_lmdb_fault(p->s, store_lmdb_names[p->table], rc, p->fault);
}

int store_pour_open(struct store_pour *p, struct store_lmdb *s, MDB_txn *txn,
                    enum store_table table, MDB_dbi out, uint64_t run, struct fault *fault)
{
    int rc;

    *p = (struct store_pour){.s = s, .txn = txn, .table = table, .fault = fault, .run = run};
    rc = mdb_cursor_open(txn, out, &p->out);
    return rc == 0 ? 0 : lmdb_fault(p, rc);
}

void store_pour_close(struct store_pour *p)
{
    unsigned i;

    for (i = 0; i < p->n; i++) {
        if (p->sources[i].cursor != NULL) {
            mdb_cursor_close(p->sources[i].cursor);
        }
    }
    if (p->out != NULL) {
        mdb_cursor_close(p->out);
    }
}

static int load(struct store_pour *p, struct store_source *from, MDB_cursor_op op, MDB_val k)
{
    MDB_val v;
    int rc = mdb_cursor_get(from->cursor, &k, &v, op);

    from->more = rc == 0;
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : lmdb_fault(p, rc);
    }
    from->key = store_lmdb_slice(k);
    return store_lmdb_take(p->s, p->table, from->run, k, v, &from->value, p->fault);
}

static int next(struct store_pour *p, struct store_source *from)
{
    const struct store_write *write = from->writes;

    if (from->cursor != NULL) {
        return load(p, from, MDB_NEXT, (MDB_val){0, NULL});
    }
    from->more = from->n_writes > 0;
    if (!from->more) {
        return 0;
    }
    if (from->n_writes > WRITES_AHEAD) { /* what is in the order of keys lies anywhere in memory */
        __builtin_prefetch(write[WRITES_AHEAD].key.base);
        __builtin_prefetch(write[WRITES_AHEAD].value.base);
    }
    from->key = write->key;
    from->value = write->value;
    from->writes++;
    from->n_writes--;
    return 0;
}

int store_pour_add_writes(struct store_pour *p, const struct store_write *writes, size_t n)
{
    p->sources[p->n++] = (struct store_source){.writes = writes, .n_writes = n};
    return next(p, &p->sources[p->n - 1]);
}

int store_pour_add_run(struct store_pour *p, MDB_dbi dbi, uint64_t run, struct slice after)
{
    struct store_source *from = &p->sources[p->n];
    int rc = mdb_cursor_open(p->txn, dbi, &from->cursor);

    assert(p->n < sizeof p->sources / sizeof *p->sources);
    if (rc != 0) {
        from->cursor = NULL;
        return lmdb_fault(p, rc);
    }
    p->n++;
    from->run = run;
    rc = load(p, from, after.len == 0 ? MDB_FIRST : MDB_SET_RANGE, store_lmdb_val(after));
    return rc == 0 && from->more && slice_equal(from->key, after) ? next(p, from) : rc;
}

int store_pour_last(struct store_pour *p, struct slice *last)
{
    struct slice value;
    MDB_val k, v;
    int rc = mdb_cursor_get(p->out, &k, &v, MDB_LAST);

    *last = (struct slice){"", 0};
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? 0 : lmdb_fault(p, rc);
    }
    *last = store_lmdb_slice(k);
    return store_lmdb_take(p->s, p->table, p->run, k, v, &value, p->fault);
}

/* The source with the lowest key, the youngest of those; NULL at the end. */
static struct store_source *lowest(struct store_pour *p)
{
    struct store_source *first = NULL;
    unsigned i;

    for (i = 0; i < p->n; i++) {
        struct store_source *from = &p->sources[i];

        if (from->more && (first == NULL || key_compare(from->key, first->key) < 0)) {
            first = from;
        }
    }
    return first;
}

/* Steps over this key in all sources. */
static int step_over(struct store_pour *p, struct slice key)
{
    unsigned i;
    int rc = 0;

    for (i = 0; i < p->n && rc == 0; i++) {
        struct store_source *from = &p->sources[i];

        if (from->more && slice_equal(from->key, key)) {
            p->taken++;
            rc = next(p, from);
        }
    }
    return rc;
}

int store_pour(struct store_pour *p, uint64_t most)
{
    struct store_source *from;
    int rc = 0;

    while (rc == 0 && (from = lowest(p)) != NULL) {
        struct slice key = from->key;

        if (p->taken >= most) {
            return 1;
        }
        /* LMDB refuses what is not above all that is there. */
        rc = store_lmdb_put(p->out, p->table, p->run, key, from->value, MDB_APPEND);
        if (rc == MDB_KEYEXIST) {
            return store_lmdb_damaged_table(p->s, p->table, "its keys are not in order", p->fault);
        }
        rc = rc == 0 ? step_over(p, key) : lmdb_fault(p, rc);
    }
    return rc;
}

/* Which runs a table has: a record beside the tables' names, "runs of TABLE", written with every
 * commit that changes it.
 *
 *   u64 the number of the next run
 *   u8 how many runs; for each, from the youngest to the oldest:
 *     u8 slot, u8 level, u8 1 when it is being merged, u64 number, u64 keys written for it
 *   u8 how many merges; for each:
 *     u8 slot of its output, u8 level of its inputs, u64 number of its output, u64 records taken
 *   u64 for how many keys that were written merges did not go on yet (not before format 3)
 *   u32 CRC32C over the record's name and all before
 *
 * A manifest that makes no sense is damage, also with a good checksum. */
#include "statemachine/store_lmdb.h"

#include "statemachine/crc32c.h"

enum {
    RUN_BYTES = 19,
    MERGE_BYTES = 18,
    MANIFEST_BYTES = 8 + 1 + RUN_SLOTS * RUN_BYTES + 1 + RUN_LEVELS * MERGE_BYTES + 8 + 4,
};

struct name {
    char text[32];
    MDB_val key;
};

static void name_of(enum store_table table, struct name *name)
{
    int n = snprintf(name->text, sizeof name->text, "runs of %s", store_lmdb_names[table]);

    name->key = (MDB_val){(size_t)n, name->text};
}

static uint32_t checksum(const struct name *name, const uint8_t *record, size_t len)
{
    return crc32c(crc32c(0, name->key.mv_data, name->key.mv_size), record, len);
}

unsigned store_manifest_level(const struct store_lmdb *s, uint64_t written)
{
    uint64_t least = s->run_least * RUN_FANOUT;
    unsigned level = 0;

    while (level < RUN_LEVELS - 1 && written >= least) {
        least *= RUN_FANOUT;
        level++;
    }
    return level;
}

static struct cursor take_runs(struct cursor in, int format, struct store_manifest *m)
{
    unsigned i;

    m->next_number = cursor_u64(&in);
    m->n_runs = cursor_u8(&in);
    for (i = 0; i < m->n_runs && i < RUN_SLOTS; i++) {
        struct store_run *r = &m->runs[i];

        r->slot = cursor_u8(&in);
        r->level = cursor_u8(&in);
        r->merging = cursor_u8(&in) != 0;
        r->number = cursor_u64(&in);
        r->written = cursor_u64(&in);
    }
    m->n_merges = cursor_u8(&in);
    for (i = 0; i < m->n_merges && i < RUN_LEVELS; i++) {
        struct store_merge *g = &m->merges[i];

        g->slot = cursor_u8(&in);
        g->level = cursor_u8(&in);
        g->number = cursor_u64(&in);
        g->taken = cursor_u64(&in);
    }
    m->owed = format < FORMAT_WITH_FOLDS ? 0 : cursor_u64(&in);
    return in;
}

/* Its inputs stand together and are of its level. */
static bool merge_makes_sense(const struct store_manifest *m, const struct store_merge *g)
{
    unsigned i, n = 0, first = 0, last = 0;

    for (i = 0; i < m->n_runs; i++) {
        if (m->runs[i].merging && m->runs[i].level == g->level) {
            first = n == 0 ? i : first;
            last = i;
            n++;
        }
    }
    return n == RUN_FANOUT && last - first + 1 == n;
}

/* Every slot is used once, every number was given, levels grow with age. */
static bool makes_sense(const struct store_manifest *m)
{
    bool taken[RUN_SLOTS] = {false};
    unsigned i, merging = 0;

    for (i = 0; i < m->n_runs; i++) {
        const struct store_run *r = &m->runs[i];

        if (r->slot >= RUN_SLOTS || taken[r->slot] || r->level >= RUN_LEVELS ||
            r->number >= m->next_number || (i > 0 && r->level < r[-1].level)) {
            return false;
        }
        taken[r->slot] = true;
        merging += r->merging;
    }
    for (i = 0; i < m->n_merges; i++) {
        const struct store_merge *g = &m->merges[i];

        if (g->slot >= RUN_SLOTS || taken[g->slot] || g->number >= m->next_number ||
            (i > 0 && g->level <= g[-1].level) || !merge_makes_sense(m, g)) {
            return false;
        }
        taken[g->slot] = true;
    }
    return merging == m->n_merges * RUN_FANOUT;
}

/* Of a file of before: all that there is, is one old run. */
static int of_before(struct store_lmdb *s, MDB_txn *txn, enum store_table table,
                     struct store_manifest *m, struct fault *fault)
{
    MDB_dbi dbi = s->runs[store_lmdb_runs_of(table)]->gets[0].dbi;
    MDB_stat stat;
    int rc = mdb_stat(txn, dbi, &stat);

    if (rc != 0) {
        return store_lmdb_fault(s, store_lmdb_names[table], rc, fault);
    }
    *m = (struct store_manifest){.next_number = 1};
    if (stat.ms_entries > 0) {
        m->runs[m->n_runs++] = (struct store_run){
            .level = (uint8_t)store_manifest_level(s, stat.ms_entries), .written = stat.ms_entries};
    }
    return 0;
}

int store_manifest_load(struct store_lmdb *s, MDB_txn *txn, enum store_table table, int format,
                        struct store_manifest *m, struct fault *fault)
{
    struct name name;
    struct cursor in;
    const uint8_t *record;
    MDB_val v;
    int rc;

    name_of(table, &name);
    rc = mdb_get(txn, s->unnamed, &name.key, &v);
    if (rc == MDB_NOTFOUND && format < FORMAT_WITH_RUNS) {
        return of_before(s, txn, table, m, fault);
    }
    if (rc == MDB_NOTFOUND) {
        return store_lmdb_damage(s, name.text, "the record is missing", fault);
    }
    if (rc != 0) {
        return store_lmdb_fault(s, name.text, rc, fault);
    }
    record = v.mv_data;
    if (format < FORMAT_WITH_RUNS || v.mv_size < 4 || v.mv_size > MANIFEST_BYTES ||
        load_le32(record + v.mv_size - 4) != checksum(&name, record, v.mv_size - 4)) {
        return store_lmdb_damage(s, name.text, "a wrong checksum", fault);
    }
    in = take_runs(cursor_of(record, v.mv_size - 4), format, m);
    if (in.failed || in.left > 0 || m->n_runs > RUN_SLOTS || m->n_merges > RUN_LEVELS ||
        !makes_sense(m)) {
        return store_lmdb_damage(s, name.text, "it makes no sense", fault);
    }
    return 0;
}

static uint8_t *put_u8(uint8_t *at, unsigned v)
{
    *at = (uint8_t)v;
    return at + 1;
}

static uint8_t *put_u64(uint8_t *at, uint64_t v)
{
    store_le64(at, v);
    return at + sizeof v;
}

int store_manifest_save(struct store_lmdb *s, MDB_txn *txn, enum store_table table,
                        const struct store_manifest *m)
{
    uint8_t record[MANIFEST_BYTES];
    uint8_t *at = put_u8(put_u64(record, m->next_number), m->n_runs);
    struct name name;
    unsigned i;
    MDB_val v;

    for (i = 0; i < m->n_runs; i++) {
        const struct store_run *r = &m->runs[i];

        at = put_u8(put_u8(put_u8(at, r->slot), r->level), r->merging);
        at = put_u64(put_u64(at, r->number), r->written);
    }
    at = put_u8(at, m->n_merges);
    for (i = 0; i < m->n_merges; i++) {
        const struct store_merge *g = &m->merges[i];

        at = put_u8(put_u8(at, g->slot), g->level);
        at = put_u64(put_u64(at, g->number), g->taken);
    }
    at = put_u64(at, m->owed);
    name_of(table, &name);
    store_le32(at, checksum(&name, record, (size_t)(at - record)));
    v = (MDB_val){(size_t)(at - record) + 4, record};
    return mdb_put(txn, s->unnamed, &name.key, &v, 0);
}

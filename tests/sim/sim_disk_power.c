/* What happens to the memory disk from outside: power cuts, failures, tests' own hands. */
#include "tests/sim/sim_disk_private.h"

#include <assert.h>
#include <stdlib.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void change_apply(struct names *names, const struct change *c)
{
    struct name *from = c->from[0] == '\0' ? NULL : sim_names_find(names, c->from);

    if (from != NULL && from->inode == c->inode) {
        sim_names_remove(names, c->from);
    }
    if (c->to[0] != '\0') {
        sim_names_set(names, c->to, c->inode);
    }
}

struct sim_disk *sim_disk_new(void)
{
    struct sim_disk *d = calloc(1, sizeof *d);

    assert(d != NULL);
    pthread_mutex_init(&d->lock, NULL);
    d->powered = true;
    return d;
}

void sim_disk_free(struct sim_disk *d)
{
    if (d == NULL) {
        return;
    }
    memset(d->handles, 0, sizeof d->handles);
    bytes_release(&d->changes);
    d->now.n = 0;
    d->durable.n = 0;
    sim_inodes_sweep(d);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

struct sim_disk *sim_disk_clone(struct sim_disk *d)
{
    struct sim_disk *c = sim_disk_new();
    size_t i;

    pthread_mutex_lock(&d->lock);
    for (i = 0; i < d->now.n; i++) {
        const struct bytes *b = &d->now.list[i].inode->now;
        sim_disk_put(c, d->now.list[i].text, b->base, b->len);
    }
    pthread_mutex_unlock(&d->lock);
    return c;
}

/* How a crash treats a list of n changes that were not synced. */
struct fate {
    enum { FATE_NONE, FATE_ALL, FATE_FIRST, FATE_ANY } kind;
    size_t first; /* FATE_FIRST: so many happened */
};

static struct fate fate_draw(uint64_t *random, size_t n)
{
    struct fate f = {.kind = splitmix64(random) % 4};

    f.first = (size_t)(splitmix64(random) % (n + 1));
    return f;
}

static bool fate_spares(const struct fate *f, size_t i, uint64_t *random)
{
    uint64_t coin = splitmix64(random);

    return f->kind == FATE_ALL || (f->kind == FATE_FIRST && i < f->first) ||
           (f->kind == FATE_ANY && coin % 2 == 0);
}

static void inode_crash(struct inode *inode, uint64_t *random)
{
    const struct version *v = (const struct version *)(void *)inode->versions.base;
    const int64_t *sizes = (const int64_t *)(void *)inode->sizes.base;
    size_t n_versions = inode->versions.len / sizeof v[0];
    size_t n_sizes = inode->sizes.len / sizeof sizes[0];
    struct fate size_fate = fate_draw(random, n_sizes);
    struct fate fate = fate_draw(random, n_versions);
    size_t i;

    for (i = 0; i < n_sizes; i++) {
        if (fate_spares(&size_fate, i, random)) {
            sim_resize(&inode->durable, (size_t)sizes[i]);
        }
    }
    for (i = 0; i < n_versions; i++) {
        if (fate_spares(&fate, i, random)) {
            sim_sector_put(&inode->durable, v[i].sector, v[i].data);
        }
    }
    sim_copy(&inode->now, &inode->durable);
    sim_inode_clean(inode);
}

void sim_disk_crash(struct sim_disk *d, uint64_t seed)
{
    const struct change *changes;
    struct inode *inode;
    struct fate fate;
    size_t i, n;

    pthread_mutex_lock(&d->lock);
    changes = (const struct change *)(void *)d->changes.base;
    n = d->changes.len / sizeof changes[0];
    fate = fate_draw(&seed, n);
    for (i = 0; i < n; i++) {
        if (fate_spares(&fate, i, &seed)) {
            change_apply(&d->durable, &changes[i]);
        }
    }
    sim_names_copy(&d->now, &d->durable);
    bytes_clear(&d->changes);
    memset(d->handles, 0, sizeof d->handles);
    memset(d->failures, 0, sizeof d->failures);
    d->power_left = 0;
    d->powered = true;
    for (inode = d->inodes; inode != NULL; inode = inode->next) {
        inode_crash(inode, &seed);
    }
    sim_inodes_sweep(d);
    pthread_mutex_unlock(&d->lock);
}

void sim_disk_cut_power_after(struct sim_disk *d, uint64_t n)
{
    pthread_mutex_lock(&d->lock);
    d->power_left = n;
    pthread_mutex_unlock(&d->lock);
}

bool sim_disk_powered(struct sim_disk *d)
{
    bool powered;

    pthread_mutex_lock(&d->lock);
    powered = d->powered;
    pthread_mutex_unlock(&d->lock);
    return powered;
}

void sim_disk_fail(struct sim_disk *d, enum sim_disk_call call, uint64_t n, int error)
{
    pthread_mutex_lock(&d->lock);
    d->failures[call].left = n;
    d->failures[call].error = error;
    pthread_mutex_unlock(&d->lock);
}

void sim_disk_set_full(struct sim_disk *d, bool full)
{
    pthread_mutex_lock(&d->lock);
    d->full = full;
    pthread_mutex_unlock(&d->lock);
}

uint64_t sim_disk_changes(struct sim_disk *d)
{
    return d->n_changes;
}

uint64_t sim_disk_syncs(struct sim_disk *d)
{
    return d->n_syncs;
}

int64_t sim_disk_size(struct sim_disk *d, const char *name)
{
    struct name *found = sim_names_find(&d->now, name);

    return found == NULL ? -1 : (int64_t)found->inode->now.len;
}

void sim_disk_put(struct sim_disk *d, const char *name, const void *data, size_t len)
{
    struct inode *inode = sim_inode_new(d);

    bytes_append(&inode->now, data, len);
    bytes_append(&inode->durable, data, len);
    sim_names_set(&d->now, name, inode);
    sim_names_set(&d->durable, name, inode);
    sim_inodes_sweep(d);
}

void sim_disk_get(struct sim_disk *d, const char *name, void *data, size_t len, size_t offset)
{
    struct name *found = sim_names_find(&d->now, name);

    assert(found != NULL && offset + len <= found->inode->now.len);
    memcpy(data, found->inode->now.base + offset, len);
}

void sim_disk_flip(struct sim_disk *d, const char *name, size_t offset, uint8_t mask)
{
    struct name *found = sim_names_find(&d->now, name);

    assert(found != NULL && offset < found->inode->now.len);
    found->inode->now.base[offset] ^= mask;
    if (offset < found->inode->durable.len) {
        found->inode->durable.base[offset] ^= mask;
    }
}

void sim_disk_erase(struct sim_disk *d, const char *name)
{
    sim_names_remove(&d->now, name);
    sim_names_remove(&d->durable, name);
    sim_inodes_sweep(d);
}

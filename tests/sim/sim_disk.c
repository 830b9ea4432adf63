/* How: a file ("inode") has its bytes as programs see them, its bytes as of the last sync, and, in
 * between, every content that each dirty sector has had. Names are two small tables, as seen and
 * as of the last sync of the folder, with the list of changes in between. */
#include "tests/sim/sim_disk.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "statemachine/bytes.h"

enum { SECTOR = 512, NAMES_MAX = 512, HANDLES_MAX = 512 };

struct version { /* what a sector held after one write */
    uint64_t sector;
    uint8_t data[SECTOR];
};

struct inode {
    struct inode *next; /* of all */
    struct bytes now;
    struct bytes durable;
    struct bytes versions; /* of struct version, oldest first */
    struct bytes sizes;    /* of int64_t */
    bool shrunk;           /* cut since the last sync: sectors may differ without a version */
};

struct name {
    char text[DISK_NAME_MAX];
    struct inode *inode;
};

struct names {
    struct name list[NAMES_MAX]; /* sorted by text */
    size_t n;
};

struct change {               /* of a name, not yet synced */
    char from[DISK_NAME_MAX]; /* "": created */
    char to[DISK_NAME_MAX];   /* "": removed */
    struct inode *inode;
};

struct handle {
    int number; /* 0: free */
    struct inode *inode;
};

struct sim_disk {
    pthread_mutex_t lock;
    struct inode *inodes;
    struct names now;
    struct names durable;
    struct bytes changes; /* of struct change */
    struct handle handles[HANDLES_MAX];
    int last_handle;
    uint64_t power_left; /* changing calls until the cut; 0: none planned */
    bool powered;
    struct {
        uint64_t left; /* calls until the failure; 0: none planned */
        int error;
    } failures[SIM_DISK_CALLS];
    uint64_t n_changes, n_syncs;
};

/* ---- small things ---- */

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void resize(struct bytes *b, size_t len)
{
    if (len > b->len) {
        bytes_reserve(b, len - b->len);
        memset(b->base + b->len, 0, len - b->len);
    }
    b->len = len;
}

static void copy(struct bytes *to, const struct bytes *from)
{
    bytes_clear(to);
    bytes_append(to, from->base, from->len);
}

/* Copies bytes to and from a sector, as much of it as the file has. */
static void sector_get(const struct bytes *b, uint64_t sector, uint8_t data[SECTOR])
{
    size_t at = (size_t)sector * SECTOR;

    memset(data, 0, SECTOR);
    if (at < b->len) {
        memcpy(data, b->base + at, b->len - at < SECTOR ? b->len - at : SECTOR);
    }
}

static void sector_put(struct bytes *b, uint64_t sector, const uint8_t data[SECTOR])
{
    size_t at = (size_t)sector * SECTOR;

    if (at < b->len) {
        memcpy(b->base + at, data, b->len - at < SECTOR ? b->len - at : SECTOR);
    }
}

static struct name *names_find(struct names *names, const char *text)
{
    size_t i;

    for (i = 0; i < names->n; i++) {
        if (strcmp(names->list[i].text, text) == 0) {
            return &names->list[i];
        }
    }
    return NULL;
}

static void names_set(struct names *names, const char *text, struct inode *inode)
{
    struct name *found = names_find(names, text);
    size_t i = names->n;

    if (found != NULL) {
        found->inode = inode;
        return;
    }
    assert(names->n < NAMES_MAX);
    while (i > 0 && strcmp(names->list[i - 1].text, text) > 0) {
        names->list[i] = names->list[i - 1];
        i--;
    }
    snprintf(names->list[i].text, DISK_NAME_MAX, "%s", text);
    names->list[i].inode = inode;
    names->n++;
}

static void names_remove(struct names *names, const char *text)
{
    struct name *found = names_find(names, text);

    if (found != NULL) {
        memmove(found, found + 1, (size_t)(&names->list[--names->n] - found) * sizeof *found);
    }
}

static void names_copy(struct names *to, const struct names *from)
{
    memcpy(to->list, from->list, from->n * sizeof from->list[0]);
    to->n = from->n;
}

static struct inode *inode_new(struct sim_disk *d)
{
    struct inode *inode = calloc(1, sizeof *inode);

    assert(inode != NULL);
    inode->next = d->inodes;
    d->inodes = inode;
    return inode;
}

static bool inode_used(struct sim_disk *d, const struct inode *inode)
{
    const struct change *changes = (const struct change *)(void *)d->changes.base;
    size_t i;

    for (i = 0; i < d->now.n; i++) {
        if (d->now.list[i].inode == inode) {
            return true;
        }
    }
    for (i = 0; i < d->durable.n; i++) {
        if (d->durable.list[i].inode == inode) {
            return true;
        }
    }
    for (i = 0; i < d->changes.len / sizeof changes[0]; i++) {
        if (changes[i].inode == inode) {
            return true;
        }
    }
    for (i = 0; i < HANDLES_MAX; i++) {
        if (d->handles[i].number != 0 && d->handles[i].inode == inode) {
            return true;
        }
    }
    return false;
}

/* Frees what no name and no handle leads to. */
static void inodes_sweep(struct sim_disk *d)
{
    struct inode **at = &d->inodes;

    while (*at != NULL) {
        struct inode *inode = *at;
        if (inode_used(d, inode)) {
            at = &inode->next;
            continue;
        }
        *at = inode->next;
        bytes_release(&inode->now);
        bytes_release(&inode->durable);
        bytes_release(&inode->versions);
        bytes_release(&inode->sizes);
        free(inode);
    }
}

static struct inode *handle_inode(struct sim_disk *d, int handle)
{
    struct handle *h = &d->handles[handle % HANDLES_MAX];

    return handle > 0 && h->number == handle ? h->inode : NULL;
}

/* Every changing call begins here: 0, or the error it has to give. *halfway: do half of it. */
static int change_begin(struct sim_disk *d, int call, bool *halfway)
{
    *halfway = false;
    if (!d->powered) {
        return -EIO;
    }
    d->n_changes++;
    if (d->power_left > 0 && --d->power_left == 0) {
        d->powered = false;
        *halfway = true;
        return -EIO;
    }
    if (call >= 0 && d->failures[call].left > 0 && --d->failures[call].left == 0) {
        *halfway = true;
        return -d->failures[call].error;
    }
    return 0;
}

static void name_changed(struct sim_disk *d, const char *from, const char *to, struct inode *inode)
{
    struct change c = {.inode = inode};

    snprintf(c.from, sizeof c.from, "%s", from);
    snprintf(c.to, sizeof c.to, "%s", to);
    bytes_append(&d->changes, &c, sizeof c);
}

static void change_apply(struct names *names, const struct change *c)
{
    struct name *from = c->from[0] == '\0' ? NULL : names_find(names, c->from);

    if (from != NULL && from->inode == c->inode) {
        names_remove(names, c->from);
    }
    if (c->to[0] != '\0') {
        names_set(names, c->to, c->inode);
    }
}

static void size_changed(struct inode *inode, size_t size)
{
    int64_t v = (int64_t)size;

    inode->shrunk = inode->shrunk || size < inode->now.len;
    resize(&inode->now, size);
    bytes_append(&inode->sizes, &v, sizeof v);
}

/* ---- the interface ---- */

static int sim_open(void *impl, const char *name, int create)
{
    struct sim_disk *d = impl;
    struct name *found;
    struct inode *inode;
    bool halfway;
    int number, tries;
    int rv = 0;

    pthread_mutex_lock(&d->lock);
    found = names_find(&d->now, name);
    if (!d->powered) {
        rv = -EIO;
        goto out;
    }
    if (found == NULL) {
        rv = create ? change_begin(d, -1, &halfway) : -ENOENT;
        if (rv != 0) {
            goto out;
        }
        inode = inode_new(d);
        names_set(&d->now, name, inode);
        name_changed(d, "", name, inode);
    } else {
        inode = found->inode;
    }
    for (tries = 0; tries < HANDLES_MAX; tries++) {
        number = ++d->last_handle;
        if (d->handles[number % HANDLES_MAX].number == 0) {
            d->handles[number % HANDLES_MAX] = (struct handle){number, inode};
            rv = number;
            goto out;
        }
    }
    rv = -EMFILE;
out:
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static int sim_close(void *impl, int handle)
{
    struct sim_disk *d = impl;
    int rv = -EBADF;

    pthread_mutex_lock(&d->lock);
    if (handle_inode(d, handle) != NULL) {
        d->handles[handle % HANDLES_MAX].number = 0;
        rv = 0;
    }
    inodes_sweep(d);
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static int64_t sim_size(void *impl, int handle)
{
    struct sim_disk *d = impl;
    struct inode *inode;
    int64_t rv;

    pthread_mutex_lock(&d->lock);
    inode = handle_inode(d, handle);
    rv = inode == NULL ? -EBADF : (int64_t)inode->now.len;
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static int resize_call(struct sim_disk *d, int handle, int64_t size, bool allocate)
{
    struct inode *inode;
    bool halfway;
    int rv;

    pthread_mutex_lock(&d->lock);
    inode = handle_inode(d, handle);
    rv = inode == NULL ? -EBADF : change_begin(d, allocate ? SIM_DISK_ALLOCATE : -1, &halfway);
    if (rv == 0 && !(allocate && (size_t)size <= inode->now.len)) {
        size_changed(inode, (size_t)size);
    }
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static int sim_allocate(void *impl, int handle, int64_t size)
{
    return resize_call(impl, handle, size, true);
}

static int sim_truncate(void *impl, int handle, int64_t size)
{
    return resize_call(impl, handle, size, false);
}

static int64_t sim_read(void *impl, int handle, void *data, size_t len, int64_t offset)
{
    struct sim_disk *d = impl;
    struct inode *inode;
    int64_t rv = -EBADF;

    pthread_mutex_lock(&d->lock);
    inode = handle_inode(d, handle);
    if (inode != NULL) {
        size_t left = (size_t)offset < inode->now.len ? inode->now.len - (size_t)offset : 0;
        len = len < left ? len : left;
        if (len > 0) {
            memcpy(data, inode->now.base + offset, len);
        }
        rv = (int64_t)len;
    }
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static void inode_write(struct inode *inode, const void *data, size_t len, size_t offset)
{
    uint64_t sector;

    if (len == 0) {
        return;
    }
    if (offset + len > inode->now.len) {
        size_changed(inode, offset + len);
    }
    memcpy(inode->now.base + offset, data, len);
    for (sector = offset / SECTOR; sector <= (offset + len - 1) / SECTOR; sector++) {
        struct version v = {.sector = sector};
        sector_get(&inode->now, sector, v.data);
        bytes_append(&inode->versions, &v, sizeof v);
    }
}

static int64_t sim_write(void *impl, int handle, const void *data, size_t len, int64_t offset)
{
    struct sim_disk *d = impl;
    struct inode *inode;
    bool halfway = false;
    int64_t rv;

    pthread_mutex_lock(&d->lock);
    inode = handle_inode(d, handle);
    rv = inode == NULL ? -EBADF : change_begin(d, SIM_DISK_WRITE, &halfway);
    if (rv == 0) {
        inode_write(inode, data, len, (size_t)offset);
        rv = (int64_t)len;
    } else if (halfway) { /* as far as a page boundary, where the kernel stops too */
        size_t end = ((size_t)offset + len / 2) / SECTOR * SECTOR;
        inode_write(inode, data, end > (size_t)offset ? end - (size_t)offset : 0, (size_t)offset);
    }
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static void inode_clean(struct inode *inode)
{
    bytes_clear(&inode->versions);
    bytes_clear(&inode->sizes);
    inode->shrunk = false;
}

static void inode_sync(struct inode *inode)
{
    const struct version *v = (const struct version *)(void *)inode->versions.base;
    size_t i;

    if (inode->shrunk) {
        copy(&inode->durable, &inode->now);
    } else {
        resize(&inode->durable, inode->now.len);
        for (i = 0; i < inode->versions.len / sizeof v[0]; i++) {
            sector_put(&inode->durable, v[i].sector, v[i].data);
        }
    }
    inode_clean(inode);
}

static int sim_sync(void *impl, int handle)
{
    struct sim_disk *d = impl;
    struct inode *inode;
    bool halfway = false;
    int rv;

    pthread_mutex_lock(&d->lock);
    inode = handle_inode(d, handle);
    rv = inode == NULL ? -EBADF : change_begin(d, SIM_DISK_SYNC, &halfway);
    if (rv == 0) {
        d->n_syncs++;
        inode_sync(inode);
    } else if (halfway && d->powered) {
        inode_clean(inode); /* the kernel believes it clean; the disk has none of it */
    }
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static int rename_call(struct sim_disk *d, const char *from, const char *to)
{
    struct name *found;
    struct inode *inode;
    bool halfway;
    int rv;

    pthread_mutex_lock(&d->lock);
    found = names_find(&d->now, from);
    rv = !d->powered ? -EIO : found == NULL ? -ENOENT : change_begin(d, -1, &halfway);
    if (rv == 0) {
        inode = found->inode;
        names_remove(&d->now, from);
        if (to[0] != '\0') {
            names_set(&d->now, to, inode);
        }
        name_changed(d, from, to, inode);
    }
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static int sim_rename(void *impl, const char *from, const char *to)
{
    return rename_call(impl, from, to);
}

static int sim_remove(void *impl, const char *name)
{
    return rename_call(impl, name, "");
}

static int sim_sync_folder(void *impl)
{
    struct sim_disk *d = impl;
    bool halfway;
    int rv;

    pthread_mutex_lock(&d->lock);
    rv = change_begin(d, SIM_DISK_NAMES, &halfway);
    if (rv == 0) {
        d->n_syncs++;
        names_copy(&d->durable, &d->now);
        bytes_clear(&d->changes);
        inodes_sweep(d);
    }
    pthread_mutex_unlock(&d->lock);
    return rv;
}

static int sim_list(void *impl, void (*each)(void *context, const char *name), void *context)
{
    struct sim_disk *d = impl;
    size_t i;

    pthread_mutex_lock(&d->lock);
    for (i = 0; i < d->now.n; i++) {
        each(context, d->now.list[i].text);
    }
    pthread_mutex_unlock(&d->lock);
    return 0;
}

static const char *sim_where(void *impl)
{
    (void)impl;
    return "(memory)";
}

static void sim_release(void *impl)
{
    (void)impl;
}

void sim_disk_interface(struct sim_disk *d, struct disk *disk)
{
    *disk = (struct disk){
        .impl = d,
        .open = sim_open,
        .close = sim_close,
        .size = sim_size,
        .allocate = sim_allocate,
        .truncate = sim_truncate,
        .read = sim_read,
        .write = sim_write,
        .sync = sim_sync,
        .rename = sim_rename,
        .remove = sim_remove,
        .sync_folder = sim_sync_folder,
        .list = sim_list,
        .where = sim_where,
        .release = sim_release,
    };
}

/* ---- life, power and tests' own hands ---- */

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
    inodes_sweep(d);
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
            resize(&inode->durable, (size_t)sizes[i]);
        }
    }
    for (i = 0; i < n_versions; i++) {
        if (fate_spares(&fate, i, random)) {
            sector_put(&inode->durable, v[i].sector, v[i].data);
        }
    }
    copy(&inode->now, &inode->durable);
    inode_clean(inode);
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
    names_copy(&d->now, &d->durable);
    bytes_clear(&d->changes);
    memset(d->handles, 0, sizeof d->handles);
    memset(d->failures, 0, sizeof d->failures);
    d->power_left = 0;
    d->powered = true;
    for (inode = d->inodes; inode != NULL; inode = inode->next) {
        inode_crash(inode, &seed);
    }
    inodes_sweep(d);
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
    struct name *found = names_find(&d->now, name);

    return found == NULL ? -1 : (int64_t)found->inode->now.len;
}

void sim_disk_put(struct sim_disk *d, const char *name, const void *data, size_t len)
{
    struct inode *inode = inode_new(d);

    bytes_append(&inode->now, data, len);
    bytes_append(&inode->durable, data, len);
    names_set(&d->now, name, inode);
    names_set(&d->durable, name, inode);
    inodes_sweep(d);
}

void sim_disk_get(struct sim_disk *d, const char *name, void *data, size_t len, size_t offset)
{
    struct name *found = names_find(&d->now, name);

    assert(found != NULL && offset + len <= found->inode->now.len);
    memcpy(data, found->inode->now.base + offset, len);
}

void sim_disk_flip(struct sim_disk *d, const char *name, size_t offset, uint8_t mask)
{
    struct name *found = names_find(&d->now, name);

    assert(found != NULL && offset < found->inode->now.len);
    found->inode->now.base[offset] ^= mask;
    if (offset < found->inode->durable.len) {
        found->inode->durable.base[offset] ^= mask;
    }
}

void sim_disk_erase(struct sim_disk *d, const char *name)
{
    names_remove(&d->now, name);
    names_remove(&d->durable, name);
    inodes_sweep(d);
}

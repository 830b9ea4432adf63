/* What a program does with the memory disk: the calls of struct disk. */
#include "tests/sim/sim_disk_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- small things ---- */

void sim_resize(struct bytes *b, size_t len)
{
    if (len > b->len) {
        bytes_reserve(b, len - b->len);
        memset(b->base + b->len, 0, len - b->len);
    }
    b->len = len;
}

void sim_copy(struct bytes *to, const struct bytes *from)
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

void sim_sector_put(struct bytes *b, uint64_t sector, const uint8_t data[SECTOR])
{
    size_t at = (size_t)sector * SECTOR;

    if (at < b->len) {
        memcpy(b->base + at, data, b->len - at < SECTOR ? b->len - at : SECTOR);
    }
}

struct name *sim_names_find(struct names *names, const char *text)
{
    size_t i;

    for (i = 0; i < names->n; i++) {
        if (strcmp(names->list[i].text, text) == 0) {
            return &names->list[i];
        }
    }
    return NULL;
}

void sim_names_set(struct names *names, const char *text, struct inode *inode)
{
    struct name *found = sim_names_find(names, text);
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

void sim_names_remove(struct names *names, const char *text)
{
    struct name *found = sim_names_find(names, text);

    if (found != NULL) {
        memmove(found, found + 1, (size_t)(&names->list[--names->n] - found) * sizeof *found);
    }
}

void sim_names_copy(struct names *to, const struct names *from)
{
    memcpy(to->list, from->list, from->n * sizeof from->list[0]);
    to->n = from->n;
}

struct inode *sim_inode_new(struct sim_disk *d)
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
void sim_inodes_sweep(struct sim_disk *d)
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

static void size_changed(struct inode *inode, size_t size)
{
    int64_t v = (int64_t)size;

    inode->shrunk = inode->shrunk || size < inode->now.len;
    sim_resize(&inode->now, size);
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
    found = sim_names_find(&d->now, name);
    if (!d->powered) {
        rv = -EIO;
        goto out;
    }
    if (found == NULL) {
        rv = create ? change_begin(d, -1, &halfway) : -ENOENT;
        if (rv != 0) {
            goto out;
        }
        inode = sim_inode_new(d);
        sim_names_set(&d->now, name, inode);
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
    sim_inodes_sweep(d);
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
    if (rv == 0 && d->full && (size_t)size > inode->now.len) {
        rv = -ENOSPC;
    } else if (rv == 0 && !(allocate && (size_t)size <= inode->now.len)) {
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
    if (rv == 0 && d->full && (size_t)offset + len > inode->now.len) {
        rv = -ENOSPC;
        halfway = true;
    }
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

void sim_inode_clean(struct inode *inode)
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
        sim_copy(&inode->durable, &inode->now);
    } else {
        sim_resize(&inode->durable, inode->now.len);
        for (i = 0; i < inode->versions.len / sizeof v[0]; i++) {
            sim_sector_put(&inode->durable, v[i].sector, v[i].data);
        }
    }
    sim_inode_clean(inode);
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
        sim_inode_clean(inode); /* the kernel believes it clean; the disk has none of it */
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
    found = sim_names_find(&d->now, from);
    rv = !d->powered ? -EIO : found == NULL ? -ENOENT : change_begin(d, SIM_DISK_RENAME, &halfway);
    if (rv == 0) {
        inode = found->inode;
        sim_names_remove(&d->now, from);
        if (to[0] != '\0') {
            sim_names_set(&d->now, to, inode);
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
        sim_names_copy(&d->durable, &d->now);
        bytes_clear(&d->changes);
        sim_inodes_sweep(d);
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

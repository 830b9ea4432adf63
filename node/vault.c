#include "node/vault.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHECKPOINT_WAIT_S = 60, TRIES = 8, PIPE_BYTES = 1 << 20 };

struct vault_backup {
    struct node_vault *vault;
    struct machine *machine;
    pthread_t thread; /* writes the copy into fds[1] */
    bool writing;
    int fds[2];
    int write_rv;
    struct fault write_fault;
    struct backup_digest digest;
    struct backup_seal seal;
    uint8_t tail[BACKUP_SEAL_BYTES]; /* the seal, once all of the state is out */
    size_t tail_left;
    bool sealed;
    uint8_t first; /* the copy's first byte: it shows that the copy has begun */
    bool has_first;
};

struct node_vault {
    struct vault_options options;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct machine *machine; /* NULL: closed */
    bool closing;
    unsigned users;
    bool backing_up, auditing;
    /* Wishes for a checkpoint are numbered: the last one, and those that the last checkpoint to
     * begin, and to end, came after. */
    uint64_t wished, begun, granted;

    /* The backup's reading end, to be shut from outside, and what was read from it. */
    int fd; /* -1: none */
    uint64_t began_ms, bytes;
    bool too_slow;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct node_vault *vault_new(const struct vault_options *options)
{
    struct node_vault *v = calloc(1, sizeof *v);
    pthread_condattr_t attributes;

    if (v == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    v->options = *options;
    v->fd = -1;
    v->options.patience_ms = options->patience_ms == 0 ? VAULT_PATIENCE_MS : options->patience_ms;
    pthread_mutex_init(&v->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&v->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return v;
}

void vault_free(struct node_vault *v)
{
    pthread_cond_destroy(&v->changed);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

/* ---- the loop's side ---- */

void vault_open(struct node_vault *v, struct machine *machine)
{
    pthread_mutex_lock(&v->lock);
    v->machine = machine;
    v->closing = false;
    pthread_mutex_unlock(&v->lock);
}

bool vault_close(struct node_vault *v)
{
    bool empty;

    pthread_mutex_lock(&v->lock);
    v->closing = true;
    if (v->fd >= 0) {
        shutdown(v->fd, SHUT_RDWR);
    }
    pthread_cond_broadcast(&v->changed);
    empty = v->users == 0;
    if (empty) {
        v->machine = NULL;
    }
    pthread_mutex_unlock(&v->lock);
    return empty;
}

bool vault_wants_checkpoint(struct node_vault *v)
{
    bool wants;

    pthread_mutex_lock(&v->lock);
    wants = v->wished > v->begun;
    pthread_mutex_unlock(&v->lock);
    return wants;
}

bool vault_waits_for_checkpoint(struct node_vault *v)
{
    bool waits;

    pthread_mutex_lock(&v->lock);
    waits = v->wished > v->granted;
    pthread_mutex_unlock(&v->lock);
    return waits;
}

void vault_checkpoint_begun(struct node_vault *v, bool none)
{
    pthread_mutex_lock(&v->lock);
    v->begun = v->wished;
    if (none) {
        v->granted = v->begun;
        pthread_cond_broadcast(&v->changed);
    }
    pthread_mutex_unlock(&v->lock);
}

void vault_checkpoint_ended(struct node_vault *v)
{
    pthread_mutex_lock(&v->lock);
    v->granted = v->begun;
    pthread_cond_broadcast(&v->changed);
    pthread_mutex_unlock(&v->lock);
}

void vault_look(struct node_vault *v)
{
    uint64_t now = now_ms();

    pthread_mutex_lock(&v->lock);
    if (v->fd >= 0 && now - v->began_ms > v->options.patience_ms) {
        uint64_t beyond_ms = now - v->began_ms - v->options.patience_ms;

        if (v->bytes < beyond_ms * VAULT_RATE_MIN / 1000) {
            v->too_slow = true;
            shutdown(v->fd, SHUT_RDWR);
        }
    }
    pthread_mutex_unlock(&v->lock);
}

/* ---- coming and going ---- */

/* Takes *busy, one of the vault's two flags. */
static enum vault_result enter(struct node_vault *v, bool *busy, struct machine **machine)
{
    enum vault_result result = VAULT_OK;

    pthread_mutex_lock(&v->lock);
    if (v->closing || v->machine == NULL) {
        result = VAULT_AWAY;
    } else if (*busy) {
        result = VAULT_BUSY;
    } else {
        *busy = true;
        v->users++;
        *machine = v->machine;
    }
    pthread_mutex_unlock(&v->lock);
    return result;
}

static void leave(struct node_vault *v, bool *busy)
{
    pthread_mutex_lock(&v->lock);
    *busy = false;
    v->users--;
    pthread_mutex_unlock(&v->lock);
    v->options.wake(v->options.context); /* somebody may wait for it to be empty */
}

static bool asked_to_leave(struct node_vault *v)
{
    bool closing;

    pthread_mutex_lock(&v->lock);
    closing = v->closing;
    pthread_mutex_unlock(&v->lock);
    return closing;
}

/* Waits until a checkpoint that began after this call is in the store. */
static enum vault_result have_checkpoint(struct node_vault *v, struct fault *fault)
{
    enum vault_result result = VAULT_OK;
    struct timespec until;
    uint64_t wish;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += CHECKPOINT_WAIT_S;
    pthread_mutex_lock(&v->lock);
    wish = ++v->wished;
    pthread_mutex_unlock(&v->lock);
    v->options.wake(v->options.context);
    pthread_mutex_lock(&v->lock);
    while (result == VAULT_OK && v->granted < wish) {
        if (v->closing) {
            result = VAULT_AWAY;
        } else if (pthread_cond_timedwait(&v->changed, &v->lock, &until) == ETIMEDOUT) {
            fault_set(fault, "no checkpoint was written within %d s", CHECKPOINT_WAIT_S);
            result = VAULT_BROKEN;
        }
    }
    pthread_mutex_unlock(&v->lock);
    return result;
}

/* ---- a backup ---- */

static void *write_copy(void *argument)
{
    struct vault_backup *b = argument;

    b->write_rv = machine_copy(b->machine, b->fds[1], &b->write_fault);
    shutdown(b->fds[1], SHUT_WR);
    return NULL;
}

static int start_copy(struct vault_backup *b, struct fault *fault)
{
    struct node_vault *v = b->vault;
    int bytes = PIPE_BYTES;

    b->write_rv = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b->fds) != 0) {
        return fault_set(fault, "no pipe for the copy: %s", strerror(errno));
    }
    /* Room for more than a moment: less is slower, no more. */
    (void)setsockopt(b->fds[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    pthread_mutex_lock(&v->lock);
    v->fd = b->fds[0];
    v->began_ms = now_ms();
    v->bytes = 0;
    v->too_slow = false;
    if (v->closing) {
        shutdown(v->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&v->lock);
    b->writing = pthread_create(&b->thread, NULL, write_copy, b) == 0;
    return b->writing ? 0 : fault_set(fault, "no thread for the copy");
}

static void stop_copy(struct vault_backup *b)
{
    struct node_vault *v = b->vault;

    if (b->fds[0] < 0) {
        return;
    }
    pthread_mutex_lock(&v->lock);
    v->fd = -1;
    pthread_mutex_unlock(&v->lock);
    shutdown(b->fds[0], SHUT_RDWR); /* its thread's next write fails */
    if (b->writing) {
        pthread_join(b->thread, NULL);
        b->writing = false;
    }
    close(b->fds[0]);
    close(b->fds[1]);
    b->fds[0] = b->fds[1] = -1;
}

static int look_at_state(struct machine *machine, struct backup_seal *seal, struct fault *fault)
{
    struct machine *view;

    if (machine_view(machine, &view, fault) != 0) {
        return -1;
    }
    backup_seal_of(view, seal);
    machine_close(view);
    return 0;
}

static int64_t read_some(int fd, void *data, size_t cap)
{
    ssize_t n;

    do {
        n = read(fd, data, cap);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Begins a copy whose state b->seal names. */
static int begin_known_copy(struct vault_backup *b, struct fault *fault)
{
    struct backup_seal after;
    int i;

    for (i = 0; i < TRIES; i++) {
        if (look_at_state(b->machine, &b->seal, fault) != 0 || start_copy(b, fault) != 0) {
            return -1;
        }
        if (read_some(b->fds[0], &b->first, 1) != 1) {
            stop_copy(b);
            *fault = b->write_fault;
            return b->write_rv != 0 ? -1 : fault_set(fault, "the copy was cut off");
        }
        if (look_at_state(b->machine, &after, fault) != 0) {
            return -1;
        }
        if (after.applied_index == b->seal.applied_index) {
            b->has_first = true;
            return 0;
        }
        stop_copy(b);
    }
    return fault_set(fault, "checkpoints follow each other too fast to copy one");
}

static void end_backup(struct vault_backup *b)
{
    struct node_vault *v = b->vault;

    stop_copy(b);
    free(b);
    leave(v, &v->backing_up);
}

static enum vault_result begin_backup(void *impl, struct vault_backup **backup, struct fault *fault)
{
    struct node_vault *v = impl;
    struct machine *machine;
    struct vault_backup *b;
    enum vault_result result = enter(v, &v->backing_up, &machine);

    if (result != VAULT_OK) {
        return result;
    }
    b = calloc(1, sizeof *b);
    if (b == NULL) {
        abort(); /* as bytes_reserve does: what is small and can't be had */
    }
    b->vault = v;
    b->machine = machine;
    b->fds[0] = b->fds[1] = -1;
    snprintf(b->seal.cluster_id, sizeof b->seal.cluster_id, "%s", v->options.cluster_id);
    b->seal.node_id = v->options.node_id;
    backup_digest_begin(&b->digest);
    result = have_checkpoint(v, fault);
    if (result == VAULT_OK && begin_known_copy(b, fault) != 0) {
        result = asked_to_leave(v) ? VAULT_AWAY : VAULT_BROKEN;
    }
    if (result != VAULT_OK) {
        end_backup(b);
        return result;
    }
    *backup = b;
    return VAULT_OK;
}

/* The copy is out, or was cut off: which, only its thread can tell. */
static int seal_backup(struct vault_backup *b, struct fault *fault)
{
    struct node_vault *v = b->vault;
    bool too_slow;

    stop_copy(b);
    pthread_mutex_lock(&v->lock);
    too_slow = v->too_slow;
    pthread_mutex_unlock(&v->lock);
    if (too_slow) {
        return fault_set(fault, "it was taken too slowly");
    }
    if (asked_to_leave(v)) {
        return fault_set(fault, "this node is stopping, or gets another state");
    }
    if (b->write_rv != 0) {
        *fault = b->write_fault;
        return -1;
    }
    backup_digest_end(&b->digest, &b->seal, b->tail);
    b->tail_left = sizeof b->tail;
    b->sealed = true;
    return 0;
}

static int64_t read_backup(struct vault_backup *b, void *data, size_t cap, struct fault *fault)
{
    struct node_vault *v = b->vault;
    size_t first = 0;
    int64_t n = 0;

    if (b->has_first) {
        *(uint8_t *)data = b->first;
        b->has_first = false;
        first = 1;
    }
    if (!b->sealed && cap > first) {
        n = read_some(b->fds[0], (uint8_t *)data + first, cap - first);
    }
    if (n > 0 || first > 0) {
        n = (n > 0 ? n : 0) + (int64_t)first;
        backup_digest_add(&b->digest, data, (size_t)n);
        pthread_mutex_lock(&v->lock);
        v->bytes += (uint64_t)n;
        pthread_mutex_unlock(&v->lock);
        return n;
    }
    if (!b->sealed && seal_backup(b, fault) != 0) {
        return -1;
    }
    cap = cap < b->tail_left ? cap : b->tail_left;
    memcpy(data, b->tail + sizeof b->tail - b->tail_left, cap);
    b->tail_left -= cap;
    return (int64_t)cap;
}

/* ---- an audit ---- */

static bool audit_may_go_on(void *context, uint64_t seq, uint64_t last_seq)
{
    (void)seq;
    (void)last_seq;
    return !asked_to_leave(context);
}

static enum vault_result audit(void *impl, struct audit_report *report, struct backup_seal *seal,
                               struct fault *fault)
{
    struct node_vault *v = impl;
    struct machine *machine;
    struct machine *view;
    enum vault_result result = enter(v, &v->auditing, &machine);

    if (result != VAULT_OK) {
        return result;
    }
    result = have_checkpoint(v, fault);
    if (result == VAULT_OK && machine_view(machine, &view, fault) != 0) {
        result = VAULT_BROKEN;
    }
    if (result == VAULT_OK) {
        *report = (struct audit_report){.go_on = audit_may_go_on, .context = v};
        backup_seal_of(view, seal);
        seal->node_id = v->options.node_id;
        if (machine_audit_report(view, report, fault) != 0) {
            result = asked_to_leave(v) ? VAULT_AWAY : VAULT_UNSOUND;
            audit_report_release(report);
        }
        machine_close(view);
    }
    leave(v, &v->auditing);
    return result;
}

void vault_bind(struct node_vault *v, struct vault *vault)
{
    *vault = (struct vault){
        .impl = v,
        .backup_begin = begin_backup,
        .backup_read = read_backup,
        .backup_end = end_backup,
        .audit = audit,
    };
}

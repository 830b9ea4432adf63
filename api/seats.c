#include "api/seats.h"

#include <assert.h>
#include <civetweb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "api/descriptors.h"

enum {
    CUT_MAX = 64,           /* at one look */
    CUT_PART = 4,           /* ... and of the seats */
    SAY_EVERY_US = 1000000, /* one log line */
};

struct seat {
    const struct mg_connection *conn; /* NULL: free */
    bool was_cut;                     /* and is about to leave */
    bool assigned;                    /* to a worker */
    _Atomic(enum seat_turn) turn;
    atomic_bool trusted;
    atomic_ullong since_us;
};

struct seats {
    struct metrics *metrics;
    struct reporter *reporter;
    /* At the last look: all seats taken by clients with keys, and nobody to cut; nobody to cut for
     * so long that nobody idles. */
    atomic_bool crowded, rushed;

    pthread_mutex_t lock; /* guards all that follows, but the seats' atomics */
    pthread_cond_t full;  /* the last seat was taken, or it is time to stop */
    bool stopping;
    bool has_thread;
    pthread_t thread;
    uint64_t said_us, unsaid_cut;
    uint64_t full_us; /* all seats are taken, and nobody was cut, since then */
    unsigned n, taken;
    struct seat seats[];
};

/* Who is to be cut. */
struct choice {
    struct seat *seat;
    enum seat_turn turn;
    struct socket_end client; /* as CivetWeb writes it */
    int own_port;
    bool cut;
};

struct choices {
    struct choice *list;
    size_t n;
};

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- finding and cutting, under the lock: nobody leaves, so no descriptor of ours is closed ----
 */

static uint64_t waited_us(const struct seat *seat, uint64_t now)
{
    uint64_t since = atomic_load(&seat->since_us);

    if (seat->conn == NULL || seat->was_cut || atomic_load(&seat->turn) == TURN_OURS) {
        return 0;
    }
    return now > since ? now - since : 0;
}

/* Whether somebody who has shown no key holds a seat, or is about to give it up. */
static bool has_strangers(const struct seats *s)
{
    size_t i;

    for (i = 0; i < s->n; i++) {
        const struct seat *seat = &s->seats[i];

        if (seat->conn != NULL && !atomic_load(&seat->trusted) &&
            atomic_load(&seat->turn) != TURN_OURS) {
            return true;
        }
    }
    return false;
}

/* Keeps `chosen` sorted, the longest wait first; returns the new length. */
static size_t insert(struct seat **chosen, size_t n, size_t max, struct seat *seat, uint64_t now)
{
    size_t at = n;

    while (at > 0 && waited_us(chosen[at - 1], now) < waited_us(seat, now)) {
        at--;
    }
    if (at == max) {
        return n;
    }
    n = n < max ? n + 1 : max;
    memmove(&chosen[at + 1], &chosen[at], (n - at - 1) * sizeof *chosen);
    chosen[at] = seat;
    return n;
}

static void add_choice(struct choices *c, struct seat *seat)
{
    /* NULL for a connection that has only just begun. */
    const struct mg_request_info *ri = mg_get_request_info(seat->conn);
    struct choice *new = &c->list[c->n];

    if (ri != NULL) {
        *new = (struct choice){.seat = seat,
                               .turn = atomic_load(&seat->turn),
                               .client = {.port = ri->remote_port},
                               .own_port = ri->server_port};
        snprintf(new->client.address, sizeof new->client.address, "%s", ri->remote_addr);
        c->n++;
    }
}

static void choose_longest(struct seats *s, struct choices *chosen)
{
    struct seat *waiting[CUT_MAX];
    uint64_t now = now_us();
    size_t max = (s->n + CUT_PART - 1) / CUT_PART;
    bool strangers = has_strangers(s);
    size_t n_waiting = 0, i;

    max = max < CUT_MAX ? max : CUT_MAX;
    for (i = 0; i < s->n; i++) {
        struct seat *seat = &s->seats[i];

        if (waited_us(seat, now) >= SEATS_GRACE_MS * 1000 &&
            !(strangers && atomic_load(&seat->trusted))) {
            n_waiting = insert(waiting, n_waiting, max, seat, now);
        }
    }
    for (i = 0; i < n_waiting; i++) {
        add_choice(chosen, waiting[i]);
    }
}

/* What its client has sent, and nobody has read: it is we who are late, and not the client. */
static bool has_unread(int fd)
{
    int n;

    return ioctl(fd, FIONREAD, &n) == 0 && n > 0;
}

/* A request that has come in meanwhile may still be read and answered; one who does not take its
 * answer is done with. */
static void cut_if_chosen(void *context, int fd)
{
    const struct choices *chosen = context;
    struct socket_end own, client;
    size_t i;

    if (!descriptor_own_end(fd, &own) || !descriptor_peer_end(fd, &client)) {
        return;
    }
    for (i = 0; i < chosen->n; i++) {
        struct choice *c = &chosen->list[i];

        if (c->own_port == own.port && c->client.port == client.port &&
            strcmp(c->client.address, client.address) == 0) {
            if (c->turn != TURN_REQUEST || !has_unread(fd)) {
                shutdown(fd, c->turn == TURN_ANSWER ? SHUT_RDWR : SHUT_RD);
                c->cut = true;
            }
            return;
        }
    }
}

static void cut(struct seats *s, struct choices *chosen)
{
    int error = chosen->n == 0 ? 0 : descriptors_each(cut_if_chosen, chosen);

    if (error != 0) {
        report(s->reporter, LEVEL_WARN, "api", "can't cut slow connections",
               "why=\"/proc/self/fd: %s\"", strerror(error));
    }
}

/* Returns how many were chosen. */
static size_t cut_longest(struct seats *s)
{
    struct choice list[CUT_MAX];
    struct choices chosen = {.list = list};
    size_t i;

    choose_longest(s, &chosen);
    cut(s, &chosen);
    for (i = 0; i < chosen.n; i++) {
        if (list[i].cut) {
            list[i].seat->was_cut = true;
            s->unsaid_cut++;
            metrics_count_cut(s->metrics);
        }
    }
    return chosen.n;
}

static void say(struct seats *s)
{
    uint64_t now = now_us();

    if (s->unsaid_cut > 0 && now - s->said_us >= SAY_EVERY_US) {
        report(s->reporter, LEVEL_WARN, "api", "no thread was free; slow connections were cut",
               "http_threads=%u cut=%llu", s->n, (unsigned long long)s->unsaid_cut);
        s->said_us = now;
        s->unsaid_cut = 0;
    }
}

static void look(struct seats *s)
{
    bool was_cut = cut_longest(s) > 0;
    uint64_t now = now_us();

    if (was_cut) {
        s->full_us = now;
    }
    atomic_store(&s->crowded, !was_cut && !has_strangers(s));
    /* Who idles would have been cut by now. */
    atomic_store(&s->rushed, now - s->full_us >= 2 * SEATS_GRACE_MS * 1000);
}

static void *watch(void *context)
{
    struct seats *s = context;
    struct timespec until;

    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        if (s->taken < s->n) {
            atomic_store(&s->crowded, false);
            atomic_store(&s->rushed, false);
            pthread_cond_wait(&s->full, &s->lock);
            s->full_us = now_us();
            continue;
        }
        look(s);
        say(s);
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += SEATS_LOOK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        while (!s->stopping && pthread_cond_timedwait(&s->full, &s->lock, &until) == 0) {
        }
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

/* ---- */

struct seats *seats_new(unsigned n, struct metrics *metrics, struct reporter *reporter)
{
    struct seats *s = calloc(1, sizeof *s + n * sizeof s->seats[0]);
    pthread_condattr_t attributes;

    if (s == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    s->n = n;
    s->metrics = metrics;
    s->reporter = reporter;
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->full, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&s->thread, NULL, watch, s) != 0) {
        abort();
    }
    s->has_thread = true;
    return s;
}

void seats_stop(struct seats *s)
{
    if (!s->has_thread) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_signal(&s->full);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->has_thread = false;
}

void seats_clear(struct seats *s)
{
    struct choices idle = {.list = calloc(s->n, sizeof *idle.list)};
    size_t i;

    if (idle.list == NULL) {
        return; /* then their workers look for themselves, if later */
    }
    pthread_mutex_lock(&s->lock);
    for (i = 0; i < s->n; i++) {
        struct seat *seat = &s->seats[i];

        if (seat->conn != NULL && atomic_load(&seat->turn) == TURN_REQUEST) {
            add_choice(&idle, seat);
        }
    }
    cut(s, &idle);
    pthread_mutex_unlock(&s->lock);
    free(idle.list);
}

void seats_free(struct seats *s)
{
    seats_stop(s);
    pthread_cond_destroy(&s->full);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

unsigned seats_assign(struct seats *s)
{
    unsigned seat = 0;

    pthread_mutex_lock(&s->lock);
    while (seat < s->n && s->seats[seat].assigned) {
        seat++;
    }
    if (seat == s->n) {
        abort(); /* CivetWeb never runs more workers than it was told */
    }
    s->seats[seat].assigned = true;
    pthread_mutex_unlock(&s->lock);
    return seat;
}

void seats_resign(struct seats *s, unsigned seat)
{
    pthread_mutex_lock(&s->lock);
    s->seats[seat].assigned = false;
    pthread_mutex_unlock(&s->lock);
}

void seats_take(struct seats *s, unsigned seat, const struct mg_connection *conn)
{
    struct seat *own = &s->seats[seat];

    atomic_store(&own->trusted, false);
    seats_turn(s, seat, TURN_REQUEST, now_us());
    pthread_mutex_lock(&s->lock);
    assert(own->conn == NULL);
    own->conn = conn;
    own->was_cut = false;
    s->taken++;
    if (s->taken == s->n) {
        pthread_cond_signal(&s->full);
    }
    pthread_mutex_unlock(&s->lock);
}

void seats_leave(struct seats *s, unsigned seat)
{
    struct seat *own = &s->seats[seat];

    pthread_mutex_lock(&s->lock);
    if (own->conn != NULL) {
        own->conn = NULL;
        s->taken--;
    }
    pthread_mutex_unlock(&s->lock);
}

void seats_turn(struct seats *s, unsigned seat, enum seat_turn turn, uint64_t at_us)
{
    /* In this order a look between the two sees at worst a client that waits for us. */
    atomic_store(&s->seats[seat].since_us, at_us);
    atomic_store(&s->seats[seat].turn, turn);
}

bool seats_gives_way(const struct seats *s, unsigned seat)
{
    if (!atomic_load(&s->seats[seat].trusted)) {
        return atomic_load(&s->rushed);
    }
    return seat % SEATS_DOOR == 0 && atomic_load(&s->crowded);
}

void seats_trust(struct seats *s, unsigned seat)
{
    atomic_store(&s->seats[seat].trusted, true);
}

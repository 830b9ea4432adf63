/* Nothing acknowledged is lost: 64 clients bet, win and roll back at all nodes while the leader is
 * killed with SIGKILL five times and restarted; then all nodes are killed at once under load.
 *
 * Afterwards every acknowledged answer is looked up in the ledger (once, same seq, amount,
 * balance), every balance is replayed from the ledger, the chain is recomputed by florinctl, and
 * all nodes' chain heads are compared. Clients may see 2xx, 503 and 504, and connections that
 * break.
 *
 * usage: test_crash FLORIND FLORINCTL [KILLS] */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/cluster.h"

enum {
    CLIENTS = 64,
    PLAYERS = 16,
    NODES = 3,
    KILLS_MAX = 20,
    PROGRESS_BEFORE_KILL = 400, /* acknowledged answers between two kills */
    LIMIT_S = 60,               /* for any condition that is waited for */
    PAGE = 1000,
};

struct acknowledged {
    char id[32];
    char player[8];
    uint64_t seq;
    char amount[32];
    char balance[32];
    uint64_t at_us;
};

struct client {
    struct test *test;
    pthread_t thread;
    int number;
    unsigned random;
    unsigned made;
    struct acknowledged *done;
    size_t n_done, cap_done;
};

struct test {
    struct cluster cluster;
    const char *florinctl;
    struct client clients[CLIENTS];
    atomic_bool stop;
    atomic_ulong acknowledged, unavailable, unknown, broken;
    atomic_int wrong_status; /* the first status that no client may see */
    char wrong_body[512];
};

static unsigned draw(struct client *c, unsigned below)
{
    c->random = c->random * 1664525u + 1013904223u;
    return (c->random >> 8) % below;
}

static void remember(struct client *c, const char *id, json_t *json)
{
    struct acknowledged *a;

    if (c->n_done == c->cap_done) {
        c->cap_done = c->cap_done == 0 ? 256 : c->cap_done * 2;
        c->done = realloc(c->done, c->cap_done * sizeof *c->done);
        if (c->done == NULL) {
            abort();
        }
    }
    a = &c->done[c->n_done++];
    snprintf(a->id, sizeof a->id, "%s", id);
    snprintf(a->player, sizeof a->player, "%s", json_string_value(json_object_get(json, "player")));
    a->seq = (uint64_t)json_integer_value(json_object_get(json, "seq"));
    snprintf(a->amount, sizeof a->amount, "%s", json_string_value(json_object_get(json, "amount")));
    snprintf(a->balance, sizeof a->balance, "%s",
             json_string_value(json_object_get(json, "balance")));
    a->at_us = test_now_us();
    atomic_fetch_add(&c->test->acknowledged, 1);
}

/* Places one transaction and repeats it, at whichever node, until an answer is certain. */
static void place(struct client *c, struct http *http, const char *path, const char *id,
                  const char *body)
{
    struct test *t = c->test;
    char url[URL_MAX];

    while (!atomic_load(&t->stop)) {
        json_t *json = NULL;
        long status;
        cluster_url(&t->cluster, (int)draw(c, NODES), url, "%s", path);
        status = http_call(http, "POST", url, t->cluster.provider_key, body, &json);
        if (status == 200) {
            remember(c, id, json);
            json_decref(json);
            return;
        }
        json_decref(json);
        if (status == 503) {
            atomic_fetch_add(&t->unavailable, 1);
        } else if (status == 504) {
            atomic_fetch_add(&t->unknown, 1);
        } else if (status == 0) {
            atomic_fetch_add(&t->broken, 1);
            http_reset(http);
            usleep(1000); /* a dead node refuses at once: leave the others some processor */
        } else {
            int none = 0;
            if (atomic_compare_exchange_strong(&t->wrong_status, &none, (int)status)) {
                snprintf(t->wrong_body, sizeof t->wrong_body, "%.400s", http->body);
            }
            return;
        }
    }
}

static void one_transaction(struct client *c, struct http *http)
{
    unsigned what = draw(c, 100);
    char id[32];
    char body[512];

    snprintf(id, sizeof id, "c%d-%u", c->number, c->made++);
    if (what >= 85 && c->n_done > 0) {
        const struct acknowledged *original = &c->done[draw(c, (unsigned)c->n_done)];
        snprintf(body, sizeof body,
                 "{\"id\":\"%s\",\"player\":\"%s\",\"currency\":\"EUR\",\"original\":\"%s\"}", id,
                 original->player, original->id);
        if (strchr(original->id, 'r') == NULL) { /* rollbacks are named rN-... */
            id[0] = 'r';
            body[7] = 'r';
            place(c, http, "/v1/rollbacks", id, body);
            return;
        }
    }
    snprintf(body, sizeof body,
             "{\"id\":\"%s\",\"player\":\"p%u\",\"currency\":\"EUR\",\"amount\":\"%u.%02u\"}", id,
             draw(c, PLAYERS), 1 + draw(c, 9), draw(c, 100));
    place(c, http, what < 60 ? "/v1/bets" : "/v1/wins", id, body);
}

static void *client_run(void *argument)
{
    struct client *c = argument;
    struct http http;

    http_init(&http);
    while (!atomic_load(&c->test->stop)) {
        one_transaction(c, &http);
    }
    http_release(&http);
    return NULL;
}

static void start_clients(struct test *t, unsigned generation)
{
    int i;

    atomic_store(&t->stop, false);
    for (i = 0; i < CLIENTS; i++) {
        struct client *c = &t->clients[i];
        c->test = t;
        c->number = i;
        c->random = (unsigned)i * 7919u + generation * 104729u + 1u;
        if (pthread_create(&c->thread, NULL, client_run, c) != 0) {
            cluster_die(&t->cluster, "no thread: %s", strerror(errno));
        }
    }
}

static void stop_clients(struct test *t)
{
    int i;

    atomic_store(&t->stop, true);
    for (i = 0; i < CLIENTS; i++) {
        pthread_join(t->clients[i].thread, NULL);
    }
}

static void wait_progress(struct test *t, unsigned long more)
{
    unsigned long goal = atomic_load(&t->acknowledged) + more;
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (atomic_load(&t->acknowledged) < goal) {
        if (atomic_load(&t->wrong_status) != 0) {
            cluster_die(&t->cluster, "a client saw %d: %s", atomic_load(&t->wrong_status),
                        t->wrong_body);
        }
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "no progress for %d s", LIMIT_S);
        }
        usleep(2000);
    }
}

static int wait_leader(struct test *t)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    int leader;

    while ((leader = cluster_leader(&t->cluster)) < 0) {
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "no leader for %d s", LIMIT_S);
        }
        usleep(10000);
    }
    return leader;
}

/* ---- the election gap ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The longest time without a success around each kill: last success before, first after. */
static void print_gaps(struct test *t, const uint64_t *kills, int n_kills)
{
    uint64_t gaps[KILLS_MAX];
    uint64_t *times;
    size_t n = 0;
    size_t j;
    int i;

    times = malloc(atomic_load(&t->acknowledged) * sizeof *times);
    if (times == NULL) {
        abort();
    }
    for (i = 0; i < CLIENTS; i++) {
        for (j = 0; j < t->clients[i].n_done; j++) {
            times[n++] = t->clients[i].done[j].at_us;
        }
    }
    qsort(times, n, sizeof *times, compare_u64);
    for (i = 0; i < n_kills; i++) {
        uint64_t longest = 0;
        for (j = 1; j < n; j++) {
            bool near = times[j] >= kills[i] && times[j - 1] <= kills[i] + 5000000;
            if (near && times[j] - times[j - 1] > longest) {
                longest = times[j] - times[j - 1];
            }
        }
        gaps[i] = longest;
    }
    qsort(gaps, (size_t)n_kills, sizeof *gaps, compare_u64);
    printf("election gap over %d kills of the leader: min %.0f ms, median %.0f ms, max %.0f ms\n",
           n_kills, (double)gaps[0] / 1000, (double)gaps[n_kills / 2] / 1000,
           (double)gaps[n_kills - 1] / 1000);
    free(times);
}

/* ---- the checks ---- */

/* The whole ledger as {id: entry}; also says how many entries there are. */
static json_t *read_ledger(struct test *t, size_t *count)
{
    json_t *by_id = json_object();
    unsigned long long from = 1;
    struct http http;
    char url[URL_MAX];

    http_init(&http);
    *count = 0;
    while (from != 0) {
        json_t *page = NULL;
        json_t *entry;
        size_t i;
        cluster_url(&t->cluster, 0, url, "/v1/ledger?from=%llu&limit=%d", from, PAGE);
        if (http_call(&http, "GET", url, t->cluster.platform_key, NULL, &page) != 200) {
            cluster_die(&t->cluster, "GET %s: %s", url, http.len > 0 ? http.body : "no answer");
        }
        json_array_foreach(json_object_get(page, "entries"), i, entry)
        {
            const char *id = json_string_value(json_object_get(entry, "id"));
            if (json_object_get(by_id, id) != NULL) {
                cluster_die(&t->cluster, "transaction %s is in the ledger twice", id);
            }
            json_object_set(by_id, id, entry);
            (*count)++;
        }
        from = (unsigned long long)json_integer_value(json_object_get(page, "next"));
        json_decref(page);
    }
    http_release(&http);
    return by_id;
}

static bool same_text(json_t *entry, const char *field, const char *text)
{
    const char *value = json_string_value(json_object_get(entry, field));

    return value != NULL && strcmp(value, text) == 0;
}

static void check_acknowledged(struct test *t, json_t *ledger)
{
    size_t j;
    int i;

    for (i = 0; i < CLIENTS; i++) {
        for (j = 0; j < t->clients[i].n_done; j++) {
            const struct acknowledged *a = &t->clients[i].done[j];
            json_t *entry = json_object_get(ledger, a->id);
            if (entry == NULL) {
                cluster_die(&t->cluster, "acknowledged %s (seq %llu) is not in the ledger", a->id,
                            (unsigned long long)a->seq);
            }
            if ((uint64_t)json_integer_value(json_object_get(entry, "seq")) != a->seq ||
                !same_text(entry, "amount", a->amount) ||
                !same_text(entry, "balance", a->balance)) {
                cluster_die(&t->cluster,
                            "%s was acknowledged with another answer than the ledger's", a->id);
            }
        }
    }
}

/* florinctl recomputes chain, sums and all balances from the ledger; then the balances that the
 * nodes answer must be those of each player's last entry. */
static void check_balances(struct test *t, json_t *ledger)
{
    json_t *last = json_object();
    struct http http;
    char url[URL_MAX];
    const char *key;
    json_t *entry;
    int i;

    json_object_foreach(ledger, key, entry)
    {
        const char *player = json_string_value(json_object_get(entry, "player"));
        json_t *before = json_object_get(last, player);
        if (before == NULL || json_integer_value(json_object_get(before, "seq")) <
                                  json_integer_value(json_object_get(entry, "seq"))) {
            json_object_set(last, player, entry);
        }
    }
    http_init(&http);
    for (i = 0; i < PLAYERS; i++) {
        json_t *json = NULL;
        json_t *balance;
        char player[8];
        snprintf(player, sizeof player, "p%d", i);
        cluster_url(&t->cluster, i % NODES, url, "/v1/players/%s/balances", player);
        if (http_call(&http, "GET", url, t->cluster.platform_key, NULL, &json) != 200) {
            cluster_die(&t->cluster, "GET %s failed", url);
        }
        balance = json_array_get(json_object_get(json, "balances"), 0);
        if (!same_text(
                balance, "balance",
                json_string_value(json_object_get(json_object_get(last, player), "balance")))) {
            cluster_die(&t->cluster, "player %s: the balance is not the ledger's", player);
        }
        json_decref(json);
    }
    http_release(&http);
    json_decref(last);
}

static void check_chain(struct test *t)
{
    char endpoint[URL_MAX];
    int status;
    pid_t pid;

    cluster_url(&t->cluster, 1, endpoint, "%s", "");
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        execl(t->florinctl, "florinctl", "--endpoints", endpoint, "--key", t->cluster.platform_key,
              "ledger", "--verify", (char *)NULL);
        _exit(127);
    }
    if (waitpid(pid, &status, 0) < 0 || status != 0) {
        cluster_die(&t->cluster, "florinctl ledger --verify says the ledger is wrong");
    }
}

/* Each node's own state at the last seq: waits until all have applied it, compares the hashes. */
static void check_heads(struct test *t, size_t count)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    char first[80] = "";
    struct http http;
    char url[URL_MAX];
    int i;

    http_init(&http);
    for (i = 0; i < NODES; i++) {
        const char *hash = NULL;
        json_t *json = NULL;
        while (hash == NULL) {
            json_decref(json);
            json = NULL;
            cluster_url(&t->cluster, i, url, "/v1/ledger?from=%zu&limit=1&consistency=stale",
                        count);
            http_call(&http, "GET", url, t->cluster.platform_key, NULL, &json);
            hash = json_string_value(
                json_object_get(json_array_get(json_object_get(json, "entries"), 0), "hash"));
            if (hash == NULL && test_now_us() > limit) {
                cluster_die(&t->cluster, "node %d has not applied seq %zu", i + 1, count);
            }
            if (hash == NULL) {
                usleep(10000);
            }
        }
        if (i == 0) {
            snprintf(first, sizeof first, "%s", hash);
        } else if (strcmp(first, hash) != 0) {
            cluster_die(&t->cluster, "node %d has another chain head at seq %zu", i + 1, count);
        }
        json_decref(json);
    }
    http_release(&http);
    printf("chain heads of all nodes at seq %zu are equal: %.16s...\n", count, first);
}

static void check_everything(struct test *t, const char *when)
{
    size_t count;
    json_t *ledger;

    if (atomic_load(&t->wrong_status) != 0) {
        cluster_die(&t->cluster, "a client saw %d: %s", atomic_load(&t->wrong_status),
                    t->wrong_body);
    }
    ledger = read_ledger(t, &count);
    check_acknowledged(t, ledger);
    check_balances(t, ledger);
    check_chain(t);
    check_heads(t, count);
    printf("%s: %lu acknowledged, all in a ledger of %zu entries, once each; clients saw 503 %lu "
           "times, 504 %lu times, a broken connection %lu times\n",
           when, atomic_load(&t->acknowledged), count, atomic_load(&t->unavailable),
           atomic_load(&t->unknown), atomic_load(&t->broken));
    json_decref(ledger);
}

static void kill_leaders(struct test *t, int kills)
{
    uint64_t at[KILLS_MAX];
    int i;

    start_clients(t, 0);
    wait_progress(t, PROGRESS_BEFORE_KILL);
    for (i = 0; i < kills; i++) {
        int leader = wait_leader(t);
        at[i] = test_now_us();
        cluster_signal(&t->cluster, leader, SIGKILL);
        cluster_reap(&t->cluster, leader);
        wait_progress(t, PROGRESS_BEFORE_KILL);
        cluster_start(&t->cluster, leader);
        cluster_wait_ready(&t->cluster);
        wait_progress(t, PROGRESS_BEFORE_KILL);
    }
    stop_clients(t);
    print_gaps(t, at, kills);
    check_everything(t, "leader killed");
}

static void kill_all(struct test *t)
{
    int i;

    start_clients(t, 1);
    wait_progress(t, PROGRESS_BEFORE_KILL);
    for (i = 0; i < NODES; i++) {
        cluster_signal(&t->cluster, i, SIGKILL);
    }
    for (i = 0; i < NODES; i++) {
        cluster_reap(&t->cluster, i);
    }
    cluster_start_all(&t->cluster);
    cluster_wait_ready(&t->cluster);
    wait_progress(t, PROGRESS_BEFORE_KILL);
    stop_clients(t);
    check_everything(t, "all nodes killed at once");
}

static void stop_in_order(struct test *t)
{
    int i;

    for (i = 0; i < NODES; i++) {
        int status;
        cluster_signal(&t->cluster, i, SIGTERM);
        status = cluster_reap(&t->cluster, i);
        if (status != 0) {
            cluster_die(&t->cluster, "node %d: wait status %d after SIGTERM", i + 1, status);
        }
    }
}

int main(int argc, char **argv)
{
    static struct test test; /* large, and zero */
    int kills = argc > 3 ? atoi(argv[3]) : 5;
    int i;

    if (argc < 3 || kills < 1 || kills > KILLS_MAX) {
        fprintf(stderr, "usage: test_crash FLORIND FLORINCTL [KILLS]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    test.florinctl = argv[2];
    cluster_make(&test.cluster, argv[1], NODES);
    cluster_start_all(&test.cluster);
    cluster_wait_ready(&test.cluster);
    cluster_seed(&test.cluster, PLAYERS, "1000000");
    kill_leaders(&test, kills);
    kill_all(&test);
    stop_in_order(&test);
    cluster_destroy(&test.cluster, false);
    for (i = 0; i < CLIENTS; i++) {
        free(test.clients[i].done);
    }
    printf("2 passed, 0 failed\n");
    return 0;
}

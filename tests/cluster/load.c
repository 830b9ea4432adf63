#include "tests/cluster/load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cluster/look.h"

enum {
    LIMIT_S = 60, /* for any condition that is waited for */
    PAGE = 1000,
};

static unsigned draw(struct load_client *c, unsigned below)
{
    c->random = c->random * 1664525u + 1013904223u;
    return (c->random >> 8) % below;
}

static bool is_target(const struct load *l, int i)
{
    return (atomic_load(&l->targets) >> i & 1u) != 0;
}

/* One of the nodes that are called, by chance. */
static int target(struct load_client *c)
{
    int i;

    do {
        i = (int)draw(c, CLUSTER_NODES_MAX);
    } while (!is_target(c->load, i));
    return i;
}

static int first_target(const struct load *l)
{
    int i = 0;

    while (!is_target(l, i)) {
        i++;
    }
    return i;
}

static void remember(struct load_client *c, const char *id, json_t *json)
{
    struct load_answer *a;

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
    atomic_fetch_add(&c->load->acknowledged, 1);
}

/* Places one transaction and repeats it, at whichever node, until an answer is certain. */
static void place(struct load_client *c, struct http *http, const char *path, const char *id,
                  const char *body)
{
    struct load *l = c->load;
    char url[URL_MAX];

    while (!atomic_load(&l->stop)) {
        json_t *json = NULL;
        long status;
        cluster_url(l->cluster, target(c), url, "%s", path);
        status = http_call(http, "POST", url, l->cluster->provider_key, body, &json);
        if (status == 200) {
            remember(c, id, json);
            json_decref(json);
            return;
        }
        json_decref(json);
        if (status == 503) {
            atomic_fetch_add(&l->unavailable, 1);
        } else if (status == 504) {
            atomic_fetch_add(&l->unknown, 1);
        } else if (status == 0) {
            atomic_fetch_add(&l->broken, 1);
            http_reset(http);
            usleep(1000); /* a dead node refuses at once: leave the others some processor */
        } else {
            int none = 0;
            if (atomic_compare_exchange_strong(&l->wrong_status, &none, (int)status)) {
                snprintf(l->wrong_body, sizeof l->wrong_body, "%.400s", http->body);
            }
            return;
        }
    }
}

static void one_transaction(struct load_client *c, struct http *http)
{
    unsigned what = draw(c, 100);
    char id[32];
    char body[512];

    snprintf(id, sizeof id, "c%d-%u", c->number, c->made++);
    if (what >= 85 && c->n_done > 0) {
        const struct load_answer *original = &c->done[draw(c, (unsigned)c->n_done)];
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
             draw(c, c->load->players), 1 + draw(c, 9), draw(c, 100));
    place(c, http, what < 60 ? "/v1/bets" : "/v1/wins", id, body);
}

static void *client_run(void *argument)
{
    struct load_client *c = argument;
    struct http http;

    http_init(&http);
    while (!atomic_load(&c->load->stop)) {
        one_transaction(c, &http);
    }
    http_release(&http);
    return NULL;
}

void load_start(struct load *l, unsigned generation)
{
    int i;

    if (l->n_clients > LOAD_CLIENTS_MAX) {
        cluster_die(l->cluster, "a load has at most %d clients", LOAD_CLIENTS_MAX);
    }
    atomic_store(&l->stop, false);
    for (i = 0; i < l->n_clients; i++) {
        struct load_client *c = &l->clients[i];
        c->load = l;
        c->number = i;
        c->random = (unsigned)i * 7919u + generation * 104729u + 1u;
        if (pthread_create(&c->thread, NULL, client_run, c) != 0) {
            cluster_die(l->cluster, "no thread: %s", strerror(errno));
        }
    }
}

void load_stop(struct load *l)
{
    int i;

    atomic_store(&l->stop, true);
    for (i = 0; i < l->n_clients; i++) {
        pthread_join(l->clients[i].thread, NULL);
    }
}

void load_wait_progress(struct load *l, unsigned long more)
{
    unsigned long goal = atomic_load(&l->acknowledged) + more;
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (atomic_load(&l->acknowledged) < goal) {
        if (atomic_load(&l->wrong_status) != 0) {
            cluster_die(l->cluster, "a client saw %d: %s", atomic_load(&l->wrong_status),
                        l->wrong_body);
        }
        if (test_now_us() > limit) {
            cluster_die(l->cluster, "no progress for %d s", LIMIT_S);
        }
        usleep(2000);
    }
}

/* ---- the checks ---- */

/* The whole ledger as {id: entry}; also says how many entries there are. */
static json_t *read_ledger(struct load *l, size_t *count)
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
        cluster_url(l->cluster, first_target(l), url, "/v1/ledger?from=%llu&limit=%d", from, PAGE);
        if (http_call(&http, "GET", url, l->cluster->platform_key, NULL, &page) != 200) {
            cluster_die(l->cluster, "GET %s: %s", url, http.len > 0 ? http.body : "no answer");
        }
        json_array_foreach(json_object_get(page, "entries"), i, entry)
        {
            const char *id = json_string_value(json_object_get(entry, "id"));
            if (json_object_get(by_id, id) != NULL) {
                cluster_die(l->cluster, "transaction %s is in the ledger twice", id);
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

static void check_acknowledged(struct load *l, json_t *ledger)
{
    size_t j;
    int i;

    for (i = 0; i < l->n_clients; i++) {
        for (j = 0; j < l->clients[i].n_done; j++) {
            const struct load_answer *a = &l->clients[i].done[j];
            json_t *entry = json_object_get(ledger, a->id);
            if (entry == NULL) {
                cluster_die(l->cluster, "acknowledged %s (seq %llu) is not in the ledger", a->id,
                            (unsigned long long)a->seq);
            }
            if ((uint64_t)json_integer_value(json_object_get(entry, "seq")) != a->seq ||
                !same_text(entry, "amount", a->amount) ||
                !same_text(entry, "balance", a->balance)) {
                cluster_die(l->cluster, "%s was acknowledged with another answer than the ledger's",
                            a->id);
            }
        }
    }
}

/* florinctl recomputes chain, sums and all balances from the ledger; then the balances that the
 * nodes answer must be those of each player's last entry. */
static void check_balances(struct load *l, json_t *ledger)
{
    json_t *last = json_object();
    struct http http;
    char url[URL_MAX];
    const char *key;
    json_t *entry;
    unsigned i;

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
    for (i = 0; i < l->players; i++) {
        json_t *json = NULL;
        json_t *balance;
        char player[16];
        snprintf(player, sizeof player, "p%u", i);
        cluster_url(l->cluster, first_target(l), url, "/v1/players/%s/balances", player);
        if (http_call(&http, "GET", url, l->cluster->platform_key, NULL, &json) != 200) {
            cluster_die(l->cluster, "GET %s failed", url);
        }
        balance = json_array_get(json_object_get(json, "balances"), 0);
        if (!same_text(
                balance, "balance",
                json_string_value(json_object_get(json_object_get(last, player), "balance")))) {
            cluster_die(l->cluster, "player %s: the balance is not the ledger's", player);
        }
        json_decref(json);
    }
    http_release(&http);
    json_decref(last);
}

static void check_chain(struct load *l)
{
    if (cluster_ctl(l->cluster, l->cluster->platform_key, "ledger", "--verify") != 0) {
        cluster_die(l->cluster, "florinctl ledger --verify says the ledger is wrong");
    }
}

void load_check(struct load *l, const char *when)
{
    size_t count;
    json_t *ledger;

    if (atomic_load(&l->wrong_status) != 0) {
        cluster_die(l->cluster, "a client saw %d: %s", atomic_load(&l->wrong_status),
                    l->wrong_body);
    }
    ledger = read_ledger(l, &count);
    check_acknowledged(l, ledger);
    check_balances(l, ledger);
    check_chain(l);
    look_equal(l->cluster, atomic_load(&l->targets), (long)count);
    printf("%s: %lu acknowledged, all in a ledger of %zu entries, once each; clients saw 503 %lu "
           "times, 504 %lu times, a broken connection %lu times\n",
           when, atomic_load(&l->acknowledged), count, atomic_load(&l->unavailable),
           atomic_load(&l->unknown), atomic_load(&l->broken));
    json_decref(ledger);
}

void load_release(struct load *l)
{
    int i;

    for (i = 0; i < LOAD_CLIENTS_MAX; i++) {
        free(l->clients[i].done);
    }
}

#include "tests/bench/paced.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct samples {
    uint32_t *us;
    size_t n, cap;
    uint64_t not_200;
};

struct paced_thread {
    struct paced *load;
    pthread_t thread;
    int number;
    struct samples phases[PACED_PHASES];
};

struct paced {
    struct paced_options options;
    uint64_t began_us;
    atomic_int phase;
    atomic_bool stopping;
    struct paced_thread threads[];
};

static void add(struct samples *s, uint64_t us)
{
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 4096 : s->cap * 2;
        s->us = realloc(s->us, s->cap * sizeof *s->us);
        if (s->us == NULL) {
            abort();
        }
    }
    s->us[s->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

static void *run(void *argument)
{
    struct paced_thread *t = argument;
    struct paced *l = t->load;
    const struct paced_options *o = &l->options;
    uint64_t gap_us = (uint64_t)o->threads * 1000000 / (uint64_t)o->rate;
    uint64_t due = l->began_us + gap_us * (uint64_t)t->number / (uint64_t)o->threads;
    unsigned seed = (unsigned)t->number + 1;
    struct http http;
    char url[URL_MAX], body[256];
    int i;

    http_init(&http);
    cluster_url(o->cluster, t->number % o->nodes, url, "/v1/bets");
    for (i = 0; !l->stopping; i++, due += gap_us) {
        uint64_t now = test_now_us();
        int phase = l->phase;

        if (due > now) {
            usleep((useconds_t)(due - now));
        }
        snprintf(body, sizeof body,
                 "{\"id\":\"load-%llx-%d-%d\",\"player\":\"p%ld\",\"currency\":\"EUR\","
                 "\"amount\":\"0.01\"}",
                 (unsigned long long)l->began_us, t->number, i, rand_r(&seed) % o->players);
        if (http_call(&http, "POST", url, o->cluster->provider_key, body, NULL) != 200) {
            t->phases[phase].not_200++;
        }
        add(&t->phases[phase], test_now_us() - due);
    }
    http_release(&http);
    return NULL;
}

struct paced *paced_start(const struct paced_options *options)
{
    struct paced *l = calloc(1, sizeof *l + (size_t)options->threads * sizeof l->threads[0]);
    int i;

    if (l == NULL) {
        abort();
    }
    l->options = *options;
    l->began_us = test_now_us();
    for (i = 0; i < options->threads; i++) {
        l->threads[i].load = l;
        l->threads[i].number = i;
        if (pthread_create(&l->threads[i].thread, NULL, run, &l->threads[i]) != 0) {
            cluster_die(options->cluster, "no thread for the load");
        }
    }
    return l;
}

void paced_phase(struct paced *l, int phase)
{
    l->phase = phase;
}

void paced_stop(struct paced *l)
{
    int i;

    l->stopping = true;
    for (i = 0; i < l->options.threads; i++) {
        pthread_join(l->threads[i].thread, NULL);
    }
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void paced_figures(struct paced *l, int phase, struct paced_figures *figures)
{
    struct samples all = {NULL, 0, 0, 0};
    size_t i;
    int t;

    *figures = (struct paced_figures){0};
    for (t = 0; t < l->options.threads; t++) {
        const struct samples *s = &l->threads[t].phases[phase];

        for (i = 0; i < s->n; i++) {
            add(&all, s->us[i]);
            figures->late += s->us[i] > 50000;
        }
        figures->not_200 += s->not_200;
    }
    if (all.n > 0) {
        qsort(all.us, all.n, sizeof *all.us, by_value);
        figures->count = all.n;
        figures->p50_us = all.us[all.n / 2];
        figures->p99_us = all.us[all.n - 1 - all.n / 100];
        figures->p999_us = all.us[all.n - 1 - all.n / 1000];
        figures->max_us = all.us[all.n - 1];
    }
    free(all.us);
}

void paced_free(struct paced *l)
{
    int t, phase;

    for (t = 0; t < l->options.threads; t++) {
        for (phase = 0; phase < PACED_PHASES; phase++) {
            free(l->threads[t].phases[phase].us);
        }
    }
    free(l);
}

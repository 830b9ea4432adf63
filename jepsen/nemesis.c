#include "jepsen/nemesis.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KINDS = 5, AT_ONCE = 2, CALM_MS = 3000, HOLD_MS = 7000, LEAST_MS = 1500, LOOK_MS = 100 };

static const struct nemesis *const all[] = {
    &nemesis_kill,        &nemesis_pause,     &nemesis_restart,   &nemesis_transfer,
    &nemesis_partition,   &nemesis_slow,      &nemesis_lossy,     &nemesis_clock,
    &nemesis_lost_writes, &nemesis_slow_disk, &nemesis_disk_full, &nemesis_corrupt,
    &nemesis_members,
};

enum { ALL = sizeof all / sizeof *all };

static bool listed(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0')) {
            return true;
        }
    }
    return false;
}

int nemesis_check(const char *list)
{
    const char *at = list;

    if (strcmp(list, "mixed") == 0 || strcmp(list, "none") == 0) {
        return 0;
    }
    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        unsigned i = 0;
        while (i < ALL && (strlen(all[i]->name) != len || strncmp(at, all[i]->name, len) != 0)) {
            i++;
        }
        if (i == ALL) {
            fprintf(stderr, "jepsen: unknown nemesis '%.*s'; there are: mixed none", (int)len, at);
            for (i = 0; i < ALL; i++) {
                fprintf(stderr, " %s", all[i]->name);
            }
            fputs("\n", stderr);
            return -1;
        }
        at += len + (at[len] == ',');
    }
    return 0;
}

static unsigned choose(const struct run *run, const struct nemesis **chosen)
{
    unsigned n = 0;
    unsigned i;

    for (i = 0; i < ALL; i++) {
        if (strcmp(run->options.nemesis, "mixed") == 0 ||
            listed(run->options.nemesis, all[i]->name)) {
            chosen[n++] = all[i];
        }
    }
    return n;
}

static void say(const struct attack *a, const char *verb)
{
    char f[64];
    json_t *nodes = json_array();
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            json_array_append_new(nodes, json_integer(i + 1));
        }
    }
    snprintf(f, sizeof f, "%s-%s", verb, a->nemesis->name);
    printf("%7.1f s  %-16s %s\n", (double)recorder_now_ns(&a->run->recorder) / 1e9, f,
           strcmp(verb, "stop") == 0 ? "" : a->what);
    fflush(stdout);
    recorder_event(&a->run->recorder, f, json_pack("{s:o, s:s}", "nodes", nodes, "what", a->what));
}

/* One to all of the nodes; a minority more often than not. */
static unsigned choose_nodes(struct run *run)
{
    unsigned n = run_node_count(run);
    unsigned minority = (n - 1) / 2;
    unsigned most = chance_in(&run->chance, 3, 5) ? minority : n;
    unsigned want = 1 + chance_below(&run->chance, most);
    unsigned nodes = 0;

    while ((unsigned)__builtin_popcount(nodes) < want) {
        nodes |= 1u << run_any_node(run, &run->chance);
    }
    return nodes;
}

static void wait_ms(struct run *run, unsigned ms)
{
    uint64_t until_us = test_now_us() + ms * UINT64_C(1000);

    while (test_now_us() < until_us) {
        usleep(LOOK_MS * 1000);
        run_look_after(run);
    }
}

static unsigned start_some(struct run *run, const struct nemesis **chosen, unsigned n,
                           struct attack *attacks)
{
    unsigned want = chance_in(&run->chance, 1, 3) ? AT_ONCE : 1;
    bool taken[KINDS] = {false};
    unsigned i, held = 0;

    for (i = 0; i < want; i++) {
        const struct nemesis *nemesis = chosen[chance_below(&run->chance, n)];
        if (taken[nemesis->kind]) {
            continue;
        }
        taken[nemesis->kind] = true;
        attacks[held] = (struct attack){.run = run, .nemesis = nemesis, .nodes = choose_nodes(run)};
        nemesis->start(&attacks[held]);
        say(&attacks[held], "start");
        held++;
    }
    return held;
}

void nemesis_rage(struct run *run)
{
    const struct nemesis *chosen[ALL];
    unsigned n = choose(run, chosen);
    uint64_t until_us = test_now_us() + run->options.seconds * UINT64_C(1000000);

    while (test_now_us() < until_us) {
        struct attack attacks[AT_ONCE];
        unsigned held;

        wait_ms(run, LEAST_MS + chance_below(&run->chance, CALM_MS));
        if (n == 0) {
            continue;
        }
        held = start_some(run, chosen, n, attacks);
        wait_ms(run, LEAST_MS + chance_below(&run->chance, HOLD_MS));
        while (held > 0) {
            struct attack *a = &attacks[--held];
            if (a->nemesis->stop != NULL) {
                a->nemesis->stop(a);
            }
            say(a, "stop");
        }
    }
}

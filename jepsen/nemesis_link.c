/* The network between the nodes: cut in several shapes, slow, or losing packets. Who can't be heard
 * by whom is a matrix; a cut is made at the one who no longer hears. */
#include <stdio.h>

#include "jepsen/nemesis.h"

/* Places 0 to n - 1 stand for the nodes there are. */
struct cuts {
    int n;
    struct chance *chance;
    unsigned chosen;                     /* places the fault is about */
    unsigned deaf_to[CLUSTER_NODES_MAX]; /* bit j at [i]: i does not hear j */
};

static void cut_both(struct cuts *cuts, int i, int j)
{
    cuts->deaf_to[i] |= 1u << j;
    cuts->deaf_to[j] |= 1u << i;
}

/* Two sides that don't hear each other. */
static void cut_sides(struct cuts *cuts, unsigned side)
{
    int i, j;

    for (i = 0; i < cuts->n; i++) {
        for (j = 0; j < i; j++) {
            if ((side >> i & 1u) != (side >> j & 1u)) {
                cut_both(cuts, i, j);
            }
        }
    }
}

static void shape_halves(struct cuts *cuts)
{
    int n = cuts->n;
    unsigned minority = 0;

    while (__builtin_popcount(minority) < (n - 1) / 2) {
        minority |= 1u << chance_below(cuts->chance, (unsigned)n);
    }
    cuts->chosen = minority;
    cut_sides(cuts, minority);
}

static void shape_isolate(struct cuts *cuts)
{
    cuts->chosen = 1u << chance_below(cuts->chance, (unsigned)cuts->n);
    cut_sides(cuts, cuts->chosen);
}

/* Each hears its two neighbours only: of five every node sees a majority, and no two see the same.
 */
static void shape_ring(struct cuts *cuts)
{
    int n = cuts->n;
    int i, j;

    cuts->chosen = (1u << n) - 1;
    for (i = 0; i < n; i++) {
        for (j = 0; j < i; j++) {
            if (i - j != 1 && i - j != n - 1) {
                cut_both(cuts, i, j);
            }
        }
    }
    if (n == 3) { /* three hear each other in a ring too: open it */
        i = (int)chance_below(cuts->chance, 3);
        cut_both(cuts, i, (i + 1) % 3);
    }
}

/* Two sides, and one node that hears both. */
static void shape_bridge(struct cuts *cuts)
{
    int n = cuts->n;
    int bridge = (int)chance_below(cuts->chance, (unsigned)n);
    unsigned side = 0;
    int i;

    for (i = 0; i < n / 2; i++) {
        side |= 1u << (bridge + 1 + i) % n;
    }
    cuts->chosen = 1u << bridge;
    cut_sides(cuts, side);
    for (i = 0; i < n; i++) {
        cuts->deaf_to[i] &= ~(1u << bridge);
    }
    cuts->deaf_to[bridge] = 0;
}

/* One that hears nobody but is heard, or the other way round. */
static void shape_one_way(struct cuts *cuts)
{
    int n = cuts->n;
    int one = (int)chance_below(cuts->chance, (unsigned)n);
    bool deaf = chance_in(cuts->chance, 1, 2);
    int i;

    cuts->chosen = 1u << one;
    for (i = 0; i < n; i++) {
        if (i != one && deaf) {
            cuts->deaf_to[one] |= 1u << i;
        } else if (i != one) {
            cuts->deaf_to[i] |= 1u << one;
        }
    }
}

static size_t put_members(char *text, size_t size, unsigned nodes)
{
    size_t len = 0;
    int i;

    for (i = 0; i < CLUSTER_NODES_MAX; i++) {
        if ((nodes >> i & 1u) != 0) {
            len += (size_t)snprintf(text + len, size - len, "%s%d", len > 0 ? "," : "", i + 1);
        }
    }
    return len;
}

static void cut(const struct run *run, int i, unsigned deaf_to)
{
    char node[12];
    char from[4 * CLUSTER_NODES_MAX] = "";
    size_t len = 0;
    int j;

    snprintf(node, sizeof node, "%d", i + 1);
    for (j = 0; j < run->cluster.n; j++) {
        if ((deaf_to >> j & 1u) != 0) {
            len +=
                (size_t)snprintf(from + len, sizeof from - len, "%s%d", len > 0 ? "," : "", j + 1);
        }
    }
    if (deaf_to != 0) {
        run_ground(run, "cut", run->id, node, from, NULL);
    }
}

/* From places to the nodes that stand there. */
static unsigned at_places(const int *who, int n, unsigned places)
{
    unsigned nodes = 0;
    int k;

    for (k = 0; k < n; k++) {
        nodes |= (places >> k & 1u) << who[k];
    }
    return nodes;
}

static void partition_start(struct attack *a)
{
    static const struct {
        const char *name;
        void (*make)(struct cuts *cuts);
    } shapes[] = {{"minority apart", shape_halves},
                  {"isolated", shape_isolate},
                  {"ring", shape_ring},
                  {"two sides and a bridge", shape_bridge},
                  {"one way", shape_one_way}};
    unsigned shape = chance_below(&a->run->chance, sizeof shapes / sizeof *shapes);
    struct cuts cuts = {.chance = &a->run->chance};
    int who[CLUSTER_NODES_MAX];
    size_t len;
    int k;

    for (k = 0; k < a->run->cluster.n; k++) {
        if (run_has_node(a->run, k)) {
            who[cuts.n++] = k;
        }
    }
    shapes[shape].make(&cuts);
    a->nodes = at_places(who, cuts.n, cuts.chosen);
    len = (size_t)snprintf(a->what, sizeof a->what, "%s:", shapes[shape].name);
    for (k = 0; k < cuts.n; k++) {
        unsigned deaf_to = at_places(who, cuts.n, cuts.deaf_to[k]);
        if (deaf_to != 0 && len < sizeof a->what) {
            len +=
                (size_t)snprintf(a->what + len, sizeof a->what - len, " %d deaf to ", who[k] + 1);
            len += put_members(a->what + len, len < sizeof a->what ? sizeof a->what - len : 0,
                               deaf_to);
        }
        cut(a->run, who[k], deaf_to);
    }
}

static void heal(struct attack *a)
{
    char node[12];
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        snprintf(node, sizeof node, "%d", i + 1);
        run_ground(a->run, "heal", a->run->id, node, NULL);
    }
}

const struct nemesis nemesis_partition = {"partition", NEMESIS_LINK, partition_start, heal};

static void weaken(struct attack *a, const char *verb, unsigned number)
{
    char node[12];
    char value[16];
    int i;

    snprintf(value, sizeof value, "%u", number);
    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            snprintf(node, sizeof node, "%d", i + 1);
            run_ground(a->run, verb, a->run->id, node, value, NULL);
        }
    }
}

static void slow_start(struct attack *a)
{
    unsigned kbit = 128u << chance_below(&a->run->chance, 4);
    size_t len = (size_t)snprintf(a->what, sizeof a->what, "%u kbit/s out of ", kbit);

    put_members(a->what + len, sizeof a->what - len, a->nodes);
    weaken(a, "slow", kbit);
}

const struct nemesis nemesis_slow = {"slow", NEMESIS_LINK, slow_start, heal};

static void lossy_start(struct attack *a)
{
    unsigned permille = 20 + chance_below(&a->run->chance, 230);
    size_t len = (size_t)snprintf(a->what, sizeof a->what, "%u.%u %% of packets lost into ",
                                  permille / 10, permille % 10);

    put_members(a->what + len, sizeof a->what - len, a->nodes);
    weaken(a, "lossy", permille);
}

const struct nemesis nemesis_lossy = {"lossy", NEMESIS_LINK, lossy_start, heal};

/* florind --config FILE: a node; with --format, --restore or --recover what makes its data. */
#include <getopt.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/format.h"
#include "node/logfmt.h"
#include "node/node.h"
#include "node/recover.h"
#include "node/restore.h"
#include "statemachine/failpoint.h"

#ifdef FLORIN_FAILPOINTS
static void list_failpoints(void)
{
    const struct failpoint *point = NULL;

    while ((point = failpoint_next(point)) != NULL) {
        puts(point->name);
    }
}
#endif

static void usage(FILE *to)
{
    fputs(
        "florind: one node of a Florin cluster\n"
        "\n"
        "  florind --config FILE            run until SIGTERM\n"
        "  florind --config FILE --format   make the data folder of a node of a new cluster, once\n"
        "  florind --config FILE --format --join\n"
        "                                   the same for a node that a running cluster will add\n"
        "  florind --config FILE --check    read the config, say what is wrong, and end\n"
        "  florind --version\n"
        "  florind --restore BACKUP --config FILE [--config FILE]...\n"
        "      make the data folders of these nodes, of a new cluster, from a backup\n"
        "  florind --recover --config FILE [--other NODE:TERM/INDEX] [--other-config FILE]\n"
        "      at a survivor of a cluster that lost its majority: say what is there; with\n"
        "      --cluster-id NAME --yes, make it the first node of a new cluster\n"
        "\n"
        "Logs go to standard error in logfmt. Exit codes: 0 stopped in order, 2 the command line\n"
        "or the config is wrong, 3 the cluster has removed this node: don't start it again, 70 a "
        "fatal\n"
        "condition (the last line says what to do).\n",
        to);
}

struct arguments {
    const char *configs[CONFIG_MEMBERS_MAX];
    size_t n_configs;
    bool format, join, check;
    const char *restore; /* the backup */
    bool recover;
    struct recover_options recovery;
    const char *other_configs[CONFIG_MEMBERS_MAX];
    size_t n_other_configs;
};

static int add(const char **list, size_t *n, const char *text)
{
    if (*n == CONFIG_MEMBERS_MAX) {
        return -1;
    }
    list[(*n)++] = text;
    return 0;
}

static int add_other(struct recover_options *o, const char *text)
{
    struct fault fault;

    if (o->n_others == CONFIG_MEMBERS_MAX) {
        return -1;
    }
    if (recover_parse_other(text, &o->others[o->n_others], &fault) != 0) {
        fprintf(stderr, "florind: %s\n", fault.text);
        return -1;
    }
    o->n_others++;
    return 0;
}

static int take_option(struct arguments *a, int option)
{
    switch (option) {
    case 'c':
        return add(a->configs, &a->n_configs, optarg);
    case 'f':
        a->format = true;
        return 0;
    case 'j':
        a->join = true;
        return 0;
    case 'k':
        a->check = true;
        return 0;
    case 's':
        a->restore = optarg;
        return 0;
    case 'r':
        a->recover = true;
        return 0;
    case 'i':
        a->recovery.cluster_id = optarg;
        return 0;
    case 'y':
        a->recovery.yes = true;
        return 0;
    case 'o':
        return add_other(&a->recovery, optarg);
    case 'O':
        return add(a->other_configs, &a->n_other_configs, optarg);
    default:
        return -1;
    }
}

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"format", no_argument, NULL, 'f'},
        {"join", no_argument, NULL, 'j'},
        {"check", no_argument, NULL, 'k'},
        {"restore", required_argument, NULL, 's'},
        {"recover", no_argument, NULL, 'r'},
        {"cluster-id", required_argument, NULL, 'i'},
        {"yes", no_argument, NULL, 'y'},
        {"other", required_argument, NULL, 'o'},
        {"other-config", required_argument, NULL, 'O'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0},
    };
    int modes;
    int c;

    while ((c = getopt_long(argc, argv, "c:fjkhv", options, NULL)) != -1) {
        if (c == 'h') {
            usage(stdout);
            exit(0);
        }
        if (c == 'v') {
            puts("florind " FLORIN_VERSION);
            exit(0);
        }
        if (take_option(a, c) != 0) {
            return -1;
        }
    }
    modes = a->format + a->check + a->recover + (a->restore != NULL);
    if (a->n_configs == 0 || (a->n_configs > 1 && a->restore == NULL) || modes > 1 ||
        (a->join && !a->format) || optind != argc) {
        return -1;
    }
    return a->recover || (a->recovery.cluster_id == NULL && !a->recovery.yes &&
                          a->recovery.n_others == 0 && a->n_other_configs == 0)
               ? 0
               : -1;
}

static int format(const struct florin_config *config, bool join)
{
    struct fault fault;

    if (node_format(config, join, &fault) != 0) {
        logfmt_fatal("node", &fault);
        return EXIT_CONFIG;
    }
    printf("made %s for node %llu of cluster %s\n", config->data_dir,
           (unsigned long long)config->node_id, config->cluster_id);
    return 0;
}

static int recover(struct arguments *a, const struct florin_config *config)
{
    struct recover_options *o = &a->recovery;
    struct florin_config other;
    struct fault fault;
    size_t i;

    o->config = config;
    for (i = 0; i < a->n_other_configs && o->n_others < CONFIG_MEMBERS_MAX; i++) {
        if (config_load(a->other_configs[i], &other, &fault) != 0) {
            logfmt_fatal("config", &fault);
            return EXIT_CONFIG;
        }
        if (recover_read_other(&other, &o->others[o->n_others++], &fault) != 0) {
            logfmt_fatal("node", &fault);
            return EXIT_FATAL;
        }
    }
    if (node_recover(o, &fault) != 0) {
        fflush(stdout);
        logfmt_fatal("node", &fault);
        return EXIT_FATAL;
    }
    return 0;
}

/* An entry of bets is some hundred KiB, and so are the buffers on its way: by glibc's own rules
 * each would be mapped, cleared page by page by the kernel, and given back, entry after entry. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
    /* A worker's arena keeps what its largest request took, 3 MiB of a large batch. glibc would
     * make eight arenas for each processor. */
    mallopt(M_ARENA_MAX, 8);
}

static int run(const struct florin_config *config)
{
    struct reporter reporter;
    struct fault fault;
    struct node *node;
    int rv;

    keep_memory();
    logfmt_init(&reporter, config->log_level);
    if (node_open(&node, config, &reporter, &fault) != 0) {
        logfmt_fatal("node", &fault);
        return EXIT_FATAL;
    }
    rv = node_run(node);
    node_close(node);
    return rv;
}

static int restore(const struct arguments *a, const struct florin_config *configs)
{
    struct fault fault;

    if (node_restore(a->restore, configs, a->n_configs, &fault) != 0) {
        fflush(stdout);
        logfmt_fatal("node", &fault);
        return EXIT_FATAL;
    }
    return 0;
}

static int act(struct arguments *a, const struct florin_config *configs)
{
    if (a->check) {
        printf("%s: good\n", a->configs[0]);
        return 0;
    }
    if (a->format) {
        return format(&configs[0], a->join);
    }
    if (a->restore != NULL) {
        return restore(a, configs);
    }
    return a->recover ? recover(a, &configs[0]) : run(&configs[0]);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.n_configs = 0};
    struct florin_config *configs;
    struct fault fault;
    size_t i;
    int code = 0;

#ifdef FLORIN_FAILPOINTS
    if (argc == 2 && strcmp(argv[1], "--failpoints") == 0) {
        list_failpoints();
        return 0;
    }
#endif
    if (parse_arguments(argc, argv, &arguments) != 0) {
        usage(stderr);
        return EXIT_CONFIG;
    }
    if (sodium_init() < 0) {
        fputs("florind: libsodium can't start\n", stderr);
        return EXIT_FATAL;
    }
    configs = calloc(arguments.n_configs, sizeof *configs);
    if (configs == NULL) {
        fputs("florind: out of memory\n", stderr);
        return EXIT_FATAL;
    }
    for (i = 0; code == 0 && i < arguments.n_configs; i++) {
        if (config_load(arguments.configs[i], &configs[i], &fault) != 0) {
            logfmt_fatal("config", &fault);
            code = EXIT_CONFIG;
        }
    }
    if (code == 0) {
        code = act(&arguments, configs);
    }
    free(configs);
    return code;
}

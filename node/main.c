/* florind --config FILE [--format] */
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/format.h"
#include "node/logfmt.h"
#include "node/node.h"

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
        "\n"
        "Logs go to standard error in logfmt. Exit codes: 0 stopped in order, 2 the command line\n"
        "or the config is wrong, 3 the cluster has removed this node: don't start it again, 70 a "
        "fatal\n"
        "condition (the last line says what to do).\n",
        to);
}

struct arguments {
    const char *config;
    bool format;
    bool join;
    bool check;
};

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"format", no_argument, NULL, 'f'},
        {"join", no_argument, NULL, 'j'},         {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:fjkh", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            a->config = optarg;
            break;
        case 'f':
            a->format = true;
            break;
        case 'j':
            a->join = true;
            break;
        case 'k':
            a->check = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        default:
            return -1;
        }
    }
    return a->config != NULL && optind == argc && (a->format || !a->join) ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {NULL, false, false, false};
    struct florin_config config;
    struct reporter reporter;
    struct fault fault;
    struct node *node;
    int rv;

    if (parse_arguments(argc, argv, &arguments) != 0) {
        usage(stderr);
        return EXIT_CONFIG;
    }
    if (sodium_init() < 0) {
        fputs("florind: libsodium can't start\n", stderr);
        return EXIT_FATAL;
    }
    if (config_load(arguments.config, &config, &fault) != 0) {
        logfmt_fatal("config", &fault);
        return EXIT_CONFIG;
    }
    if (arguments.check) {
        printf("%s: good\n", arguments.config);
        return 0;
    }
    if (arguments.format) {
        if (node_format(&config, arguments.join, &fault) != 0) {
            logfmt_fatal("node", &fault);
            return EXIT_CONFIG;
        }
        printf("made %s for node %llu of cluster %s\n", config.data_dir,
               (unsigned long long)config.node_id, config.cluster_id);
        return 0;
    }
    logfmt_init(&reporter, config.log_level);
    if (node_open(&node, &config, &reporter, &fault) != 0) {
        logfmt_fatal("node", &fault);
        return EXIT_FATAL;
    }
    rv = node_run(node);
    node_close(node);
    return rv;
}

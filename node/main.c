/* florind --config FILE [--format] */
#include <getopt.h>
#include <malloc.h>
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
        "  florind --config FILE --format   make the data folder of a new node, once\n"
        "  florind --config FILE --check    read the config, say what is wrong, and end\n"
        "\n"
        "Logs go to standard error in logfmt. Exit codes: 0 stopped in order, 2 the command line\n"
        "or the config is wrong, 70 a fatal condition (the last line says what to do).\n",
        to);
}

struct arguments {
    const char *config;
    bool format;
    bool check;
};

static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"format", no_argument, NULL, 'f'},
        {"check", no_argument, NULL, 'k'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:fkh", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            a->config = optarg;
            break;
        case 'f':
            a->format = true;
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
    return a->config != NULL && optind == argc ? 0 : -1;
}

/* An entry of bets is some hundred KiB, and so are the buffers on its way: by glibc's own rules
 * each would be mapped, cleared page by page by the kernel, and given back, entry after entry. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

int main(int argc, char **argv)
{
    struct arguments arguments = {NULL, false, false};
    struct florin_config config;
    struct reporter reporter;
    struct fault fault;
    struct node *node;

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
        if (node_format(&config, &fault) != 0) {
            logfmt_fatal("node", &fault);
            return EXIT_CONFIG;
        }
        printf("made %s for node %llu of cluster %s\n", config.data_dir,
               (unsigned long long)config.node_id, config.cluster_id);
        return 0;
    }
    keep_memory();
    logfmt_init(&reporter, config.log_level);
    if (node_open(&node, &config, &reporter, &fault) != 0) {
        logfmt_fatal("node", &fault);
        return EXIT_FATAL;
    }
    node_run(node);
    node_close(node);
    return 0;
}

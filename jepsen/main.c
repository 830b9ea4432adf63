/* The fault-injection suite: real nodes, real network, real disks, and what hurts them.
 *
 * usage: jepsen --florind FILE --florinctl FILE --checker FILE [--nemesis NAMES]
 *               [--workload NAME] [--time SECONDS] [--nodes N] [--clients N] [--rate PER_SECOND]
 * [--seed N] [--out FOLDER] [--keep]
 *
 * The process that is called only supervises: it makes the folder, runs the suite in a child, and
 * takes everything away again however that ended. Nodes end with the child (PR_SET_PDEATHSIG). */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jepsen/nemesis.h"
#include "jepsen/workload.h"

enum { EXIT_USAGE = 2, NODES_FIRST_MAX = 7 };

static bool workload_known(const char *name)
{
    const struct workload *w;
    unsigned n;

    for (n = 0; (w = workload_nth(n)) != NULL; n++) {
        if (strcmp(name, w->name) == 0) {
            return true;
        }
    }
    return strcmp(name, "mixed") == 0;
}

static unsigned number(const char *name, const char *text, unsigned long least, unsigned long most)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < least || value > most) {
        fprintf(stderr, "jepsen: --%s %s: expected a number from %lu to %lu\n", name, text, least,
                most);
        exit(EXIT_USAGE);
    }
    return (unsigned)value;
}

static void usage(void)
{
    fputs("usage: jepsen --florind FILE --florinctl FILE --checker FILE [--nemesis NAMES]\n"
          "    [--workload NAME] [--time SECONDS] [--nodes N] [--clients N] [--rate "
          "PER_SECOND] [--seed N]\n"
          "    [--out FOLDER] [--preload LIBRARIES] [--keep]\n",
          stderr);
    exit(EXIT_USAGE);
}

static void parse(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {
        {"florind", 1, NULL, 'f'}, {"florinctl", 1, NULL, 'F'}, {"checker", 1, NULL, 'c'},
        {"nemesis", 1, NULL, 'n'}, {"workload", 1, NULL, 'w'},  {"time", 1, NULL, 't'},
        {"nodes", 1, NULL, 'N'},   {"clients", 1, NULL, 'C'},   {"rate", 1, NULL, 'r'},
        {"seed", 1, NULL, 's'},    {"out", 1, NULL, 'o'},       {"keep", 0, NULL, 'k'},
        {"preload", 1, NULL, 'p'}, {NULL, 0, NULL, 0}};
    int index, c;

    while ((c = getopt_long(argc, argv, "", names, &index)) != -1) {
        switch (c) {
        case 'f':
            o->florind = optarg;
            break;
        case 'F':
            o->florinctl = optarg;
            break;
        case 'c':
            o->checker = optarg;
            break;
        case 'n':
            o->nemesis = optarg;
            break;
        case 'w':
            o->workload = optarg;
            break;
        case 'o':
            o->out = optarg;
            break;
        case 'p':
            o->preload = optarg;
            break;
        case 't':
            o->seconds = number("time", optarg, 1, 86400);
            break;
        case 'N':
            o->nodes = number("nodes", optarg, 3, NODES_FIRST_MAX);
            break;
        case 'C':
            o->clients = number("clients", optarg, 1, CLIENTS_MAX);
            break;
        case 'r':
            o->rate = number("rate", optarg, 1, 100000);
            break;
        case 's':
            o->seed = number("seed", optarg, 0, UINT32_MAX);
            break;
        case 'k':
            o->keep = true;
            break;
        default:
            exit(EXIT_USAGE);
        }
    }
    if (optind != argc || o->florind == NULL || o->florinctl == NULL || o->checker == NULL) {
        usage();
    }
    if (!workload_known(o->workload)) {
        fprintf(stderr,
                "jepsen: unknown workload '%s'; there are: mixed bank register "
                "idempotency append\n",
                o->workload);
        exit(EXIT_USAGE);
    }
    if (nemesis_check(o->nemesis) != 0) {
        exit(EXIT_USAGE);
    }
}

/* Signals that end the suite: the child hears them too when they come from a terminal, and is told
 * when they don't. */
static int wait_for(pid_t child)
{
    sigset_t set;
    int signal, status;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    for (;;) {
        sigwait(&set, &signal);
        if (signal != SIGCHLD) {
            kill(child, SIGKILL);
        } else if (waitpid(child, &status, WNOHANG) == child) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_USAGE;
        }
    }
}

static int supervise(struct run *run)
{
    sigset_t set, before;
    pid_t child;

    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, &before);
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        exit(run_do(run));
    }
    return child < 0 ? EXIT_USAGE : wait_for(child);
}

static void clean_up(const struct run *run, bool keep)
{
    char command[600];

    if (keep) {
        snprintf(command, sizeof command,
                 "rm -rf '%s/nodes' && cp -r '%s' '%s/nodes' && rm -f '%s'/nodes/node*.disk",
                 run->options.out, run->cluster.folder, run->options.out, run->options.out);
        if (system(command) == 0) {
            fprintf(stderr, "jepsen: the nodes' logs and data are in %s/nodes\n", run->options.out);
        }
    }
    run_ground(run, "down", run->id, run->cluster.folder, NULL);
    snprintf(command, sizeof command, "rm -rf --one-file-system '%s'", run->cluster.folder);
    if (system(command) != 0) {
        fprintf(stderr, "jepsen: can't remove %s\n", run->cluster.folder);
    }
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char id[16];
    struct run run = {.options = {.ground = "jepsen/ground.sh",
                                  .preload = "",
                                  .out = "jepsen/report",
                                  .nemesis = "mixed",
                                  .workload = "mixed",
                                  .seed = (uint64_t)getpid(),
                                  .seconds = 60,
                                  .nodes = 3,
                                  .clients = 24,
                                  .rate = 300}};
    int rc;

    parse(&run.options, argc, argv);
    snprintf(id, sizeof id, "%d", (int)getpid());
    run.id = id;
    snprintf(run.cluster.folder, sizeof run.cluster.folder, "%s/florin-jepsen-%s",
             tmp == NULL ? "/tmp" : tmp, id);
    if (mkdir(run.cluster.folder, 0700) != 0 ||
        (mkdir(run.options.out, 0755) != 0 && errno != EEXIST)) {
        fprintf(stderr, "jepsen: no folder %s or %s: %s\n", run.cluster.folder, run.options.out,
                strerror(errno));
        return EXIT_USAGE;
    }
    run_ground(&run, "sweep", NULL);
    printf("jepsen: %u nodes, %u clients, workload %s, nemesis %s, %u s, seed %llu\n",
           run.options.nodes, run.options.clients, run.options.workload, run.options.nemesis,
           run.options.seconds, (unsigned long long)run.options.seed);
    fflush(stdout);
    rc = supervise(&run);
    clean_up(&run, run.options.keep || rc != 0);
    return rc;
}

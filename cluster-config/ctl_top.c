/* The cluster as it works, second by second: every endpoint's /v1/cluster and /metrics, what has
 * changed between two looks, and the members as the leader sees them.
 *
 * The terminal: the alternate screen, so that what was there comes back; keys come one by one, and
 * Ctrl-C is one of them. Signals are read as keys are, so there is one way out, and it leaves the
 * terminal as it was. */
#include "cluster-config/ctl.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "cluster-config/prom.h"

enum { LOOK_MS = 1000, TRY_MS = 800, MIB_SHIFT = 20 };

/* One node's figures at one moment. */
struct look {
    bool there;
    uint64_t at_ms;
    uint64_t commands, requests, failures; /* counters */
    struct prom_histogram commit, sync;
};

struct top {
    struct ctl *ctl;
    struct look last[CTL_ENDPOINTS_MAX];
};

static void put(json_t *row, const char *key, uint64_t value)
{
    json_object_set_new(row, key, json_integer((json_int_t)value));
}

/* A figure as it is. */
static void put_gauge(json_t *row, const char *key, struct slice text, const char *name,
                      unsigned shift)
{
    uint64_t value;

    if (prom_sum(text, name, "", &value)) {
        put(row, key, value >> shift);
    }
}

/* What came between the two looks, for a second. A process that began anew counts from zero. */
static void put_rate(json_t *row, const char *key, uint64_t before, uint64_t after, uint64_t ms)
{
    if (after >= before && ms > 0) {
        put(row, key, (after - before) * 1000 / ms);
    }
}

static void put_p99(json_t *row, const char *key, const struct prom_histogram *before,
                    const struct prom_histogram *after)
{
    char text[32];
    uint64_t us;

    if (prom_quantile(before, after, 99, &us)) {
        snprintf(text, sizeof text, "%" PRIu64 ".%" PRIu64, us / 1000, us % 1000 / 100);
        json_object_set_new(row, key, json_string(text));
    }
}

static void put_metrics(json_t *row, struct look *last, struct slice text)
{
    struct look now = {.there = true, .at_ms = ctl_now_ms()};

    prom_sum(text, "florin_commands_applied_total", "", &now.commands);
    prom_sum(text, "florin_http_requests_total", "", &now.requests);
    prom_sum(text, "florin_http_requests_total", "status=\"5", &now.failures);
    prom_histogram(text, "florin_commit_latency_seconds", &now.commit);
    prom_histogram(text, "florin_log_sync_seconds", &now.sync);
    put_gauge(row, "queue", text, "florin_queue_tickets", 0);
    put_gauge(row, "unwritten_MiB", text, "florin_changes_bytes", MIB_SHIFT);
    put_gauge(row, "memory_MiB", text, "process_resident_memory_bytes", MIB_SHIFT);
    put_gauge(row, "disk_free_MiB", text, "florin_disk_free_bytes", MIB_SHIFT);
    if (last->there) {
        uint64_t ms = now.at_ms - last->at_ms;

        put_rate(row, "commands/s", last->commands, now.commands, ms);
        put_rate(row, "requests/s", last->requests, now.requests, ms);
        put_rate(row, "5xx/s", last->failures, now.failures, ms);
        put_p99(row, "commit_p99_ms", &last->commit, &now.commit);
        put_p99(row, "sync_p99_ms", &last->sync, &now.sync);
    }
    *last = now;
}

static void look_at(struct top *t, unsigned endpoint, json_t *row)
{
    static const struct ctl_request ask = {"GET", "/metrics", NULL};
    struct look *last = &t->last[endpoint];
    struct ctl_reply reply = {0};
    struct fault fault;

    if (json_object_get(row, "node") != NULL &&
        ctl_http_try(t->ctl, endpoint, &ask, TRY_MS, &reply, &fault) == TRY_ANSWERED &&
        reply.status == 200) {
        put_metrics(row, last, ctl_http_answer(t->ctl));
    } else {
        last->there = false;
    }
    ctl_reply_release(&reply);
}

/* How far each node is behind the one that knows most. */
static void put_behind(json_t *rows)
{
    json_int_t highest = 0;
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        json_int_t commit = json_integer_value(json_object_get(row, "commit_index"));

        highest = commit > highest ? commit : highest;
    }
    json_array_foreach(rows, i, row)
    {
        const json_t *applied = json_object_get(row, "applied_index");

        if (applied != NULL) {
            json_int_t at = json_integer_value(applied);
            put(row, "behind", at < highest ? (uint64_t)(highest - at) : 0);
        }
    }
}

static void look(struct top *t, struct ctl_view *v)
{
    size_t i;
    json_t *row;

    ctl_view_take(t->ctl, v);
    json_array_foreach(v->rows, i, row)
    {
        look_at(t, (unsigned)i, row);
    }
    put_behind(v->rows);
}

static int show(const struct ctl_view *v)
{
    static const char *const state[] = {"endpoint", "node",         "state",  "ready",       "term",
                                        "leader",   "commit_index", "behind", "applied_seq", NULL};
    static const char *const work[] = {
        "node",          "commands/s",    "requests/s", "5xx/s",
        "commit_p99_ms", "sync_p99_ms",   "queue",      "unwritten_MiB",
        "memory_MiB",    "disk_free_MiB", NULL};
    static const char *const members[] = {"id",        "address",     "role",
                                          "connected", "match_index", NULL};
    const json_t *list = json_object_get(v->best, "members");
    int rc = ctl_show_rows(v->rows, state);

    if (rc == CTL_OK) {
        putchar('\n');
        rc = ctl_show_rows(v->rows, work);
    }
    if (rc == CTL_OK && json_is_array(list)) {
        puts("\nmembers");
        rc = ctl_show_rows(list, members);
    }
    return rc;
}

/* --- the terminal --- */

struct terminal {
    struct termios before;
    int signals;
};

static int terminal_open(struct terminal *t)
{
    struct termios keys;
    sigset_t set;

    if (tcgetattr(STDIN_FILENO, &t->before) != 0 || isatty(STDOUT_FILENO) != 1) {
        return ctl_fail(CTL_USAGE, "top needs a terminal; `florinctl top --once` does not");
    }
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    t->signals = signalfd(-1, &set, SFD_CLOEXEC);
    keys = t->before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    if (t->signals < 0 || tcsetattr(STDIN_FILENO, TCSANOW, &keys) != 0) {
        return ctl_fail(CTL_UNAVAILABLE, "the terminal could not be set up");
    }
    fputs("\033[?1049h\033[?25l\033[?7l", stdout); /* other screen, no cursor, no wrapping */
    return CTL_OK;
}

static void terminal_close(const struct terminal *t)
{
    fputs("\033[?7h\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
    close(t->signals);
}

/* True when it is time to end: q, Ctrl-C, a signal, or no terminal any more. */
static bool wait_for_key(const struct terminal *t, uint64_t until_ms)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = t->signals, .events = POLLIN}};
    char key;

    for (;;) {
        uint64_t now = ctl_now_ms();

        if (now >= until_ms) {
            return false;
        }
        if (poll(fds, 2, (int)(until_ms - now)) <= 0) {
            continue;
        }
        if (fds[1].revents != 0 || read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 3) {
            return true;
        }
    }
}

static void frame(const struct ctl_view *v)
{
    char at[32];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(at, sizeof at, "%Y-%m-%d %H:%M:%S", &tm);
    printf("\033[H\033[2Jflorin at %s UTC, every second; q ends\n\n", at);
    show(v); /* flushes: one write, where it fits */
}

static int live(struct top *t)
{
    struct terminal terminal;
    struct ctl_view view;
    int rc = terminal_open(&terminal);

    if (rc != CTL_OK) {
        return rc;
    }
    uint64_t next;
    do {
        next = ctl_now_ms() + LOOK_MS;
        look(t, &view);
        frame(&view);
        ctl_view_release(&view);
    } while (!wait_for_key(&terminal, next));
    terminal_close(&terminal);
    return CTL_OK;
}

/* Two looks, a second apart: there are rates between them. */
static int once(struct top *t)
{
    const struct timespec pause = {LOOK_MS / 1000, 0};
    struct ctl_view view;
    int rc;

    look(t, &view);
    ctl_view_release(&view);
    nanosleep(&pause, NULL);
    look(t, &view);
    rc = t->ctl->options.json ? ctl_show_json(view.rows) : show(&view);
    if (rc == CTL_OK && view.best == NULL) {
        rc = view.denied ? ctl_fail(CTL_CREDENTIALS, "the key may not see the cluster")
                         : ctl_fail(CTL_UNAVAILABLE, "no endpoint answered");
    }
    ctl_view_release(&view);
    return rc;
}

int ctl_top(struct ctl *ctl, char **args, int n_args)
{
    struct top top = {.ctl = ctl};

    (void)args;
    (void)n_args;
    if (ctl->options.json && !ctl->options.once) {
        return ctl_fail(CTL_USAGE, "--json goes with --once");
    }
    return ctl->options.once ? once(&top) : live(&top);
}

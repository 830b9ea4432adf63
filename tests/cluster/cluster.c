#include "tests/cluster/cluster.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CLUSTER_ID "test"

enum { READY_LIMIT_S = 60, LOOK_US = 20000, PEER_PORT = 7001, HTTP_PORT = 8081 };

uint64_t test_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void cluster_die(struct cluster *c, const char *format, ...)
{
    va_list args;

    fputs("FAILED: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nlogs and data are kept in %s\n", c->folder);
    cluster_destroy(c, true);
    exit(1);
}

/* A free port, held by `socket` so that two of ours are never the same. */
static uint16_t free_port(struct cluster *c, int *fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int on = 1;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(*fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(*fd, (struct sockaddr *)&address, &len) != 0) {
        cluster_die(c, "no free port: %s", strerror(errno));
    }
    return ntohs(address.sin_port);
}

static void write_file(struct cluster *c, const char *name, mode_t mode, const char *text)
{
    char path[512];
    int fd;

    snprintf(path, sizeof path, "%s/%s", c->folder, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0) {
        cluster_die(c, "can't write %s: %s", path, strerror(errno));
    }
}

static void write_config(struct cluster *c, int i, const char *cluster_id)
{
    char text[4096];
    char name[32];
    size_t len;
    int j;

    len = (size_t)snprintf(
        text, sizeof text,
        "cluster_id = %s\nnode_id = %d\ndata_dir = node%d\n"
        "cluster_secret_file = cluster.secret\noperator_key_file = operator.key\n"
        "peer_listen = %s:%u\nhttp_listen = %s:%u\n"
        "http_plain = yes\n" /* a host may be a network namespace of the test's own */
        "%s",
        cluster_id, i + 1, i + 1, c->nodes[i].host, c->nodes[i].peer_port, c->nodes[i].host,
        c->nodes[i].http_port,
        c->config == NULL ? CLUSTER_CONFIG "checkpoint_interval = 1s\n" : c->config);
    for (j = 0; j < c->n_first; j++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "member = %d %s:%u\n", j + 1,
                                c->nodes[j].host, c->nodes[j].peer_port);
    }
    snprintf(name, sizeof name, "node%d.conf", i + 1);
    write_file(c, name, 0644, text);
}

/* Runs florind in the cluster's folder; its log goes to nodeN.log. */
static pid_t spawn(struct cluster *c, int i, const char *extra, const char *more)
{
    char config[512];
    char log[512];
    pid_t pid;

    snprintf(config, sizeof config, "%s/node%d.conf", c->folder, i + 1);
    snprintf(log, sizeof log, "%s/node%d.log", c->folder, i + 1);
    pid = fork();
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies leaves nobody behind */
        dup2(fd, STDERR_FILENO);
        dup2(fd, STDOUT_FILENO);
        if (c->before_run != NULL) {
            c->before_run(c->context, i);
        }
        execl(c->florind, "florind", "--config", config, extra, more, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Ports for the nodes from this one on, if they have no address of their own. */
static void choose_ports(struct cluster *c, int first)
{
    int fds[3 * CLUSTER_NODES_MAX];
    int n = 0;
    int i;

    for (i = first; i < c->n; i++) {
        struct cluster_node *node = &c->nodes[i];
        if (node->host[0] == '\0') {
            snprintf(node->host, sizeof node->host, "127.0.0.1");
            node->http_port = free_port(c, &fds[n++]);
            node->peer_port = free_port(c, &fds[n++]);
            node->https_port = free_port(c, &fds[n++]);
        } else {
            node->http_port = HTTP_PORT;
            node->peer_port = PEER_PORT;
        }
    }
    while (n > 0) {
        close(fds[--n]);
    }
}

static void make_folder(struct cluster *c)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(c->folder, sizeof c->folder, "%s/florin-cluster-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(c->folder) == NULL) {
        cluster_die(c, "no folder: %s", strerror(errno));
    }
}

static void format(struct cluster *c, int i, const char *join)
{
    int status;

    if (waitpid(spawn(c, i, "--format", join), &status, 0) < 0 || status != 0) {
        cluster_die(c, "florind --format of node %d failed", i + 1);
    }
}

void cluster_make(struct cluster *c, const char *florind, int n)
{
    int i;

    c->florind = florind;
    c->n = n;
    c->n_first = n;
    if (c->folder[0] == '\0') {
        make_folder(c);
    }
    snprintf(c->operator_key, sizeof c->operator_key, "op.operator-secret-for-tests");
    snprintf(c->platform_key, sizeof c->platform_key, "pf.platform-secret-for-tests");
    snprintf(c->provider_key, sizeof c->provider_key, "pv.provider-secret-for-tests");
    write_file(c, "cluster.secret", 0600,
               "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
    write_file(c, "operator.key", 0600, c->operator_key);
    choose_ports(c, 0);
    for (i = 0; i < n; i++) {
        write_config(c, i, CLUSTER_ID);
        format(c, i, NULL);
    }
}

int cluster_add_node(struct cluster *c, const char *cluster_id)
{
    int i = c->n;

    if (i == CLUSTER_NODES_MAX) {
        cluster_die(c, "no room for one more node");
    }
    c->n++;
    choose_ports(c, i);
    write_config(c, i, cluster_id == NULL ? CLUSTER_ID : cluster_id);
    format(c, i, "--join");
    return i;
}

void cluster_start(struct cluster *c, int i)
{
    c->nodes[i].pid = spawn(c, i, NULL, NULL);
}

void cluster_start_all(struct cluster *c)
{
    int i;

    for (i = 0; i < c->n; i++) {
        cluster_start(c, i);
    }
}

void cluster_signal(struct cluster *c, int i, int signal)
{
    if (c->nodes[i].pid > 0) {
        kill(c->nodes[i].pid, signal);
    }
}

int cluster_reap(struct cluster *c, int i)
{
    int status = 0;

    if (c->nodes[i].pid > 0) {
        waitpid(c->nodes[i].pid, &status, 0);
        c->nodes[i].pid = 0;
    }
    return status;
}

int cluster_wait_end(struct cluster *c, int i)
{
    uint64_t limit = test_now_us() + (uint64_t)READY_LIMIT_S * 1000000;
    int status = 0;

    while (waitpid(c->nodes[i].pid, &status, WNOHANG) == 0) {
        if (test_now_us() > limit) {
            cluster_die(c, "node %d has not ended by itself", i + 1);
        }
        usleep(LOOK_US);
    }
    c->nodes[i].pid = 0;
    return status;
}

static bool file_says(const struct cluster *c, const char *name, const char *text)
{
    char line[2048];
    char path[512];
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", c->folder, name);
    file = fopen(path, "r");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        found = strstr(line, text) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

bool cluster_log_says(struct cluster *c, int i, const char *text)
{
    char name[32];

    snprintf(name, sizeof name, "node%d.log", i + 1);
    return file_says(c, name, text);
}

void cluster_log_must_say(struct cluster *c, int i, const char *text)
{
    if (!cluster_log_says(c, i, text)) {
        cluster_die(c, "node %d's log does not say: %s", i + 1, text);
    }
}

void cluster_url(const struct cluster *c, int i, char url[static URL_MAX], const char *format, ...)
{
    va_list args;
    int len = snprintf(url, URL_MAX, "http://%s:%u", c->nodes[i].host, c->nodes[i].http_port);

    va_start(args, format);
    vsnprintf(url + len, (size_t)(URL_MAX - len), format, args);
    va_end(args);
}

void cluster_wait_ready(struct cluster *c)
{
    uint64_t limit = test_now_us() + (uint64_t)READY_LIMIT_S * 1000000;
    struct http http;
    char url[URL_MAX];
    int i;

    http_init(&http);
    for (i = 0; i < c->n; i++) {
        cluster_url(c, i, url, "/readyz");
        while (c->nodes[i].pid != 0 && http_call(&http, "GET", url, NULL, NULL, NULL) != 200) {
            int status;
            if (waitpid(c->nodes[i].pid, &status, WNOHANG) > 0) {
                c->nodes[i].pid = 0;
                cluster_die(c, "node %d ended by itself, wait status %d", i + 1, status);
            }
            if (test_now_us() > limit) {
                cluster_die(c, "node %d is not ready after %d s", i + 1, READY_LIMIT_S);
            }
            usleep(LOOK_US); /* between looks at the condition */
        }
    }
    http_release(&http);
}

int cluster_leader(struct cluster *c)
{
    struct http http;
    char url[URL_MAX];
    int leader = -1;
    int i;

    http_init(&http);
    for (i = 0; i < c->n && leader < 0; i++) {
        json_t *json = NULL;
        cluster_url(c, i, url, "/v1/cluster");
        if (c->nodes[i].pid != 0 &&
            http_call(&http, "GET", url, c->operator_key, NULL, &json) == 200) {
            const char *state = json_string_value(json_object_get(json, "state"));
            if (state != NULL && strcmp(state, "leader") == 0) {
                leader = i;
            }
        }
        json_decref(json);
    }
    http_release(&http);
    return leader;
}

/* A call that must succeed, or find its work done already. */
static void must(struct cluster *c, struct http *http, const char *path, const char *key,
                 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void must(struct cluster *c, struct http *http, const char *path, const char *key,
                 const char *format, ...)
{
    char body[512];
    char url[URL_MAX];
    va_list args;
    long status;

    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    cluster_url(c, 0, url, "%s", path);
    status = http_call(http, "POST", url, key, body, NULL);
    if (status != 200 && status != 201) {
        cluster_die(c, "POST %s %s answered %ld: %s", path, body, status,
                    http->len > 0 ? http->body : "nothing");
    }
}

static void must_key(struct cluster *c, struct http *http, const char *credential,
                     const char *principal, const char *role)
{
    char key[64];
    const char *point = strchr(credential, '.');

    snprintf(key, sizeof key, "%.*s", (int)(point - credential), credential);
    must(c, http, "/v1/keys", c->operator_key,
         "{\"principal\":\"%s\",\"role\":\"%s\",\"key\":\"%s\",\"secret\":\"%s\"}", principal, role,
         key, point + 1);
}

void cluster_seed(struct cluster *c, int players, const char *amount)
{
    struct http http;
    int i;

    http_init(&http);
    must(c, &http, "/v1/currencies", c->operator_key, "{\"code\":\"EUR\",\"scale\":5}");
    must(c, &http, "/v1/providers", c->operator_key, "{\"id\":\"demo\"}");
    must(c, &http, "/v1/gateways", c->operator_key, "{\"id\":\"bank\"}");
    must_key(c, &http, c->provider_key, "demo", "provider");
    must_key(c, &http, c->platform_key, "casino", "platform");
    for (i = 0; i < players; i++) {
        must(c, &http, "/v1/players", c->platform_key, "{\"id\":\"p%d\"}", i);
        if (amount != NULL) {
            must(c, &http, "/v1/deposits", c->platform_key,
                 "{\"id\":\"seed-%d\",\"player\":\"p%d\",\"currency\":\"EUR\",\"amount\":\"%s\","
                 "\"gateway\":\"bank\"}",
                 i, i, amount);
        }
    }
    http_release(&http);
}

void cluster_destroy(struct cluster *c, bool keep)
{
    char command[512];
    int i;

    for (i = 0; i < c->n; i++) {
        cluster_signal(c, i, SIGKILL);
        cluster_reap(c, i);
    }
    if (!keep && c->folder[0] == '/') {
        snprintf(command, sizeof command, "rm -rf '%s'", c->folder);
        if (system(command) != 0) {
            fprintf(stderr, "can't remove %s\n", c->folder);
        }
    }
}

/* --- florinctl --- */

pid_t cluster_ctl_start(struct cluster *c, const char *key, const char *const *words)
{
    char endpoints[CLUSTER_NODES_MAX * URL_MAX] = "";
    char path[512];
    char url[URL_MAX];
    size_t len = 0;
    pid_t pid;
    int i;

    for (i = 0; i < c->n; i++) {
        if (c->nodes[i].pid != 0) {
            cluster_url(c, i, url, "%s", "");
            len += (size_t)snprintf(endpoints + len, sizeof endpoints - len, "%s%s",
                                    len == 0 ? "" : ",", url);
        }
    }
    snprintf(path, sizeof path, "%s/ctl.out", c->folder);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        const char *argv[20] = {"florinctl"};
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);

        for (i = 0; words[i] != NULL && i < 18; i++) {
            argv[i + 1] = words[i];
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fd, STDERR_FILENO);
        dup2(fd, STDOUT_FILENO);
        setenv("FLORIN_ENDPOINTS", endpoints, 1);
        setenv("FLORIN_KEY", key, 1);
        execv(c->florinctl, (char *const *)argv);
        _exit(127);
    }
    return pid;
}

int cluster_ctl_wait(struct cluster *c, pid_t pid)
{
    char line[512];
    char path[512];
    int status;
    FILE *out;

    if (waitpid(pid, &status, 0) < 0) {
        cluster_die(c, "florinctl was not started");
    }
    snprintf(path, sizeof path, "%s/ctl.out", c->folder);
    out = fopen(path, "r");
    while (out != NULL && fgets(line, sizeof line, out) != NULL) {
        printf("    %s", line);
    }
    if (out != NULL) {
        fclose(out);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool cluster_ctl_says(struct cluster *c, const char *text)
{
    return file_says(c, "ctl.out", text);
}

#include "tests/security/attack.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void judge(struct attack *a, int i, const char *what, long status, const char *code,
                  long got, const char *answer)
{
    char wanted[64];

    snprintf(wanted, sizeof wanted, "\"code\":\"%s\"", code == NULL ? "" : code);
    if (got != status || (code != NULL && strstr(answer, wanted) == NULL)) {
        cluster_die(&a->cluster, "node %d, %.120s: expected %ld %s, got %ld %s", i + 1, what,
                    status, code == NULL ? "" : code, got, answer);
    }
    a->refused += status >= 400;
}

void attack_expect(struct attack *a, int i, long status, const char *code, const char *method,
                   const char *path, const char *key, const char *body)
{
    char url[URL_MAX];
    char what[200];
    long got;

    cluster_url(&a->cluster, i, url, "%s", path);
    got = http_call(&a->http, method, url, key, body, NULL);
    snprintf(what, sizeof what, "%s %s", method, path);
    judge(a, i, what, status, code, got, a->http.len > 0 ? a->http.body : "");
}

void attack_await(struct attack *a, int i, long status, const char *path, const char *key)
{
    uint64_t limit = test_now_us() + PATIENCE_MS * 1000;
    char url[URL_MAX];
    long got;

    cluster_url(&a->cluster, i, url, "%s", path);
    while ((got = http_call(&a->http, "GET", url, key, NULL, NULL)) != status) {
        if (test_now_us() > limit) {
            cluster_die(&a->cluster, "node %d, GET %s: expected %ld, got %ld still", i + 1, path,
                        status, got);
        }
    }
    a->refused += status >= 400;
}

void attack_expect_raw(struct attack *a, int i, long status, const char *code, const void *request,
                       size_t len)
{
    char *answer = malloc(ANSWER_MAX);
    int fd = attack_dial(a->cluster.nodes[i].http_port);
    long got = 0;

    if (answer == NULL || fd < 0) {
        cluster_die(&a->cluster, "node %d takes no connection", i + 1);
    }
    attack_say(fd, request, len);
    shutdown(fd, SHUT_WR);
    attack_hear(fd, answer);
    sscanf(answer, "HTTP/1.1 %ld", &got);
    judge(a, i, request, status, code, got, answer);
    close(fd);
    free(answer);
}

void attack_must(struct attack *a, int i, const char *method, const char *path, const char *key,
                 const char *body, json_t **json)
{
    char url[URL_MAX];
    long got;

    cluster_url(&a->cluster, i, url, "%s", path);
    got = http_call(&a->http, method, url, key, body, json);
    if (got != 200 && got != 201) {
        cluster_die(&a->cluster, "%s %s %s at node %d answered %ld: %s", method, path,
                    body == NULL ? "" : body, i + 1, got, a->http.len > 0 ? a->http.body : "");
    }
}

void attack_balance(struct attack *a, const char *player, char balance[static 32])
{
    char path[100];
    json_t *json = NULL;
    const char *text;

    snprintf(path, sizeof path, "/v1/players/%s/balances", player);
    attack_must(a, 0, "GET", path, a->cluster.platform_key, NULL, &json);
    text = json_string_value(
        json_object_get(json_array_get(json_object_get(json, "balances"), 0), "balance"));
    snprintf(balance, 32, "%s", text == NULL ? "none" : text);
    json_decref(json);
}

int attack_dial(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

void attack_say(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        at += n;
        len -= (size_t)n;
    }
}

bool attack_hear(int fd, char *answer)
{
    char buffer[4096];
    size_t len = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n = poll(&p, 1, PATIENCE_MS) == 1 ? recv(fd, buffer, sizeof buffer, 0) : -2;

        if (n <= 0) {
            if (answer != NULL) {
                answer[len] = '\0';
            }
            return n != -2;
        }
        if (answer != NULL && len + (size_t)n < ANSWER_MAX) {
            memcpy(answer + len, buffer, (size_t)n);
            len += (size_t)n;
        }
    }
}

bool attack_logged(struct attack *a, int i, const char *text)
{
    char path[512];
    char line[4096];
    bool found = false;
    FILE *log;

    snprintf(path, sizeof path, "%s/node%d.log", a->cluster.folder, i + 1);
    log = fopen(path, "r");
    if (log == NULL) {
        cluster_die(&a->cluster, "no log %s", path);
    }
    while (!found && fgets(line, sizeof line, log) != NULL) {
        found = strstr(line, text) != NULL;
    }
    fclose(log);
    return found;
}

void attack_unharmed(struct attack *a, const char *after)
{
    char body[256];
    int i;

    cluster_wait_ready(&a->cluster); /* dies when a node has ended */
    for (i = 0; i < NODES; i++) {
        snprintf(body, sizeof body,
                 "{\"id\":\"after-%s-%d\",\"player\":\"p0\",\"currency\":\"EUR\",\"amount\":\"1\"}",
                 after, i);
        attack_must(a, i, "POST", "/v1/bets", a->cluster.provider_key, body, NULL);
    }
    printf("%-12s refused; three bets after it (%u refusals so far)\n", after, a->refused);
    fflush(stdout);
}

/* Secrets where they should not be: in logs, in figures, in the nodes' files, in the process list;
 * and files that others may read. Comes last: by now every secret has been used, well and badly. */
/* memmem */
#define _GNU_SOURCE

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "statemachine/bytes.h"
#include "tests/security/attack.h"

enum { SECRETS_MAX = 16, LOG_BYTES_MAX = 256 << 10 };

struct secrets {
    const char *text[SECRETS_MAX];
    size_t n;
};

static void gather(const struct attack *a, struct secrets *s)
{
    const char *const credentials[] = {a->cluster.operator_key,
                                       a->cluster.platform_key,
                                       a->cluster.provider_key,
                                       RIVAL_KEY,
                                       GATEWAY_KEY,
                                       AUDITOR_KEY,
                                       RETIRED_KEY};
    size_t i;

    s->n = 0;
    for (i = 0; i < sizeof credentials / sizeof *credentials; i++) {
        s->text[s->n++] = strchr(credentials[i], '.') + 1;
    }
    s->text[s->n++] = SIGNING_TEXT;
    s->text[s->n++] = PASSWORD;
    s->text[s->n++] = a->token;
    s->text[s->n++] = "000102030405060708090a0b0c0d0e0f"; /* of the cluster's secret */
    s->text[s->n++] = "PRIVATE KEY";
}

static void search(struct attack *a, const struct secrets *s, const char *where, const void *data,
                   size_t len)
{
    size_t i;

    for (i = 0; i < s->n; i++) {
        if (memmem(data, len, s->text[i], strlen(s->text[i])) != NULL) {
            cluster_die(&a->cluster, "the secret \"%s\" is in %s", s->text[i], where);
        }
    }
}

static void search_file(struct attack *a, const struct secrets *s, const char *path)
{
    struct bytes content;
    ssize_t n;
    int fd = open(path, O_RDONLY);

    if (fd < 0) {
        cluster_die(&a->cluster, "can't read %s", path);
    }
    bytes_init(&content);
    do {
        bytes_reserve(&content, 1 << 20);
        n = read(fd, content.base + content.len, 1 << 20);
        content.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    close(fd);
    search(a, s, path, content.base, content.len);
    bytes_release(&content);
}

/* All that a node keeps: nobody else may read it, and no secret is in it in plain. */
static void search_folder(struct attack *a, const struct secrets *s, const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[1024];
    struct stat st;

    if (dir == NULL || stat(folder, &st) != 0 || (st.st_mode & 077) != 0) {
        cluster_die(&a->cluster, "%s is open to others, or not there", folder);
    }
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &st) != 0) {
            continue; /* a segment that has just been removed */
        }
        if (S_ISDIR(st.st_mode)) {
            search_folder(a, s, path);
        } else if ((st.st_mode & 077) != 0) {
            cluster_die(&a->cluster, "%s has mode %03o", path, st.st_mode & 0777U);
        } else {
            search_file(a, s, path);
        }
    }
    closedir(dir);
}

static void search_node(struct attack *a, const struct secrets *s, int i)
{
    const char *folder = a->cluster.folder;
    struct stat st;
    char path[600];

    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)a->cluster.nodes[i].pid);
    search_file(a, s, path);
    snprintf(path, sizeof path, "/proc/%d/environ", (int)a->cluster.nodes[i].pid);
    search_file(a, s, path);
    snprintf(path, sizeof path, "%s/node%d.log", folder, i + 1);
    search_file(a, s, path);
    if (stat(path, &st) != 0 || st.st_size > LOG_BYTES_MAX) {
        cluster_die(&a->cluster, "attacks can fill the disk by way of %s", path);
    }
    snprintf(path, sizeof path, "%s/node%d", folder, i + 1);
    search_folder(a, s, path);
    attack_must(a, i, "GET", "/metrics", NULL, NULL, NULL);
    search(a, s, "/metrics", a->http.body, a->http.len);
    attack_must(a, i, "GET", "/v1/ledger?limit=1000", a->cluster.operator_key, NULL, NULL);
    search(a, s, "/v1/ledger", a->http.body, a->http.len);
    attack_must(a, i, "GET", "/v1/players/p1", a->cluster.operator_key, NULL, NULL);
    search(a, s, "/v1/players/p1", a->http.body, a->http.len);
    attack_must(a, i, "GET", "/v1/audit?limit=1000", a->cluster.operator_key, NULL, NULL);
    search(a, s, "/v1/audit", a->http.body, a->http.len);
}

/* What the operator did is there: who, what, from where; in the node's log, and at every node in
 * the ledger. Whoever may not change anything has left nothing there, however often it tried. */
static void look_at_audit(struct attack *a)
{
    int i;

    if (!attack_logged(a, 0, "call=\"POST /v1/keys\" of=rv by=operator key=")) {
        cluster_die(&a->cluster, "node 1's log has no line of the key that the operator made");
    }
    for (i = 0; i < NODES; i++) {
        attack_must(a, i, "GET", "/v1/audit?limit=1000", a->cluster.operator_key, NULL, NULL);
        if (strstr(a->http.body, "\"call\":\"key_create\",\"subject\":\"rv\"") == NULL) {
            cluster_die(&a->cluster, "node %d's audit lacks the key that the operator made", i + 1);
        }
        if (strstr(a->http.body, "\"role\":\"provider\"") != NULL ||
            strstr(a->http.body, "\"role\":\"gateway\"") != NULL ||
            strstr(a->http.body, "\"role\":\"auditor\"") != NULL) {
            cluster_die(&a->cluster, "node %d's audit holds what nobody was let do", i + 1);
        }
    }
}

void attack_traces(struct attack *a)
{
    struct secrets s;
    int i;

    gather(a, &s);
    for (i = 0; i < NODES; i++) {
        search_node(a, &s, i);
    }
    look_at_audit(a);
}

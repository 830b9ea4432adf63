#include "tests/cluster/secure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cluster-config/pki.h"

enum { PATH_BYTES = 512, LINES_BYTES = 300 };

void cluster_configure(struct cluster *c, int i, const char *line)
{
    char path[PATH_BYTES];
    FILE *f;

    snprintf(path, sizeof path, "%s/node%d.conf", c->folder, i + 1);
    f = fopen(path, "a");
    if (f == NULL || fprintf(f, "%s\n", line) < 0 || fclose(f) != 0) {
        cluster_die(c, "can't write %s: %s", path, strerror(errno));
    }
}

void cluster_secure(struct cluster *c)
{
    static const char *const hosts[] = {"127.0.0.1"};
    struct pki_request request = {.hosts = hosts, .n_hosts = 1};
    struct fault fault;
    char folder[PATH_BYTES];
    char lines[LINES_BYTES];
    int i;

    snprintf(folder, sizeof folder, "%s/pki", c->folder);
    if (pki_init(folder, "test", false, &fault) != 0) {
        cluster_die(c, "%s", fault.text);
    }
    for (i = 0; i < c->n; i++) {
        request.node_id = (uint64_t)i + 1;
        if (pki_issue(folder, &request, &fault) != 0) {
            cluster_die(c, "%s", fault.text);
        }
        snprintf(lines, sizeof lines,
                 "peer_certificate_file = pki/node-%d.crt\npeer_key_file = pki/node-%d.key\n"
                 "peer_authority_file = pki/ca.crt",
                 i + 1, i + 1);
        cluster_configure(c, i, lines);
    }
}

void cluster_secure_http(struct cluster *c)
{
    static const char *const hosts[] = {"127.0.0.1"};
    const struct pki_request request = {.name = "https", .hosts = hosts, .n_hosts = 1};
    struct fault fault;
    char folder[PATH_BYTES];
    char lines[LINES_BYTES];
    int i;

    snprintf(folder, sizeof folder, "%s/pki", c->folder);
    if (pki_issue(folder, &request, &fault) != 0) {
        cluster_die(c, "%s", fault.text);
    }
    for (i = 0; i < c->n; i++) {
        snprintf(lines, sizeof lines,
                 "https_listen = 127.0.0.1:%u\nhttps_certificate_file = pki/https.crt\n"
                 "https_key_file = pki/https.key",
                 c->nodes[i].https_port);
        cluster_configure(c, i, lines);
    }
}

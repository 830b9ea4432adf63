/* Those who say that they are a node of the cluster. The forger speaks the links' own language,
 * knows the cluster's secret, and believes any certificate that it is shown. (A node with a good
 * certificate that is no member may link, to hear what it missed; what else it sends is ignored.)
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster-config/pki.h"
#include "consensus/handshake.h"
#include "tests/security/attack.h"

enum { FLOOD = 300 };

struct forger {
    const char *what;
    const char *pki;  /* folder of the certificate, and its name there; NULL: plain TCP, or ... */
    const char *name; /* ... NULL: TLS without a certificate */
    const char *cluster;
    uint64_t claims; /* to be this node */
};

static SSL_CTX *forged_context(struct attack *a, const struct forger *f)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    char certificate[512];
    char key[512];

    if (context == NULL || f->name == NULL) {
        return context;
    }
    snprintf(certificate, sizeof certificate, "%s/%s.crt", f->pki, f->name);
    snprintf(key, sizeof key, "%s/%s.key", f->pki, f->name);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        cluster_die(&a->cluster, "%s: can't read %s", f->what, certificate);
    }
    return context;
}

static void hello_of(const struct forger *f, uint64_t to, struct handshake *h,
                     struct handshake_self *self)
{
    size_t i;

    memset(self, 0, sizeof *self);
    self->id = f->claims;
    snprintf(self->cluster, sizeof self->cluster, "%s", f->cluster);
    for (i = 0; i < sizeof self->secret; i++) {
        self->secret[i] = (uint8_t)i; /* the cluster's: see cluster.c */
    }
    handshake_begin(h, HANDSHAKE_DIALLER, self, to);
}

/* Dials node i and says HELLO; returns how many bytes of an answer came until the node hung up, or
 * until a whole CHALLENGE was there. */
static int dial_as(struct attack *a, int i, const struct forger *f)
{
    struct handshake_self self;
    struct handshake h;
    char answer[HANDSHAKE_CHALLENGE_BYTES];
    SSL_CTX *context = NULL;
    SSL *ssl = NULL;
    int fd = attack_dial(a->cluster.nodes[i].peer_port);
    int len = 0;
    int n = 1;

    if (fd < 0) {
        cluster_die(&a->cluster, "node %d takes no peer", i + 1);
    }
    hello_of(f, (uint64_t)i + 1, &h, &self);
    if (f->pki != NULL) {
        context = forged_context(a, f);
        ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        if (SSL_connect(ssl) == 1) {
            SSL_write(ssl, h.out, (int)h.out_len);
        } else {
            n = 0;
        }
    } else {
        attack_say(fd, h.out, h.out_len);
    }
    while (n > 0 && len < (int)sizeof answer) {
        n = ssl != NULL ? SSL_read(ssl, answer + len, (int)sizeof answer - len)
                        : (int)read(fd, answer + len, sizeof answer - (size_t)len);
        /* What is no TLS is told so by an alert in plain: that is no answer. */
        n = ssl == NULL && n > 0 && len == 0 && answer[0] == 0x15 ? 0 : n;
        len += n > 0 ? n : 0;
    }
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    return len;
}

static void issue(struct attack *a, const char *pki, uint64_t node, const char *name)
{
    static const char *const hosts[] = {"127.0.0.1"};
    const struct pki_request request = {
        .node_id = node, .name = name, .hosts = hosts, .n_hosts = 1};
    struct fault fault;

    if (pki_issue(pki, &request, &fault) != 0) {
        cluster_die(&a->cluster, "%s", fault.text);
    }
}

static void forge(struct attack *a)
{
    char stranger[350], neighbour[350];
    struct fault fault;
    const struct forger forgers[] = {
        {"no TLS, with the cluster's secret", NULL, NULL, "test", 2},
        {"TLS without a certificate", a->pki, NULL, "test", 2},
        {"another authority's certificate of the same name", stranger, "node-2", "test", 2},
        {"another cluster's certificate", neighbour, "node-2", "other", 2},
        {"another cluster's certificate, our name", neighbour, "node-2", "test", 2},
        {"a server's certificate of our authority", a->pki, "api", "test", 2},
        {"a good certificate, but of another node", a->pki, "node-9", "test", 2},
        {"a good certificate, another cluster's name", a->pki, "node-2", "other", 2},
    };
    const struct forger stolen = {"node 2's own key", a->pki, "node-2", "test", 2};
    size_t i;

    snprintf(stranger, sizeof stranger, "%s/stranger", a->cluster.folder);
    snprintf(neighbour, sizeof neighbour, "%s/neighbour", a->cluster.folder);
    if (pki_init(stranger, "test", false, &fault) != 0 ||
        pki_init(neighbour, "other", false, &fault) != 0) {
        cluster_die(&a->cluster, "%s", fault.text);
    }
    issue(a, stranger, 2, NULL);
    issue(a, neighbour, 2, NULL);
    issue(a, a->pki, 9, NULL);
    issue(a, a->pki, 0, "api");
    for (i = 0; i < sizeof forgers / sizeof *forgers; i++) {
        int len = dial_as(a, 0, &forgers[i]);

        if (len != 0) {
            cluster_die(&a->cluster, "%s got %d bytes of an answer", forgers[i].what, len);
        }
        a->refused++;
    }
    if (!attack_logged(a, 0, "connection refused")) {
        cluster_die(&a->cluster, "node 1 says nothing of forged peers");
    }
    /* The forger can do it right, so what it met was not its own clumsiness. */
    if (dial_as(a, 0, &stolen) != HANDSHAKE_CHALLENGE_BYTES) {
        cluster_die(&a->cluster, "a good certificate gets no answer");
    }
}

/* Connections that say nothing fill a node's ear; a true peer gets through all the same. */
static void flood(struct attack *a)
{
    int fds[FLOOD];
    int victim = (cluster_leader(&a->cluster) + 1) % NODES;
    int i;

    cluster_signal(&a->cluster, victim, SIGKILL);
    cluster_reap(&a->cluster, victim);
    for (i = 0; i < FLOOD; i++) {
        fds[i] = attack_dial(a->cluster.nodes[(victim + 1 + i % 2) % NODES].peer_port);
    }
    cluster_start(&a->cluster, victim);
    cluster_wait_ready(&a->cluster);
    for (i = 0; i < FLOOD; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    a->refused += FLOOD;
}

void attack_peers(struct attack *a)
{
    forge(a);
    flood(a);
}

/* A small certificate authority for one cluster: a folder with the authority and what it issued.
 *
 * Guarantees: a node's certificate names its cluster and its id (the URI florin://CLUSTER/node/ID
 * as subject alternative name) and serves both ends of a link; a server's certificate names hosts
 * only and can't be taken for a node's; keys are made here, readable by their owner only (mode
 * 600), and appear under their name whole or not at all; nothing is overwritten unless told to.
 *
 * How: ECDSA P-256 and SHA-256. The authority holds for ten years and may sign no other authority;
 * what it issues holds for a year. Times begin an hour early, for clocks that differ.
 *
 *   DIR/ca.crt, ca.key            the authority; ca.key belongs on no node
 *   DIR/node-ID.crt, node-ID.key  a node's, for its links
 *   DIR/NAME.crt, NAME.key        a server's, for the API's HTTPS
 *
 * Any thread; each function returns 0, or -1 with the fault. */
#ifndef FLORIN_PKI_H
#define FLORIN_PKI_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/report.h"

enum {
    PKI_HOSTS_MAX = 16,
    PKI_HOST_MAX = 253,
    PKI_CA_DAYS = 3650,
    PKI_DAYS = 365,
    PKI_NAME_MAX = 64, /* of a server's certificate, and of a cluster */
};

struct pki_request {
    uint64_t node_id;         /* 0: a server's certificate, called `name` */
    const char *name;         /* an id; for a node it is node-ID */
    const char *const *hosts; /* names or addresses under which it is reached */
    unsigned n_hosts;         /* at least one */
    unsigned days;            /* 0: PKI_DAYS */
    bool force;               /* replace what is there */
};

struct pki_info {
    char subject[128];
    char cluster_id[PKI_NAME_MAX + 1];  /* "" unless it is a node's or the authority's */
    uint64_t node_id;                   /* 0 unless it is a node's */
    char hosts[1024];                   /* with commas between them */
    char not_before[32], not_after[32]; /* RFC 3339, UTC */
    int64_t days_left;                  /* negative: over */
    bool authority;
};

/* Makes the folder (mode 700) if it is missing, and a new authority for the cluster in it. */
int pki_init(const char *dir, const char *cluster_id, bool force, struct fault *fault);

/* Issues a certificate with a new key. */
int pki_issue(const char *dir, const struct pki_request *request, struct fault *fault);

/* Issues again what DIR/name.crt says, with a new key and from today on. */
int pki_renew(const char *dir, const char *name, unsigned days, struct fault *fault);

/* Reads one certificate's file. */
int pki_show(const char *path, struct pki_info *info, struct fault *fault);

#endif

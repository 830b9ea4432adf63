/* What the attacks share: a cluster of three real nodes under TLS, ways to send it any bytes, and
 * checks. A check that fails ends the test with what it expected and what came. */
#ifndef FLORIN_ATTACK_H
#define FLORIN_ATTACK_H

#include <stddef.h>

#include "tests/cluster/cluster.h"

enum { NODES = 3, PLAYERS = 8, ANSWER_MAX = 64 << 10, PATIENCE_MS = 60000 };

/* The credentials and secrets that the suite makes; none may ever be found anywhere. */
#define RIVAL_KEY    "rv.rival-secret-for-tests"
#define GATEWAY_KEY  "gw.gateway-secret-for-tests"
#define AUDITOR_KEY  "au.auditor-secret-for-tests"
#define RETIRED_KEY  "old.retired-secret-for-tests"
#define SIGNING_ID   "sg"
#define SIGNING_TEXT "signing-secret-for-tests"
#define PASSWORD     "correct horse battery for tests"

struct attack {
    struct cluster cluster;
    struct http http; /* of the main thread */
    char pki[300];    /* the cluster's own authority */
    char token[128];  /* of a player's session, once opened */
    unsigned refused; /* attacks so far that were */
};

/* A call with or without a key to node i; dies unless it answers `status`, and with this `code`
 * when that is not NULL. */
void attack_expect(struct attack *a, int i, long status, const char *code, const char *method,
                   const char *path, const char *key, const char *body);

/* Asks again until node i answers a read with `status`: a change of a key's rights counts at a node
 * when that node has applied it. */
void attack_await(struct attack *a, int i, long status, const char *path, const char *key);

/* The same as attack_expect for a request that is sent as it is. */
void attack_expect_raw(struct attack *a, int i, long status, const char *code, const void *request,
                       size_t len);

/* An honest call; *json may be NULL, else it is the caller's to json_decref. */
void attack_must(struct attack *a, int i, const char *method, const char *path, const char *key,
                 const char *body, json_t **json);

/* A player's balance as text. */
void attack_balance(struct attack *a, const char *player, char balance[static 32]);

/* A connection to a port of 127.0.0.1; -1 when it is refused. */
int attack_dial(uint16_t port);
/* Sends all that the other end takes. */
void attack_say(int fd, const void *data, size_t len);
/* Reads until the other end closes or nothing comes for PATIENCE_MS; true when it closed. `answer`
 * (ANSWER_MAX bytes, NUL-terminated) may be NULL. */
bool attack_hear(int fd, char *answer);

/* True when the text is in node i's log. */
bool attack_logged(struct attack *a, int i, const char *text);

/* A bet at every node: the cluster works. */
void attack_unharmed(struct attack *a, const char *after);

/* How the crowd attacks and its honest neighbours call: the port of a node, and what slow
 * connections begin with, a quarter of them each; a byte now and then follows where it drips. */
struct crowd_ways {
    const char *scheme; /* honest clients' */
    uint16_t port;
    const char *ca; /* whom they trust, or NULL */
    struct {
        const char *bytes;
        size_t len;
        bool drips;
    } beginnings[4];
};

/* crowd.c */
void attack_crowd_at(struct attack *a, int node, const struct crowd_ways *ways);

/* The attacks, a file each. */
void attack_keys(struct attack *a); /* keys.c: none, wrong ones, other roles', others' money */
void attack_signatures(struct attack *a); /* signatures.c: replayed, late, altered */
void attack_limits(struct attack *a);     /* limits.c: too often, guessed, from elsewhere */
void attack_sizes(struct attack *a);      /* sizes.c: too much of everything */
void attack_noise(struct attack *a);      /* noise.c: random bytes and TLS garbage at every port */
void attack_peers(struct attack *a);      /* peers.c: nodes that are none */
void attack_crowd(struct attack *a);      /* crowd.c: a thousand slow connections */
void attack_https(struct attack *a);      /* https.c: a key from elsewhere, and the crowd, by TLS */
void attack_traces(struct attack *a);     /* traces.c: secrets in logs, figures, files, processes */

#endif

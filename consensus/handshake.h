/* The handshake of a peer link: both ends prove that they know the cluster's secret, without
 * sending it, and agree on who they are.
 *
 * Guarantees: HANDSHAKE_DONE means that the other end knows the secret, is of the same cluster,
 * speaks this version, is the node that we dialled (dialler) or the peer in h->peer (acceptor), and
 * answered now: both ends put 32 fresh random bytes in, so what was recorded before is worthless.
 * The acceptor proves nothing before the dialler has, and both proofs name the role and both ids,
 * so one can't be played back to its maker or to a third node.
 *
 *     dialler -> HELLO      magic, version, cluster, from, to, nonce   124 bytes
 *     acceptor -> CHALLENGE magic, version, nonce                       44 bytes
 *     dialler -> PROOF      BLAKE2b-256 keyed with the secret           32 bytes
 *     acceptor -> WELCOME   the same for the other role                 32 bytes
 *
 * It proves who opened the stream, not each byte after it: without TLS links are for loopback.
 *
 * Pure but for the random nonce: bytes in, bytes out, no I/O, no allocation. One thread at a time.
 * sodium_init must have been called. */
#ifndef FLORIN_HANDSHAKE_H
#define FLORIN_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HANDSHAKE_SECRET_BYTES = 32,
    HANDSHAKE_CLUSTER_MAX = 64,
    HANDSHAKE_NONCE_BYTES = 32,
    HANDSHAKE_PROOF_BYTES = 32,
    HANDSHAKE_HELLO_BYTES = 8 + 2 + 2 + HANDSHAKE_CLUSTER_MAX + 8 + 8 + HANDSHAKE_NONCE_BYTES,
    HANDSHAKE_CHALLENGE_BYTES = 8 + 2 + 2 + HANDSHAKE_NONCE_BYTES,
    HANDSHAKE_MESSAGE_MAX = HANDSHAKE_HELLO_BYTES,
    HANDSHAKE_VERSION = 1,
};

enum handshake_role { HANDSHAKE_DIALLER = 1, HANDSHAKE_ACCEPTOR = 2 };

enum handshake_result {
    HANDSHAKE_MORE, /* send h->out, then wait for more bytes */
    HANDSHAKE_DONE, /* send h->out; the stream is the frames' from here on */
    /* All below: drop the connection. */
    HANDSHAKE_NOT_A_PEER,
    HANDSHAKE_OTHER_VERSION,
    HANDSHAKE_OTHER_CLUSTER,
    HANDSHAKE_OTHER_NODE,
    HANDSHAKE_NO_MEMBER,
    HANDSHAKE_WRONG_PROOF,
    HANDSHAKE_SURPLUS, /* bytes that the other end could not yet have had a reason to send */
    HANDSHAKE_RESULTS,
};

/* Who we are; the same for all handshakes of a node. */
struct handshake_self {
    uint64_t id;
    char cluster[HANDSHAKE_CLUSTER_MAX]; /* padded with zeros */
    uint8_t secret[HANDSHAKE_SECRET_BYTES];
    /* Acceptor: is this id a peer that may connect? */
    bool (*is_peer)(void *context, uint64_t id);
    void *context;
};

struct handshake {
    const struct handshake_self *self;
    enum handshake_role role;
    uint64_t peer; /* acceptor: 0 until the HELLO came; only claimed until HANDSHAKE_DONE */
    unsigned step; /* messages of the other end that were read */
    uint8_t nonce_dialler[HANDSHAKE_NONCE_BYTES];
    uint8_t nonce_acceptor[HANDSHAKE_NONCE_BYTES];
    uint8_t in[HANDSHAKE_MESSAGE_MAX]; /* the message that is coming in */
    size_t in_len;
    uint8_t out[HANDSHAKE_MESSAGE_MAX]; /* what to send now */
    size_t out_len;
};

/* Starts; a dialler has its HELLO in h->out at once. `peer` is whom we dial (acceptor: 0). *self
 * must outlive the handshake. */
void handshake_begin(struct handshake *h, enum handshake_role role,
                     const struct handshake_self *self, uint64_t peer);

/* Takes bytes as they come. Sets h->out_len anew each time: send those bytes if there are any. */
enum handshake_result handshake_feed(struct handshake *h, const void *data, size_t len);

/* In words, for a log line: "its proof is wrong: another cluster secret?". */
const char *handshake_result_text(enum handshake_result result);

#endif

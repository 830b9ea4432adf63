/* TLS 1.3 under the peer links: bytes in, bytes out, no socket.
 *
 * Guarantees: a session that is up has at its other end the holder of a certificate that the
 * cluster's own authority signed for this cluster and the node tls_session_peer; both ends have
 * proved this, nothing older than TLS 1.3 is spoken, no session is ever resumed (each connection
 * proves itself anew, so a certificate that was exchanged or has ended counts from the next one
 * on).
 *
 * How: OpenSSL on two memory buffers. What the socket brings is fed in; what it has to take comes
 * out as bytes. The only module of the links that knows OpenSSL.
 *
 * One thread at a time. */
#ifndef FLORIN_TLS_H
#define FLORIN_TLS_H

#include <sys/types.h>

#include "statemachine/bytes.h"
#include "statemachine/report.h"

struct tls;

struct tls_files {
    const char *certificate; /* this node's, PEM */
    const char *key;         /* its key, mode 600, no passphrase */
    const char *authority;   /* the cluster's */
};

/* Reads the files and checks that they belong together, to this cluster and to this node, and hold
 * now. 0, or -1 with the fault. */
int tls_open(struct tls **tls, const struct tls_files *files, const char *cluster_id,
             uint64_t node_id, struct fault *fault);

/* Sessions that were made go on. NULL is fine. */
void tls_close(struct tls *tls);

/* Seconds until this node's certificate ends; negative: it has. */
int64_t tls_valid_s(const struct tls *tls);

struct tls_session;

struct tls_session *tls_session_new(const struct tls *tls, bool dials);
void tls_session_free(struct tls_session *s); /* NULL is fine */

/* Takes bytes from the network. -1: more than a handshake may have, or memory is out. */
int tls_session_feed(struct tls_session *s, const void *data, size_t len, struct fault *fault);

/* Goes on with the handshake: 1 it is done, 0 it needs more, -1 it failed (what is then in
 * tls_session_out, an alert, may still be sent). */
int tls_session_shake(struct tls_session *s, struct fault *fault);

/* The node at the other end, once the handshake is done. */
uint64_t tls_session_peer(const struct tls_session *s);

/* What came in, decrypted: bytes, 0 for none now, -1 when the other end ended it or broke it. */
ssize_t tls_session_read(struct tls_session *s, void *data, size_t len, struct fault *fault);

/* Encrypts; the bytes are in tls_session_out then. -1: it is broken. */
int tls_session_write(struct tls_session *s, const void *data, size_t len, struct fault *fault);

/* What is to be sent; stays until tls_session_sent, which forgets all of it. */
struct slice tls_session_out(const struct tls_session *s);
void tls_session_sent(struct tls_session *s);

#endif

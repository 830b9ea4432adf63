#include "consensus/handshake.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "statemachine/bytes.h"

enum { MAGIC_BYTES = 8, PREFIX_BYTES = MAGIC_BYTES + 2 };

/* Two magics, so that our own bytes coming back (a port that connected to itself) are not taken
 * for an answer. */
static const char hello_magic[MAGIC_BYTES + 1] = "florin>\n";
static const char challenge_magic[MAGIC_BYTES + 1] = "florin<\n";
static const char proof_domain[] = "florin peer link, version 1";

const char *handshake_result_text(enum handshake_result result)
{
    static const char *const text[HANDSHAKE_RESULTS] = {
        [HANDSHAKE_MORE] = "the handshake goes on",
        [HANDSHAKE_DONE] = "the handshake is done",
        [HANDSHAKE_NOT_A_PEER] = "it does not speak the peer protocol",
        [HANDSHAKE_OTHER_VERSION] = "it speaks another version of the peer protocol",
        [HANDSHAKE_OTHER_CLUSTER] = "it belongs to another cluster",
        [HANDSHAKE_OTHER_NODE] = "it looks for another node: is an address wrong?",
        [HANDSHAKE_NO_MEMBER] = "its id is no member of the cluster",
        [HANDSHAKE_WRONG_PROOF] = "its proof is wrong: another cluster secret?",
        [HANDSHAKE_SURPLUS] = "it sent more than its turn",
    };

    return (unsigned)result < HANDSHAKE_RESULTS ? text[result] : "unknown result";
}

static uint8_t *put(uint8_t *at, const void *data, size_t len)
{
    memcpy(at, data, len);
    return at + len;
}

static uint8_t *put_le(uint8_t *at, uint64_t v, size_t len)
{
    size_t i;

    for (i = 0; i < len; i++) {
        at[i] = (uint8_t)(v >> (8 * i));
    }
    return at + len;
}

static void send_hello(struct handshake *h)
{
    uint8_t *at = put(h->out, hello_magic, MAGIC_BYTES);

    randombytes_buf(h->nonce_dialler, sizeof h->nonce_dialler);
    at = put_le(at, HANDSHAKE_VERSION, 2);
    at = put_le(at, 0, 2);
    at = put(at, h->self->cluster, HANDSHAKE_CLUSTER_MAX);
    at = put_le(at, h->self->id, 8);
    at = put_le(at, h->peer, 8);
    at = put(at, h->nonce_dialler, sizeof h->nonce_dialler);
    h->out_len = (size_t)(at - h->out);
    assert(h->out_len == HANDSHAKE_HELLO_BYTES);
}

static void send_challenge(struct handshake *h)
{
    uint8_t *at = put(h->out, challenge_magic, MAGIC_BYTES);

    randombytes_buf(h->nonce_acceptor, sizeof h->nonce_acceptor);
    at = put_le(at, HANDSHAKE_VERSION, 2);
    at = put_le(at, 0, 2);
    at = put(at, h->nonce_acceptor, sizeof h->nonce_acceptor);
    h->out_len = (size_t)(at - h->out);
    assert(h->out_len == HANDSHAKE_CHALLENGE_BYTES);
}

/* The proof of one role: every field has a fixed length, so no two transcripts give the same
 * bytes. */
static void proof_of(const struct handshake *h, enum handshake_role role,
                     uint8_t proof[HANDSHAKE_PROOF_BYTES])
{
    uint64_t dialler = h->role == HANDSHAKE_DIALLER ? h->self->id : h->peer;
    uint64_t acceptor = h->role == HANDSHAKE_DIALLER ? h->peer : h->self->id;
    uint8_t
        said[sizeof proof_domain + 1 + HANDSHAKE_CLUSTER_MAX + 8 + 8 + 2 * HANDSHAKE_NONCE_BYTES];
    uint8_t *at = put(said, proof_domain, sizeof proof_domain);

    at = put_le(at, role, 1);
    at = put(at, h->self->cluster, HANDSHAKE_CLUSTER_MAX);
    at = put_le(at, dialler, 8);
    at = put_le(at, acceptor, 8);
    at = put(at, h->nonce_dialler, HANDSHAKE_NONCE_BYTES);
    at = put(at, h->nonce_acceptor, HANDSHAKE_NONCE_BYTES);
    assert(at == said + sizeof said);
    crypto_generichash(proof, HANDSHAKE_PROOF_BYTES, said, sizeof said, h->self->secret,
                       HANDSHAKE_SECRET_BYTES);
}

static void send_proof(struct handshake *h)
{
    proof_of(h, h->role, h->out);
    h->out_len = HANDSHAKE_PROOF_BYTES;
}

static bool proof_holds(const struct handshake *h)
{
    enum handshake_role other =
        h->role == HANDSHAKE_DIALLER ? HANDSHAKE_ACCEPTOR : HANDSHAKE_DIALLER;
    uint8_t expected[HANDSHAKE_PROOF_BYTES];

    proof_of(h, other, expected);
    return sodium_memcmp(expected, h->in, HANDSHAKE_PROOF_BYTES) == 0;
}

/* What was read so far of a message that begins with a magic and a version: garbage is refused at
 * its first wrong byte, not after a time-out. */
static enum handshake_result prefix_check(const struct handshake *h, const char *magic)
{
    size_t len = h->in_len < MAGIC_BYTES ? h->in_len : MAGIC_BYTES;

    if (memcmp(h->in, magic, len) != 0) {
        return HANDSHAKE_NOT_A_PEER;
    }
    if (h->in_len >= PREFIX_BYTES &&
        (h->in[MAGIC_BYTES] | h->in[MAGIC_BYTES + 1] << 8) != HANDSHAKE_VERSION) {
        return HANDSHAKE_OTHER_VERSION;
    }
    return HANDSHAKE_MORE;
}

static enum handshake_result take_hello(struct handshake *h)
{
    struct cursor c = cursor_of(h->in, h->in_len);
    const uint8_t *cluster, *nonce;
    uint64_t to;
    uint16_t reserved;

    cursor_take(&c, PREFIX_BYTES);
    reserved = cursor_u16(&c);
    cluster = cursor_take(&c, HANDSHAKE_CLUSTER_MAX);
    h->peer = cursor_u64(&c);
    to = cursor_u64(&c);
    nonce = cursor_take(&c, HANDSHAKE_NONCE_BYTES);
    assert(!c.failed && c.left == 0);

    if (reserved != 0) {
        return HANDSHAKE_NOT_A_PEER;
    }
    if (memcmp(cluster, h->self->cluster, HANDSHAKE_CLUSTER_MAX) != 0) {
        return HANDSHAKE_OTHER_CLUSTER;
    }
    if (to != h->self->id) {
        return HANDSHAKE_OTHER_NODE;
    }
    if (!h->self->is_peer(h->self->context, h->peer)) {
        return HANDSHAKE_NO_MEMBER;
    }
    memcpy(h->nonce_dialler, nonce, HANDSHAKE_NONCE_BYTES);
    send_challenge(h);
    return HANDSHAKE_MORE;
}

static enum handshake_result take_challenge(struct handshake *h)
{
    struct cursor c = cursor_of(h->in, h->in_len);

    cursor_take(&c, PREFIX_BYTES);
    if (cursor_u16(&c) != 0) {
        return HANDSHAKE_NOT_A_PEER;
    }
    memcpy(h->nonce_acceptor, cursor_take(&c, HANDSHAKE_NONCE_BYTES), HANDSHAKE_NONCE_BYTES);
    send_proof(h);
    return HANDSHAKE_MORE;
}

static enum handshake_result take_proof(struct handshake *h)
{
    if (!proof_holds(h)) {
        return HANDSHAKE_WRONG_PROOF;
    }
    if (h->role == HANDSHAKE_ACCEPTOR) {
        send_proof(h);
    }
    return HANDSHAKE_DONE;
}

void handshake_begin(struct handshake *h, enum handshake_role role,
                     const struct handshake_self *self, uint64_t peer)
{
    memset(h, 0, sizeof *h);
    h->self = self;
    h->role = role;
    h->peer = peer;
    if (role == HANDSHAKE_DIALLER) {
        send_hello(h);
    }
}

enum handshake_result handshake_feed(struct handshake *h, const void *data, size_t len)
{
    bool acceptor = h->role == HANDSHAKE_ACCEPTOR;
    size_t first = acceptor ? HANDSHAKE_HELLO_BYTES : HANDSHAKE_CHALLENGE_BYTES;
    size_t need = h->step == 0 ? first : HANDSHAKE_PROOF_BYTES;
    size_t take = len < need - h->in_len ? len : need - h->in_len;
    enum handshake_result result = HANDSHAKE_MORE;

    assert(h->step < 2);
    h->out_len = 0;
    memcpy(h->in + h->in_len, data, take);
    h->in_len += take;
    if (h->step == 0) {
        result = prefix_check(h, acceptor ? hello_magic : challenge_magic);
    }
    if (result != HANDSHAKE_MORE || h->in_len < need) {
        return result;
    }
    /* Each message answers the one before, so nothing honest comes right behind it. */
    if (take < len) {
        return HANDSHAKE_SURPLUS;
    }
    if (h->step == 0) {
        result = acceptor ? take_hello(h) : take_challenge(h);
    } else {
        result = take_proof(h);
    }
    h->step++;
    h->in_len = 0;
    return result;
}

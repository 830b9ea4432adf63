#include "consensus/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "statemachine/node_uri.h"
#include "statemachine/private_file.h"

enum {
    HANDSHAKE_BYTES_MAX = 64 << 10, /* all that may come in before the handshake is done */
    CERTIFICATES_BYTES_MAX = 16 << 10,
    CLUSTER_MAX = 64,
};

struct tls {
    SSL_CTX *context;
    char cluster_id[CLUSTER_MAX + 1];
};

struct tls_session {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    char cluster_id[CLUSTER_MAX + 1];
    bool up;
    size_t fed; /* before it was up */
    uint64_t peer;
};

static int openssl_fault(struct fault *fault, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return fault_set(fault, "%s: %s", what, why != NULL ? why : "no reason given");
}

/* The node that a certificate names, if it is one of this cluster; 0 otherwise. */
static uint64_t certificate_node(X509 *x, const char *cluster_id)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    uint64_t found = 0;
    unsigned n_found = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        struct slice cluster, uri;
        uint64_t id;

        if (n->type != GEN_URI) {
            continue;
        }
        uri = (struct slice){(const char *)ASN1_STRING_get0_data(n->d.uniformResourceIdentifier),
                             (size_t)ASN1_STRING_length(n->d.uniformResourceIdentifier)};
        if (node_uri_parse(uri, &cluster, &id) && id != 0 && slice_is(cluster, cluster_id)) {
            found = id;
            n_found++;
        }
    }
    GENERAL_NAMES_free(names);
    return n_found == 1 ? found : 0; /* two names are no name */
}

/* ---- the files ---- */

/* Nobody sits at a node's terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

/* Would a peer take our own certificate? */
static int check_own(SSL_CTX *context, const struct tls_files *files, const char *cluster_id,
                     uint64_t node_id, struct fault *fault)
{
    X509 *x = SSL_CTX_get0_certificate(context);
    X509_STORE_CTX *verify = X509_STORE_CTX_new();
    int rv = -1;

    if (verify == NULL ||
        X509_STORE_CTX_init(verify, SSL_CTX_get_cert_store(context), x, NULL) != 1) {
        openssl_fault(fault, "the certificate can't be checked");
    } else if (X509_verify_cert(verify) != 1) {
        fault_set(fault, "%s does not hold under %s: %s", files->certificate, files->authority,
                  X509_verify_cert_error_string(X509_STORE_CTX_get_error(verify)));
    } else if (certificate_node(x, cluster_id) != node_id) {
        char uri[NODE_URI_MAX];
        node_uri_format(uri, cluster_id, node_id);
        fault_set(fault, "%s is not this node's: it does not name %s", files->certificate, uri);
    } else {
        rv = 0;
    }
    X509_STORE_CTX_free(verify);
    ERR_clear_error();
    return rv;
}

static int load(SSL_CTX *context, const struct tls_files *files, struct fault *fault)
{
    char what[600];

    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (private_file_check(files->key, fault) != 0) {
        return -1;
    }
    if (SSL_CTX_load_verify_file(context, files->authority) != 1) {
        snprintf(what, sizeof what, "%s: is no certificate", files->authority);
        return openssl_fault(fault, what);
    }
    if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1) {
        snprintf(what, sizeof what, "%s: is no certificate", files->certificate);
        return openssl_fault(fault, what);
    }
    if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1) {
        snprintf(what, sizeof what, "%s: is not the key of %s", files->key, files->certificate);
        return openssl_fault(fault, what);
    }
    return 0;
}

static bool configure(SSL_CTX *context)
{
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(context, CERTIFICATES_BYTES_MAX);
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
    return SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 0) == 1 &&
           SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                             "TLS_CHACHA20_POLY1305_SHA256") == 1;
}

int tls_open(struct tls **tls, const struct tls_files *files, const char *cluster_id,
             uint64_t node_id, struct fault *fault)
{
    struct tls *t = calloc(1, sizeof *t);

    *tls = NULL;
    if (t == NULL) {
        abort();
    }
    snprintf(t->cluster_id, sizeof t->cluster_id, "%s", cluster_id);
    t->context = SSL_CTX_new(TLS_method());
    if (t->context == NULL || !configure(t->context)) {
        openssl_fault(fault, "OpenSSL can't be set up");
        goto fail;
    }
    if (load(t->context, files, fault) != 0 ||
        check_own(t->context, files, cluster_id, node_id, fault) != 0) {
        goto fail;
    }
    *tls = t;
    return 0;
fail:
    tls_close(t);
    return -1;
}

void tls_close(struct tls *tls)
{
    if (tls != NULL) {
        SSL_CTX_free(tls->context);
        free(tls);
    }
}

int64_t tls_valid_s(const struct tls *tls)
{
    int days = 0, seconds = 0;

    ASN1_TIME_diff(&days, &seconds, NULL,
                   X509_get0_notAfter(SSL_CTX_get0_certificate(tls->context)));
    return (int64_t)days * 86400 + seconds;
}

/* ---- sessions ---- */

struct tls_session *tls_session_new(const struct tls *tls, bool dials)
{
    struct tls_session *s = calloc(1, sizeof *s);

    if (s == NULL || (s->ssl = SSL_new(tls->context)) == NULL ||
        (s->in = BIO_new(BIO_s_mem())) == NULL || (s->out = BIO_new(BIO_s_mem())) == NULL) {
        abort(); /* only memory can fail it */
    }
    BIO_set_mem_eof_return(s->in, -1); /* empty means: not yet */
    SSL_set_bio(s->ssl, s->in, s->out);
    memcpy(s->cluster_id, tls->cluster_id, sizeof s->cluster_id);
    if (dials) {
        SSL_set_connect_state(s->ssl);
    } else {
        SSL_set_accept_state(s->ssl);
    }
    return s;
}

void tls_session_free(struct tls_session *s)
{
    if (s != NULL) {
        SSL_free(s->ssl);
        free(s);
    }
}

int tls_session_feed(struct tls_session *s, const void *data, size_t len, struct fault *fault)
{
    size_t written;

    if (!s->up) {
        s->fed += len;
        if (s->fed > HANDSHAKE_BYTES_MAX) {
            return fault_set(fault, "over %d bytes, and still no end of the TLS handshake",
                             HANDSHAKE_BYTES_MAX);
        }
    }
    if (len > 0 && (BIO_write_ex(s->in, data, len, &written) != 1 || written != len)) {
        return openssl_fault(fault, "no memory for what came in");
    }
    return 0;
}

static int shake_fault(struct tls_session *s, struct fault *fault)
{
    long verdict = SSL_get_verify_result(s->ssl);

    if (verdict != X509_V_OK) {
        ERR_clear_error();
        return fault_set(fault, "its certificate is refused: %s",
                         X509_verify_cert_error_string(verdict));
    }
    return openssl_fault(fault, "TLS");
}

int tls_session_shake(struct tls_session *s, struct fault *fault)
{
    int rv;
    X509 *x;

    if (s->up) {
        return 1;
    }
    ERR_clear_error();
    rv = SSL_do_handshake(s->ssl);
    if (rv != 1) {
        return SSL_get_error(s->ssl, rv) == SSL_ERROR_WANT_READ ? 0 : shake_fault(s, fault);
    }
    x = SSL_get0_peer_certificate(s->ssl);
    s->peer = x == NULL ? 0 : certificate_node(x, s->cluster_id);
    if (s->peer == 0) {
        return fault_set(fault, "its certificate names no node of cluster %s", s->cluster_id);
    }
    s->up = true;
    return 1;
}

uint64_t tls_session_peer(const struct tls_session *s)
{
    return s->peer;
}

ssize_t tls_session_read(struct tls_session *s, void *data, size_t len, struct fault *fault)
{
    size_t n = 0;

    ERR_clear_error();
    if (SSL_read_ex(s->ssl, data, len, &n) == 1) {
        return (ssize_t)n;
    }
    switch (SSL_get_error(s->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        return fault_set(fault, "the peer closed it");
    default:
        return openssl_fault(fault, "TLS");
    }
}

int tls_session_write(struct tls_session *s, const void *data, size_t len, struct fault *fault)
{
    size_t written;

    ERR_clear_error();
    /* To memory: all of it is taken, or it is broken. */
    if (len > 0 && (SSL_write_ex(s->ssl, data, len, &written) != 1 || written != len)) {
        return openssl_fault(fault, "TLS");
    }
    return 0;
}

struct slice tls_session_out(const struct tls_session *s)
{
    char *base = NULL;
    long len = BIO_get_mem_data(s->out, &base);

    return (struct slice){base, len > 0 ? (size_t)len : 0};
}

void tls_session_sent(struct tls_session *s)
{
    (void)BIO_reset(s->out);
}

#include "api/https_tls.h"

#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

#include "statemachine/private_file.h"

const char *https_tls_why(void)
{
    unsigned long code = ERR_peek_error(); /* the cause; what follows are its callers */
    const char *why = code == 0 ? NULL : ERR_reason_error_string(code);

    ERR_clear_error();
    return why != NULL ? why : "no reason given";
}

static int load(SSL_CTX *context, const struct https_files *files, struct fault *fault)
{
    if (private_file_check(files->key, fault) != 0) {
        return -1;
    }
    /* Nobody sits at a node's terminal: a key under a passphrase is none. */
    SSL_CTX_set_default_passwd_cb_userdata(context, (void *)"");
    if (SSL_CTX_use_certificate_chain_file(context, files->certificate) != 1) {
        return fault_set(fault, "%s: is no certificate that can be used: %s", files->certificate,
                         https_tls_why());
    }
    if (SSL_CTX_use_PrivateKey_file(context, files->key, SSL_FILETYPE_PEM) != 1) {
        return fault_set(fault, "%s: is not the key of %s: %s", files->key, files->certificate,
                         https_tls_why());
    }
    return 0;
}

/* A client that says what it speaks over TLS must speak this; one that says nothing is taken to. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *context)
{
    static const unsigned char ours[] = "\x08http/1.1";

    (void)ssl;
    (void)context;
    return SSL_select_next_proto((unsigned char **)out, out_len, ours, sizeof ours - 1, in,
                                 in_len) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool configure(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* Idle connections keep no buffers; what is left of a write may have moved in memory. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    /* By default a read goes on until it has bytes for us: a client that sends new keys without end
     * would never let it come back. */
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    /* A client comes back by its ticket: nothing is kept here. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           /* Of TLS 1.2's, those with forward secrecy and authenticated encryption. */
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

SSL_CTX *https_tls_open(const struct https_files *files, struct fault *fault)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (context == NULL || !configure(context)) {
        fault_set(fault, "OpenSSL can't be set up: %s", https_tls_why());
        goto fail;
    }
    if (load(context, files, fault) != 0) {
        goto fail;
    }
    return context;
fail:
    SSL_CTX_free(context);
    return NULL;
}

static int64_t unix_s(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

int64_t https_tls_begins_s(const SSL_CTX *context)
{
    return unix_s(X509_get0_notBefore(SSL_CTX_get0_certificate(context)));
}

int64_t https_tls_ends_s(const SSL_CTX *context)
{
    return unix_s(X509_get0_notAfter(SSL_CTX_get0_certificate(context)));
}

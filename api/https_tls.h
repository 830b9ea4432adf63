/* The HTTPS listener's side of OpenSSL: certificate, key, and what is spoken. Private to https*.c.
 */
#ifndef FLORIN_HTTPS_TLS_H
#define FLORIN_HTTPS_TLS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "api/https.h"

/* Reads the files. NULL with the fault when they are not a certificate and its own key. */
SSL_CTX *https_tls_open(const struct https_files *files, struct fault *fault);

/* When the certificate begins and ends to hold, Unix seconds. */
int64_t https_tls_begins_s(const SSL_CTX *context);
int64_t https_tls_ends_s(const SSL_CTX *context);

/* Why OpenSSL's last call failed, for this thread; never NULL. Forgets it. */
const char *https_tls_why(void);

#endif

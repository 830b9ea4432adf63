/* Shared by pki.c (what is issued) and pki_file.c (the files that it lies in). */
#ifndef FLORIN_PKI_PRIVATE_H
#define FLORIN_PKI_PRIVATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cluster-config/pki.h"

enum { PKI_PATH_MAX = 1024 };

/* DIR/NAME.SUFFIX; -1 when that is too long. */
int pki_path(const char *dir, const char *name, const char *suffix, char path[static PKI_PATH_MAX],
             struct fault *fault);

/* What OpenSSL says was wrong, after `what`. */
int pki_openssl_fault(const char *what, struct fault *fault);

/* Writes NAME.key and NAME.crt: each whole or not at all, the key first. Without `force`, a file
 * that is there is refused and nothing changes. */
int pki_write_pair(const char *dir, const char *name, EVP_PKEY *key, X509 *certificate, bool force,
                   struct fault *fault);

/* NULL with the fault. The caller frees. */
X509 *pki_read_certificate(const char *path, struct fault *fault);
EVP_PKEY *pki_read_key(const char *path, struct fault *fault);

#endif

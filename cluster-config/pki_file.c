#include "cluster-config/pki_private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int pki_path(const char *dir, const char *name, const char *suffix, char path[static PKI_PATH_MAX],
             struct fault *fault)
{
    int n = snprintf(path, PKI_PATH_MAX, "%s/%s%s", dir, name, suffix);

    return n < PKI_PATH_MAX ? 0 : fault_set(fault, "the path of %s is too long", name);
}

int pki_openssl_fault(const char *what, struct fault *fault)
{
    unsigned long code = ERR_get_error();
    char why[160] = "no reason given";

    if (code != 0) {
        ERR_error_string_n(code, why, sizeof why);
    }
    ERR_clear_error();
    return fault_set(fault, "%s: %s", what, why);
}

/* Writes the new file beside the old one and then puts it in its place: a reader, such as a node
 * that reloads, sees the one or the other. */
static int write_pem(const char *path, EVP_PKEY *key, X509 *certificate, struct fault *fault)
{
    char partial[PKI_PATH_MAX + 16];
    FILE *file;
    int fd;
    bool good;

    snprintf(partial, sizeof partial, "%s.partial", path);
    unlink(partial);
    fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, key != NULL ? 0600 : 0644);
    if (fd < 0 || (file = fdopen(fd, "w")) == NULL) {
        int error = errno;
        if (fd >= 0) {
            close(fd);
        }
        return fault_set(fault, "%s: cannot be made: %s", partial, strerror(error));
    }
    good = key != NULL ? PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1
                       : PEM_write_X509(file, certificate) == 1;
    good = good && fflush(file) == 0 && fsync(fd) == 0;
    good = fclose(file) == 0 && good;
    if (!good || rename(partial, path) != 0) {
        int error = errno;
        unlink(partial);
        return fault_set(fault, "%s: cannot be written: %s", path, strerror(error));
    }
    return 0;
}

int pki_write_pair(const char *dir, const char *name, EVP_PKEY *key, X509 *certificate, bool force,
                   struct fault *fault)
{
    char key_path[PKI_PATH_MAX], certificate_path[PKI_PATH_MAX];

    if (pki_path(dir, name, ".key", key_path, fault) != 0 ||
        pki_path(dir, name, ".crt", certificate_path, fault) != 0) {
        return -1;
    }
    if (!force && (access(key_path, F_OK) == 0 || access(certificate_path, F_OK) == 0)) {
        return fault_set(fault, "%s or its key is there already; --force replaces them",
                         certificate_path);
    }
    if (write_pem(key_path, key, NULL, fault) != 0) {
        return -1;
    }
    return write_pem(certificate_path, NULL, certificate, fault);
}

X509 *pki_read_certificate(const char *path, struct fault *fault)
{
    FILE *file = fopen(path, "re");
    X509 *certificate;

    if (file == NULL) {
        fault_set(fault, "%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    certificate = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    if (certificate == NULL) {
        char what[PKI_PATH_MAX + 32];
        snprintf(what, sizeof what, "%s: is no certificate", path);
        pki_openssl_fault(what, fault);
    }
    return certificate;
}

/* A key is never asked a passphrase for: nobody sits at a node's terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

EVP_PKEY *pki_read_key(const char *path, struct fault *fault)
{
    FILE *file = fopen(path, "re");
    struct stat st;
    EVP_PKEY *key;

    if (file == NULL) {
        fault_set(fault, "%s: cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(fileno(file), &st) != 0 || (st.st_mode & 077) != 0) {
        fault_set(fault, "%s: others may read or write this key: chmod 600 it", path);
        fclose(file);
        return NULL;
    }
    key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL);
    fclose(file);
    if (key == NULL) {
        char what[PKI_PATH_MAX + 32];
        snprintf(what, sizeof what, "%s: is no key without a passphrase", path);
        pki_openssl_fault(what, fault);
    }
    return key;
}

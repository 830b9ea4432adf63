/* The mode is checked on the open file, not on its name: what is read is what was checked. */
#include "cluster-config/secret.h"

#include "statemachine/command.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads the whole file into `out`; its length, or -1 with the fault. */
static ssize_t read_private(const char *path, uint8_t out[static SECRET_FILE_MAX],
                            struct fault *fault)
{
    struct stat st;
    ssize_t len = -1;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return fault_set(fault, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        fault_set(fault, "%s: is not a regular file", path);
        goto out;
    }
    if ((st.st_mode & 077) != 0) {
        fault_set(fault, "%s: others may read or write this secret (mode %03o): chmod 600 it", path,
                  st.st_mode & 0777u);
        goto out;
    }
    if (st.st_size > SECRET_FILE_MAX) {
        fault_set(fault, "%s: is larger than %d bytes: not a secret of ours", path,
                  SECRET_FILE_MAX);
        goto out;
    }
    len = 0;
    while (len < SECRET_FILE_MAX && (n = read(fd, out + len, SECRET_FILE_MAX - (size_t)len)) != 0) {
        if (n > 0) {
            len += n;
        } else if (errno != EINTR) {
            len = fault_set(fault, "%s: cannot be read: %s", path, strerror(errno));
            break;
        }
    }
out:
    close(fd);
    return len;
}

static size_t without_line_end(const uint8_t *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r')) {
        len--;
    }
    return len;
}

int config_read_secret_file(const char *path, uint8_t secret[static CLUSTER_SECRET_BYTES],
                            struct fault *fault)
{
    uint8_t raw[SECRET_FILE_MAX];
    ssize_t len = read_private(path, raw, fault);
    size_t bytes = 0;
    int rc = 0;

    if (len < 0) {
        return -1;
    }
    size_t text = without_line_end(raw, (size_t)len);
    bool hex = text == (size_t)2 * CLUSTER_SECRET_BYTES &&
               sodium_hex2bin(secret, CLUSTER_SECRET_BYTES, (const char *)raw, text, NULL, &bytes,
                              NULL) == 0 &&
               bytes == CLUSTER_SECRET_BYTES;
    if (!hex) {
        if (len < CLUSTER_SECRET_BYTES) {
            rc = fault_set(fault,
                           "%s: holds %zd bytes; expected 64 hex digits, or at least %d random "
                           "bytes",
                           path, len, CLUSTER_SECRET_BYTES);
        } else {
            crypto_generichash(secret, CLUSTER_SECRET_BYTES, raw, (size_t)len, NULL, 0);
        }
    }
    sodium_memzero(raw, sizeof raw);
    return rc;
}

int credential_parse(struct slice text, struct credential_text *credential)
{
    const char *point = text.len == 0 ? NULL : memchr(text.base, '.', text.len);

    if (point == NULL) {
        return -1;
    }
    struct slice key = {text.base, (size_t)(point - text.base)};
    struct slice secret = {point + 1, text.len - key.len - 1};
    if (!id_valid(key) || secret.len < CREDENTIAL_SECRET_MIN ||
        secret.len > CREDENTIAL_SECRET_MAX) {
        return -1;
    }
    for (size_t i = 0; i < secret.len; i++) {
        if (secret.base[i] <= 0x20 || secret.base[i] >= 0x7f) {
            return -1;
        }
    }
    memcpy(credential->key, key.base, key.len);
    credential->key[key.len] = '\0';
    memcpy(credential->secret, secret.base, secret.len);
    credential->secret[secret.len] = '\0';
    return 0;
}

int config_read_credential_file(const char *path, struct credential_text *credential,
                                struct fault *fault)
{
    uint8_t raw[SECRET_FILE_MAX];
    ssize_t len = read_private(path, raw, fault);
    int rc = 0;

    if (len < 0) {
        return -1;
    }
    size_t text = without_line_end(raw, (size_t)len);
    if (credential_parse((struct slice){(const char *)raw, text}, credential) != 0) {
        rc = fault_set(fault,
                       "%s: expected one line KEYID.SECRET: an id without a point, then %d to %d "
                       "printable characters",
                       path, CREDENTIAL_SECRET_MIN, CREDENTIAL_SECRET_MAX);
    }
    sodium_memzero(raw, sizeof raw);
    return rc;
}

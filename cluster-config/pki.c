#include "cluster-config/pki_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "statemachine/command.h"
#include "statemachine/node_uri.h"

enum { EARLY_S = 3600 };

/* ---- building ---- */

static X509 *new_certificate(EVP_PKEY *key, const char *common_name, unsigned days)
{
    X509 *x = X509_new();
    BIGNUM *serial = BN_new();
    X509_NAME *name = x == NULL ? NULL : X509_get_subject_name(x);

    /* 127 random bits: no counter to keep, none to repeat. */
    if (x == NULL || serial == NULL ||
        BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) != 1 ||
        BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)) == NULL ||
        X509_set_version(x, X509_VERSION_3) != 1 ||
        X509_gmtime_adj(X509_getm_notBefore(x), -EARLY_S) == NULL ||
        X509_time_adj_ex(X509_getm_notAfter(x), (int)days, 0, NULL) == NULL ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name,
                                   -1, -1, 0) != 1 ||
        X509_set_pubkey(x, key) != 1) {
        X509_free(x);
        x = NULL;
    }
    BN_free(serial);
    return x;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    bool good;

    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    good = extension != NULL && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

int pki_init(const char *dir, const char *cluster_id, bool force, struct fault *fault)
{
    char common_name[128], alternative[NODE_URI_MAX + 4] = "URI:";
    EVP_PKEY *key = NULL;
    X509 *x = NULL;
    int rv = -1;

    if (!id_valid(slice_of(cluster_id))) {
        return fault_set(fault,
                         "the cluster's id is not 1 to 64 characters of A-Z a-z 0-9 . _ : -");
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, "%s: cannot be made: %s", dir, strerror(errno));
    }
    snprintf(common_name, sizeof common_name, "Florin %.40s", cluster_id);
    node_uri_format(alternative + 4, cluster_id, 0);
    key = EVP_EC_gen("P-256");
    x = key == NULL ? NULL : new_certificate(key, common_name, PKI_CA_DAYS);
    if (x == NULL || X509_set_issuer_name(x, X509_get_subject_name(x)) != 1 ||
        !add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(x, x, NID_subject_key_identifier, "hash") ||
        !add_extension(x, x, NID_subject_alt_name, alternative) ||
        X509_sign(x, key, EVP_sha256()) == 0) {
        pki_openssl_fault("the authority can't be made", fault);
        goto out;
    }
    rv = pki_write_pair(dir, "ca", key, x, force, fault);
out:
    X509_free(x);
    EVP_PKEY_free(key);
    return rv;
}

/* One host into the list of alternative names. Its characters are those of names and addresses:
 * nothing that could end an entry and begin another. */
static int append_host(char *list, size_t size, const char *host, struct fault *fault)
{
    static const char *const allowed =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-:";
    uint8_t address[16];
    bool numeric =
        inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
    size_t len = strlen(list);
    size_t n = strlen(host);

    if (n == 0 || n > PKI_HOST_MAX || strspn(host, allowed) != n ||
        (!numeric && strchr(host, ':') != NULL)) {
        return fault_set(fault, "\"%.64s\" is no host name and no address", host);
    }
    n = (size_t)snprintf(list + len, size - len, "%s%s:%s", len == 0 ? "" : ",",
                         numeric ? "IP" : "DNS", host);
    return n < size - len ? 0 : fault_set(fault, "too many or too long host names");
}

struct authority {
    EVP_PKEY *key;
    X509 *certificate;
    struct pki_info info;
};

static void authority_close(struct authority *a)
{
    EVP_PKEY_free(a->key);
    X509_free(a->certificate);
}

static int authority_open(struct authority *a, const char *dir, struct fault *fault)
{
    char path[PKI_PATH_MAX];

    memset(a, 0, sizeof *a);
    if (pki_path(dir, "ca", ".crt", path, fault) != 0 || pki_show(path, &a->info, fault) != 0 ||
        (a->certificate = pki_read_certificate(path, fault)) == NULL ||
        pki_path(dir, "ca", ".key", path, fault) != 0 ||
        (a->key = pki_read_key(path, fault)) == NULL) {
        goto fail;
    }
    if (!a->info.authority || a->info.cluster_id[0] == '\0') {
        fault_set(fault, "%s/ca.crt is no authority that `pki init` made", dir);
        goto fail;
    }
    if (X509_check_private_key(a->certificate, a->key) != 1) {
        ERR_clear_error();
        fault_set(fault, "%s/ca.key is not the key of %s/ca.crt", dir, dir);
        goto fail;
    }
    return 0;
fail:
    authority_close(a);
    return -1;
}

static X509 *build(const struct authority *a, const struct pki_request *r, EVP_PKEY *key,
                   struct fault *fault)
{
    bool node = r->node_id != 0;
    char names[4096] = "";
    X509 *x;

    if (node) {
        memcpy(names, "URI:", 4);
        node_uri_format(names + 4, a->info.cluster_id, r->node_id);
    }
    for (unsigned i = 0; i < r->n_hosts; i++) {
        if (append_host(names, sizeof names, r->hosts[i], fault) != 0) {
            return NULL;
        }
    }
    x = new_certificate(key, r->name, r->days == 0 ? PKI_DAYS : r->days);
    if (x == NULL || X509_set_issuer_name(x, X509_get_subject_name(a->certificate)) != 1 ||
        !add_extension(x, a->certificate, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(x, a->certificate, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(x, a->certificate, NID_ext_key_usage,
                       node ? "serverAuth,clientAuth" : "serverAuth") ||
        !add_extension(x, a->certificate, NID_subject_key_identifier, "hash") ||
        !add_extension(x, a->certificate, NID_authority_key_identifier, "keyid:always") ||
        !add_extension(x, a->certificate, NID_subject_alt_name, names) ||
        X509_sign(x, a->key, EVP_sha256()) == 0) {
        pki_openssl_fault("the certificate can't be made", fault);
        X509_free(x);
        return NULL;
    }
    return x;
}

int pki_issue(const char *dir, const struct pki_request *request, struct fault *fault)
{
    struct pki_request r = *request;
    struct authority a;
    EVP_PKEY *key = NULL;
    X509 *x = NULL;
    char name[32];
    int rv = -1;

    if (r.node_id != 0) {
        snprintf(name, sizeof name, "node-%llu", (unsigned long long)r.node_id);
        r.name = name;
    } else if (r.name == NULL || !id_valid(slice_of(r.name)) || strcmp(r.name, "ca") == 0 ||
               strncmp(r.name, "node-", 5) == 0 || r.name[0] == '.') {
        return fault_set(fault,
                         "a server's certificate needs a name of A-Z a-z 0-9 . _ : - that is "
                         "not `ca`, and begins neither with `node-` nor with a point");
    }
    if (r.n_hosts == 0 || r.n_hosts > PKI_HOSTS_MAX || r.days > PKI_CA_DAYS) {
        return fault_set(fault, "a certificate needs 1 to %d hosts, and at most %d days",
                         PKI_HOSTS_MAX, PKI_CA_DAYS);
    }
    if (authority_open(&a, dir, fault) != 0) {
        return -1;
    }
    key = EVP_EC_gen("P-256");
    if (key == NULL) {
        pki_openssl_fault("a key can't be made", fault);
        goto out;
    }
    x = build(&a, &r, key, fault);
    if (x != NULL) {
        rv = pki_write_pair(dir, r.name, key, x, r.force, fault);
    }
out:
    X509_free(x);
    EVP_PKEY_free(key);
    authority_close(&a);
    return rv;
}

int pki_renew(const char *dir, const char *name, unsigned days, struct fault *fault)
{
    const char *hosts[PKI_HOSTS_MAX];
    struct pki_request r = {.name = name, .hosts = hosts, .days = days, .force = true};
    struct pki_info info;
    char path[PKI_PATH_MAX];
    char *rest = NULL;

    if (!id_valid(slice_of(name)) || strcmp(name, "ca") == 0) {
        return fault_set(fault, "\"%.64s\" names no certificate that can be renewed", name);
    }
    if (pki_path(dir, name, ".crt", path, fault) != 0 || pki_show(path, &info, fault) != 0) {
        return -1;
    }
    for (char *h = strtok_r(info.hosts, ",", &rest); h != NULL && r.n_hosts < PKI_HOSTS_MAX;
         h = strtok_r(NULL, ",", &rest)) {
        hosts[r.n_hosts++] = h;
    }
    r.node_id = info.node_id;
    return pki_issue(dir, &r, fault);
}

/* ---- reading ---- */

static void take_uri(struct pki_info *info, struct slice uri)
{
    struct slice cluster;

    if (node_uri_parse(uri, &cluster, &info->node_id)) {
        memcpy(info->cluster_id, cluster.base, cluster.len);
        info->cluster_id[cluster.len] = '\0';
    }
}

static void take_host(struct pki_info *info, const char *host)
{
    size_t len = strlen(info->hosts);

    snprintf(info->hosts + len, sizeof info->hosts - len, "%s%s", len == 0 ? "" : ",", host);
}

static void take_names(struct pki_info *info, X509 *x)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        const char *text;
        char host[INET6_ADDRSTRLEN > PKI_HOST_MAX ? INET6_ADDRSTRLEN : PKI_HOST_MAX + 1];
        int len;

        if (n->type == GEN_IPADD) {
            len = ASN1_STRING_length(n->d.iPAddress);
            if ((len == 4 || len == 16) &&
                inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(n->d.iPAddress),
                          host, sizeof host) != NULL) {
                take_host(info, host);
            }
        } else if (n->type == GEN_URI || n->type == GEN_DNS) {
            text = (const char *)ASN1_STRING_get0_data(n->d.ia5);
            len = ASN1_STRING_length(n->d.ia5);
            if (n->type == GEN_URI) {
                take_uri(info, (struct slice){text, (size_t)len});
            } else if (len <= PKI_HOST_MAX && memchr(text, '\0', (size_t)len) == NULL) {
                snprintf(host, sizeof host, "%.*s", len, text);
                take_host(info, host);
            }
        }
    }
    GENERAL_NAMES_free(names);
}

static void take_time(const ASN1_TIME *time, char text[static 32])
{
    struct tm tm;

    text[0] = '\0';
    if (ASN1_TIME_to_tm(time, &tm) == 1) {
        strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
}

int pki_show(const char *path, struct pki_info *info, struct fault *fault)
{
    X509 *x = pki_read_certificate(path, fault);
    int days = 0, seconds = 0;

    if (x == NULL) {
        return -1;
    }
    memset(info, 0, sizeof *info);
    X509_NAME_get_text_by_NID(X509_get_subject_name(x), NID_commonName, info->subject,
                              sizeof info->subject);
    take_names(info, x);
    take_time(X509_get0_notBefore(x), info->not_before);
    take_time(X509_get0_notAfter(x), info->not_after);
    ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x));
    info->days_left = days - (seconds < 0 && days == 0);
    info->authority = X509_check_ca(x) == 1;
    X509_free(x);
    return 0;
}

/* One table holds every key: its kind, its place in the struct, its range and its default (in the
 * file's own spelling, parsed by the same code). The parser walks the lines, looks each key up,
 * stores the value; what was not said gets its default; then the checks that span keys. */
#include "cluster-config/config.h"

#include "cluster-config/value.h"
#include "statemachine/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind {
    KIND_NAME,      /* char[CONFIG_NAME_MAX + 1] of the id alphabet */
    KIND_PATH,      /* char[CONFIG_PATH_MAX] */
    KIND_ADDRESS,   /* char[CONFIG_ADDRESS_MAX] */
    KIND_NUMBER,    /* uint64_t */
    KIND_NUMBER_32, /* uint32_t */
    KIND_SIZE,      /* uint64_t bytes */
    KIND_DURATION,  /* uint32_t ms */
    KIND_LEVEL,     /* enum level */
    KIND_FLAG,      /* bool */
    KIND_PROXIES,   /* the list of http_trusted_proxies */
    KIND_MEMBER,    /* the one key that may be repeated */
};

struct key {
    const char *name;
    enum kind kind;
    size_t offset;
    uint64_t min, max;
    const char *fallback; /* NULL: must be given; "": may be left out */
};

#define AT(member) offsetof(struct florin_config, member)
#define KIB        (UINT64_C(1) << 10)
#define MIB        (UINT64_C(1) << 20)
#define GIB        (UINT64_C(1) << 30)

/* Bounds: low enough for tests, high enough for any machine that this is meant for; group_bytes
 * ends where Raft's entries end (1 MiB). */
static const struct key keys[] = {
    {"cluster_id", KIND_NAME, AT(cluster_id), 0, 0, NULL},
    {"node_id", KIND_NUMBER, AT(node_id), 1, INT64_MAX, NULL},
    {"member", KIND_MEMBER, 0, 0, 0, ""}, /* who makes a cluster asks for its own */
    {"data_dir", KIND_PATH, AT(data_dir), 0, 0, NULL},
    {"peer_listen", KIND_ADDRESS, AT(peer_listen), 0, 0, NULL},
    {"http_listen", KIND_ADDRESS, AT(http_listen), 0, 0, NULL},
    {"cluster_secret_file", KIND_PATH, AT(cluster_secret_file), 0, 0, NULL},
    {"operator_key_file", KIND_PATH, AT(operator_key_file), 0, 0, ""},
    {"secret_box_file", KIND_PATH, AT(secret_box_file), 0, 0, ""},
    {"peer_certificate_file", KIND_PATH, AT(peer_certificate_file), 0, 0, ""},
    {"peer_key_file", KIND_PATH, AT(peer_key_file), 0, 0, ""},
    {"peer_authority_file", KIND_PATH, AT(peer_authority_file), 0, 0, ""},
    {"election_timeout", KIND_DURATION, AT(election_timeout_ms), 50, 60000, "1000ms"},
    {"heartbeat", KIND_DURATION, AT(heartbeat_ms), 5, 10000, "100ms"},
    {"raft_trailing", KIND_NUMBER, AT(raft_trailing), 0, 100000000, "100000"},
    {"request_timeout", KIND_DURATION, AT(request_timeout_ms), 100, 30000, "5s"},
    {"slow_request", KIND_DURATION, AT(slow_request_ms), 1, 600000, "1s"},
    {"http_plain", KIND_FLAG, AT(http_plain), 0, 0, "no"},
    {"https_listen", KIND_ADDRESS, AT(https_listen), 0, 0, ""},
    {"https_certificate_file", KIND_PATH, AT(https_certificate_file), 0, 0, ""},
    {"https_key_file", KIND_PATH, AT(https_key_file), 0, 0, ""},
    {"http_trusted_proxies", KIND_PROXIES, 0, 0, 0, "none"},
    {"http_threads", KIND_NUMBER_32, AT(http_threads), 2, 4096, "512"},
    {"http_keep_alive_timeout", KIND_DURATION, AT(http_keep_alive_timeout_ms), 100, 600000, "30s"},
    {"http_request_timeout", KIND_DURATION, AT(http_request_timeout_ms), 100, 600000, "10s"},
    {"queue_tickets", KIND_NUMBER_32, AT(queue_tickets), 1, 1000000, "8192"},
    {"queue_bytes", KIND_SIZE, AT(queue_bytes), 2 * MIB, 4 * GIB, "64MiB"},
    {"queue_target", KIND_DURATION, AT(queue_target_ms), 1, 30000, "25ms"},
    {"group_bytes", KIND_SIZE, AT(group_bytes), 8 * KIB, MIB, "256KiB"},
    {"segment_bytes", KIND_SIZE, AT(segment_bytes), 64 * KIB, 4 * GIB, "64MiB"},
    {"checkpoint_bytes", KIND_SIZE, AT(checkpoint_bytes), 64 * KIB, 64 * GIB, "16MiB"},
    {"checkpoint_bytes_hard", KIND_SIZE, AT(checkpoint_bytes_hard), 128 * KIB, 64 * GIB, "512MiB"},
    {"checkpoint_interval", KIND_DURATION, AT(checkpoint_interval_ms), 100, 3600000, "30s"},
    {"copy_rate", KIND_SIZE, AT(copy_rate), MIB, 64 * GIB, "144MiB"},
    {"store_map_bytes", KIND_SIZE, AT(store_map_bytes), 16 * MIB, 65536 * GIB, "64GiB"},
    {"cache_bytes", KIND_SIZE, AT(cache_bytes), MIB, 1024 * GIB, "256MiB"},
    {"disk_reserve", KIND_SIZE, AT(disk_reserve_bytes), MIB, 1024 * GIB, "256MiB"},
    {"log_level", KIND_LEVEL, AT(log_level), 0, 0, "info"},
};
enum { KEYS = sizeof keys / sizeof keys[0] };

static const char *const levels[] = {"debug", "info", "warn", "error"};

struct parser {
    const char *name;
    const char *folder;
    unsigned line;       /* 0 while defaults are filled in */
    unsigned seen[KEYS]; /* the line of its first mention */
    struct florin_config *config;
    struct fault *fault;
};

/* What a message shows of a stranger's text: short, printable. */
static const char *shown(struct slice text, char out[static 48])
{
    size_t n = text.len < 40 ? text.len : 40;

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text.base[i];
        out[i] = c >= 0x20 && c != 0x7f ? (char)c : '?';
    }
    memcpy(out + n, text.len > n ? "..." : "", text.len > n ? 4 : 1);
    return out;
}

static struct slice trimmed(struct slice s)
{
    while (s.len > 0 && (s.base[0] == ' ' || s.base[0] == '\t')) {
        s.base++;
        s.len--;
    }
    while (s.len > 0 && (s.base[s.len - 1] == ' ' || s.base[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Says what the key wants, in words that can be typed. */
static void expectation(const struct key *k, char out[static 160])
{
    char low[32], high[32];

    switch (k->kind) {
    case KIND_NAME:
        snprintf(out, 160, "1 to 64 characters of A-Z a-z 0-9 . _ : -");
        break;
    case KIND_PATH:
        snprintf(out, 160, "a path of 1 to %d bytes", CONFIG_PATH_MAX - 1);
        break;
    case KIND_ADDRESS:
        snprintf(out, 160, "HOST:PORT, for example 127.0.0.1:7001 or [::1]:7001");
        break;
    case KIND_NUMBER:
    case KIND_NUMBER_32:
        snprintf(out, 160, "a whole number from %" PRIu64 " to %" PRIu64, k->min, k->max);
        break;
    case KIND_SIZE:
        snprintf(out, 160, "a size from %s to %s with its unit (B, KiB, MiB, GiB)",
                 value_size_text(k->min, low), value_size_text(k->max, high));
        break;
    case KIND_DURATION:
        snprintf(out, 160, "a time from %s to %s with its unit (ms, s, min)",
                 value_duration_text(k->min, low), value_duration_text(k->max, high));
        break;
    case KIND_LEVEL:
        snprintf(out, 160, "one of debug, info, warn, error");
        break;
    case KIND_FLAG:
        snprintf(out, 160, "yes or no");
        break;
    case KIND_PROXIES:
        snprintf(out, 160,
                 "none, or up to %d numeric addresses with spaces between them, for example "
                 "`127.0.0.1 ::1`",
                 CONFIG_PROXIES_MAX);
        break;
    case KIND_MEMBER:
        snprintf(out, 160, "NODE_ID HOST:PORT, for example `member = 1 127.0.0.1:7001`");
        break;
    }
}

static int unexpected(struct parser *p, const struct key *k, struct slice found)
{
    char want[160], text[48];

    expectation(k, want);
    return fault_set(p->fault, "%s:%u: %s is \"%s\"; expected %s", p->name, p->line, k->name,
                     shown(found, text), want);
}

static int store_path(struct parser *p, const struct key *k, struct slice value)
{
    char *out = (char *)p->config + k->offset;
    bool relative = value.len > 0 && value.base[0] != '/' && p->folder[0] != '\0';
    int n;

    if (value.len == 0 || value.len >= CONFIG_PATH_MAX) {
        return unexpected(p, k, value);
    }
    n = snprintf(out, CONFIG_PATH_MAX, "%s%s%.*s", relative ? p->folder : "", relative ? "/" : "",
                 (int)value.len, value.base);
    return n < CONFIG_PATH_MAX ? 0 : unexpected(p, k, value);
}

static int store_member(struct parser *p, const struct key *k, struct slice value)
{
    struct florin_config *c = p->config;
    struct config_member m = {0};
    size_t digits = 0;

    while (digits < value.len && value.base[digits] != ' ' && value.base[digits] != '\t') {
        digits++;
    }
    struct slice address = trimmed((struct slice){value.base + digits, value.len - digits});
    if (value_number((struct slice){value.base, digits}, &m.id) != 0 || m.id < 1 ||
        m.id > INT64_MAX || value_address(address, m.address, sizeof m.address) != 0) {
        return unexpected(p, k, value);
    }
    for (uint32_t i = 0; i < c->n_members; i++) {
        if (c->members[i].id == m.id || strcmp(c->members[i].address, m.address) == 0) {
            return fault_set(p->fault,
                             "%s:%u: member %" PRIu64 " %s repeats member %" PRIu64
                             " %s; expected every id and every address once",
                             p->name, p->line, m.id, m.address, c->members[i].id,
                             c->members[i].address);
        }
    }
    if (c->n_members == CONFIG_MEMBERS_MAX) {
        return fault_set(p->fault, "%s:%u: more than %d members; expected at most that many",
                         p->name, p->line, CONFIG_MEMBERS_MAX);
    }
    c->members[c->n_members++] = m;
    return 0;
}

static int store_number(struct parser *p, const struct key *k, struct slice value)
{
    char *at = (char *)p->config + k->offset;
    uint64_t v;
    int rc;

    if (k->kind == KIND_SIZE) {
        rc = value_size(value, &v);
    } else if (k->kind == KIND_DURATION) {
        rc = value_duration(value, &v);
    } else {
        rc = value_number(value, &v);
    }
    if (rc != 0 || v < k->min || v > k->max) {
        return unexpected(p, k, value);
    }
    if (k->kind == KIND_NUMBER_32 || k->kind == KIND_DURATION) {
        uint32_t small = (uint32_t)v; /* the table's max fits */
        memcpy(at, &small, sizeof small);
    } else {
        memcpy(at, &v, sizeof v);
    }
    return 0;
}

static int store_level(struct parser *p, const struct key *k, struct slice value)
{
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (slice_is(value, levels[i])) {
            p->config->log_level = (enum level)i;
            return 0;
        }
    }
    return unexpected(p, k, value);
}

static int store_flag(struct parser *p, const struct key *k, struct slice value)
{
    bool *flag = (bool *)((char *)p->config + k->offset);

    if (!slice_is(value, "yes") && !slice_is(value, "no")) {
        return unexpected(p, k, value);
    }
    *flag = slice_is(value, "yes");
    return 0;
}

static int store_proxies(struct parser *p, const struct key *k, struct slice value)
{
    struct florin_config *c = p->config;
    struct slice rest = value;

    if (slice_is(value, "none")) {
        return 0;
    }
    while (rest.len > 0) {
        struct slice word = {rest.base, 0};

        while (word.len < rest.len && word.base[word.len] != ' ' && word.base[word.len] != '\t') {
            word.len++;
        }
        if (c->n_http_trusted_proxies == CONFIG_PROXIES_MAX ||
            value_host_address(word, c->http_trusted_proxies[c->n_http_trusted_proxies]) != 0) {
            return unexpected(p, k, value);
        }
        c->n_http_trusted_proxies++;
        rest = trimmed((struct slice){rest.base + word.len, rest.len - word.len});
    }
    return c->n_http_trusted_proxies > 0 ? 0 : unexpected(p, k, value);
}

static int store_value(struct parser *p, const struct key *k, struct slice value)
{
    char *at = (char *)p->config + k->offset;

    switch (k->kind) {
    case KIND_NAME:
        if (!id_valid(value)) {
            return unexpected(p, k, value);
        }
        memcpy(at, value.base, value.len);
        at[value.len] = '\0';
        return 0;
    case KIND_PATH:
        return store_path(p, k, value);
    case KIND_ADDRESS:
        return value_address(value, at, CONFIG_ADDRESS_MAX) == 0 ? 0 : unexpected(p, k, value);
    case KIND_LEVEL:
        return store_level(p, k, value);
    case KIND_FLAG:
        return store_flag(p, k, value);
    case KIND_PROXIES:
        return store_proxies(p, k, value);
    case KIND_MEMBER:
        return store_member(p, k, value);
    case KIND_NUMBER:
    case KIND_NUMBER_32:
    case KIND_SIZE:
    case KIND_DURATION:
        return store_number(p, k, value);
    }
    return -1;
}

static const struct key *key_find(struct slice name)
{
    for (size_t i = 0; i < KEYS; i++) {
        if (slice_is(name, keys[i].name)) {
            return &keys[i];
        }
    }
    return NULL;
}

/* The line without its comment: from a `#` at the start or after a space or tab. */
static struct slice without_comment(struct slice line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.base[i] == '#' &&
            (i == 0 || line.base[i - 1] == ' ' || line.base[i - 1] == '\t')) {
            line.len = i;
        }
    }
    return trimmed(line);
}

static int parse_line(struct parser *p, struct slice line)
{
    char text[48];

    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.base[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return fault_set(p->fault, "%s:%u: byte 0x%02x in column %zu; expected plain text",
                             p->name, p->line, c, i + 1);
        }
    }
    line = without_comment(line);
    if (line.len == 0) {
        return 0;
    }
    const char *equals = memchr(line.base, '=', line.len);
    if (equals == NULL) {
        return fault_set(p->fault, "%s:%u: \"%s\"; expected `key = value`", p->name, p->line,
                         shown(line, text));
    }
    struct slice name = trimmed((struct slice){line.base, (size_t)(equals - line.base)});
    struct slice value =
        trimmed((struct slice){equals + 1, line.len - (size_t)(equals - line.base) - 1});
    const struct key *k = key_find(name);
    if (k == NULL) {
        return fault_set(p->fault,
                         "%s:%u: unknown key \"%s\"; expected one of those that "
                         "cluster-config/three-nodes/node1.conf explains",
                         p->name, p->line, shown(name, text));
    }
    unsigned *seen = &p->seen[k - keys];
    if (*seen != 0 && k->kind != KIND_MEMBER) {
        return fault_set(p->fault, "%s:%u: %s is given again; expected it once (it is in line %u)",
                         p->name, p->line, k->name, *seen);
    }
    *seen = *seen == 0 ? p->line : *seen;
    return store_value(p, k, value);
}

static int parse_lines(struct parser *p, struct slice text)
{
    while (text.len > 0) {
        const char *end = memchr(text.base, '\n', text.len);
        struct slice line = {text.base, end == NULL ? text.len : (size_t)(end - text.base)};
        size_t used = line.len + (end != NULL);

        p->line++;
        if (line.len > CONFIG_LINE_MAX) {
            return fault_set(p->fault, "%s:%u: a line of %zu bytes; expected at most %d", p->name,
                             p->line, line.len, CONFIG_LINE_MAX);
        }
        if (line.len > 0 && line.base[line.len - 1] == '\r') {
            line.len--; /* a file that passed through another system */
        }
        if (parse_line(p, line) != 0) {
            return -1;
        }
        text.base += used;
        text.len -= used;
    }
    return 0;
}

static int fill_defaults(struct parser *p)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &keys[i];

        if (p->seen[i] != 0) {
            continue;
        }
        if (k->fallback == NULL) {
            char want[160];
            expectation(k, want);
            return fault_set(p->fault, "%s: %s is missing; expected `%s = ...`: %s", p->name,
                             k->name, k->name, want);
        }
        if (k->fallback[0] != '\0' && store_value(p, k, slice_of(k->fallback)) != 0) {
            return -1;
        }
    }
    return 0;
}

static unsigned line_of(const struct parser *p, const char *name)
{
    return p->seen[key_find(slice_of(name)) - keys];
}

/* `what` must hold; the message names the line of `name`, or of `other` when that has none. */
static int require(struct parser *p, bool holds, const char *name, const char *other,
                   const char *what)
{
    unsigned line = line_of(p, name);

    if (holds) {
        return 0;
    }
    line = line != 0 ? line : line_of(p, other);
    return fault_set(p->fault, "%s:%u: %s and %s do not fit together; expected %s", p->name, line,
                     name, other, what);
}

static int check_together(struct parser *p)
{
    const struct florin_config *c = p->config;

    bool tls = c->peer_certificate_file[0] != '\0';
    if (require(p, tls == (c->peer_key_file[0] != '\0'), "peer_key_file", "peer_certificate_file",
                "both or neither") != 0 ||
        require(p, tls == (c->peer_authority_file[0] != '\0'), "peer_authority_file",
                "peer_certificate_file", "both or neither") != 0) {
        return -1;
    }
    bool https = c->https_listen[0] != '\0';
    if (require(p, https == (c->https_certificate_file[0] != '\0'), "https_certificate_file",
                "https_listen", "both or neither") != 0 ||
        require(p, https == (c->https_key_file[0] != '\0'), "https_key_file", "https_listen",
                "both or neither") != 0 ||
        require(p,
                !https || (strcmp(c->https_listen, c->http_listen) != 0 &&
                           strcmp(c->https_listen, c->peer_listen) != 0),
                "https_listen", "http_listen",
                "an address that nothing else of the node has") != 0) {
        return -1;
    }
    if (!c->http_plain && !value_address_loopback(c->http_listen)) {
        return fault_set(
            p->fault,
            "%s:%u: http_listen is %s, which other machines reach, and HTTP is not "
            "encrypted, keys included; expected 127.0.0.1 or [::1] and `https_listen` for "
            "clients, or a proxy in front that speaks TLS (docs/haproxy.md), or `http_plain = "
            "yes` when something else encrypts, such as a VPN",
            p->name, line_of(p, "http_listen"), c->http_listen);
    }
    /* Three lost heartbeats should not yet be an election. */
    if (require(p, c->election_timeout_ms / 3 >= c->heartbeat_ms, "heartbeat", "election_timeout",
                "a heartbeat of at most a third of the election_timeout") != 0 ||
        require(p, c->checkpoint_bytes < c->checkpoint_bytes_hard, "checkpoint_bytes",
                "checkpoint_bytes_hard", "checkpoint_bytes below checkpoint_bytes_hard") != 0 ||
        require(p, c->segment_bytes / 2 >= c->group_bytes, "segment_bytes", "group_bytes",
                "segment_bytes of at least twice group_bytes") != 0 ||
        require(p, strcmp(c->peer_listen, c->http_listen) != 0, "http_listen", "peer_listen",
                "two different addresses") != 0) {
        return -1;
    }
    return 0;
}

int config_parse(struct slice text, const char *name, const char *folder,
                 struct florin_config *config, struct fault *fault)
{
    struct parser p = {.name = name, .folder = folder, .config = config, .fault = fault};

    memset(config, 0, sizeof *config);
    if (text.len > CONFIG_FILE_MAX) {
        return fault_set(fault,
                         "%s: more than %d bytes; expected a configuration file of at most "
                         "that many",
                         name, CONFIG_FILE_MAX);
    }
    if (parse_lines(&p, text) != 0) {
        return -1;
    }
    return fill_defaults(&p) != 0 ? -1 : check_together(&p);
}

/* Reads at most `cap` bytes; the count, or -1. */
static ssize_t read_all(int fd, char *out, size_t cap)
{
    size_t have = 0;

    while (have < cap) {
        ssize_t n = read(fd, out + have, cap - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        if (n == 0) {
            break;
        }
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static void folder_of(const char *path, char folder[static CONFIG_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    if (slash == path) {
        len = 1; /* the root itself */
    }
    memcpy(folder, path, len);
    folder[len] = '\0';
}

int config_load(const char *path, struct florin_config *config, struct fault *fault)
{
    char folder[CONFIG_PATH_MAX];
    char *text = NULL;
    ssize_t len;
    int rc = -1;

    if (strlen(path) >= CONFIG_PATH_MAX) {
        return fault_set(fault,
                         "the path of the configuration file is too long; expected at most "
                         "%d bytes",
                         CONFIG_PATH_MAX - 1);
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return fault_set(fault, "%s: cannot be opened: %s", path, strerror(errno));
    }
    text = malloc(CONFIG_FILE_MAX + 1);
    if (text == NULL) {
        fault_set(fault, "%s: no memory to read it", path);
        goto out;
    }
    len = read_all(fd, text, CONFIG_FILE_MAX + 1);
    if (len < 0) {
        fault_set(fault, "%s: cannot be read: %s", path, strerror(errno));
        goto out;
    }
    folder_of(path, folder);
    rc = config_parse((struct slice){text, (size_t)len}, path, folder, config, fault);
out:
    free(text);
    close(fd);
    return rc;
}

/* florind's configuration file: `key = value` lines, `#` comments.
 *
 * A parser of our own, and why: a mistake in this file is answered with the file, the line, what
 * was found and what was expected; units, ranges, repeated `member` lines and duplicates are
 * checked where the line number is still known. Debian's ini parsers hand over plain strings and
 * know none of that, so the checks (most of this room) would be ours anyway, without the line
 * numbers.
 *
 * The grammar, all of it:
 *   line    = blank | comment | key "=" value [comment]
 *   comment = "#" to the end of the line; after a value it must follow a space or tab
 *   size    = digits [ "B" | "KiB" | "MiB" | "GiB" ]     needs its unit, but for 0
 *   list    = value { space value }
 *   time    = digits ( "ms" | "s" | "min" )
 * Relative paths are relative to the folder of the file. The keys and their defaults are in
 * config.c's table; cluster-config/three-nodes/node1.conf explains each. */
#ifndef FLORIN_CONFIG_H
#define FLORIN_CONFIG_H

#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum {
    CONFIG_FILE_MAX = 64 << 10, /* bytes of a file */
    CONFIG_LINE_MAX = 1024,     /* bytes of a line */
    CONFIG_PATH_MAX = 1024,     /* with its NUL */
    CONFIG_NAME_MAX = 64,
    CONFIG_ADDRESS_MAX = 64, /* with its NUL */
    CONFIG_MEMBERS_MAX = 16,
    CONFIG_PROXIES_MAX = 8,
};

struct config_member {
    uint64_t id;
    char address[CONFIG_ADDRESS_MAX]; /* host:port of its peer_listen, as others reach it */
};

struct florin_config {
    /* Who this node is. */
    char cluster_id[CONFIG_NAME_MAX + 1];
    uint64_t node_id;
    struct config_member members[CONFIG_MEMBERS_MAX]; /* the first configuration, in file order */
    uint32_t n_members;

    /* Where things are. Absolute, or relative to the working folder as the file's own path was. */
    char data_dir[CONFIG_PATH_MAX];
    char cluster_secret_file[CONFIG_PATH_MAX];
    char operator_key_file[CONFIG_PATH_MAX];     /* "" when not given */
    char secret_box_file[CONFIG_PATH_MAX];       /* likewise: then no hmac keys */
    char peer_certificate_file[CONFIG_PATH_MAX]; /* these three: all, or "" and no TLS */
    char peer_key_file[CONFIG_PATH_MAX];
    char peer_authority_file[CONFIG_PATH_MAX];
    char peer_listen[CONFIG_ADDRESS_MAX]; /* host:port */
    char http_listen[CONFIG_ADDRESS_MAX]; /* on loopback, unless http_plain */
    bool http_plain;
    char https_listen[CONFIG_ADDRESS_MAX]; /* these three: all, or "" and no HTTPS of our own */
    char https_certificate_file[CONFIG_PATH_MAX];
    char https_key_file[CONFIG_PATH_MAX];
    char http_trusted_proxies[CONFIG_PROXIES_MAX][CONFIG_ADDRESS_MAX]; /* numeric addresses */
    uint32_t n_http_trusted_proxies;

    /* Raft. */
    uint32_t election_timeout_ms;
    uint32_t heartbeat_ms;
    uint64_t raft_trailing; /* entries kept behind a checkpoint */

    /* Requests. */
    uint32_t request_timeout_ms; /* deadline of a call that names none */
    uint32_t slow_request_ms;    /* a slower one has a line in the log */
    uint32_t http_threads;       /* connections served at once */
    uint32_t http_keep_alive_timeout_ms;
    uint32_t http_request_timeout_ms;
    uint32_t queue_tickets;
    uint64_t queue_bytes;
    uint32_t queue_target_ms; /* calls that take longer on average are too many */
    uint64_t group_bytes;     /* of one Raft entry */

    /* Disk and memory. */
    uint64_t segment_bytes;
    uint64_t checkpoint_bytes; /* soft: a checkpoint is wanted */
    uint64_t checkpoint_bytes_hard;
    uint32_t checkpoint_interval_ms;
    uint64_t copy_rate; /* bytes a second of a state on its way to another node */
    uint64_t store_map_bytes;
    uint64_t cache_bytes;
    uint64_t disk_reserve_bytes; /* of free space, under which writes are refused */

    enum level log_level;
};

/* Reads and checks the file. 0, or -1 with the fault "FILE:LINE: what was found; what was
 * expected"; *config is then undefined. Plain data, nothing to release. Any thread. */
int config_load(const char *path, struct florin_config *config, struct fault *fault);

/* The same from memory: `name` is for messages, `folder` is what relative paths are relative to
 * ("" for the working folder). Pure; any thread. */
int config_parse(struct slice text, const char *name, const char *folder,
                 struct florin_config *config, struct fault *fault);

#endif

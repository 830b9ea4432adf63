/* florinctl's shared parts: what was asked for on the command line, how a node is called, how an
 * answer is shown. One thread; everything hangs off struct ctl. */
#ifndef FLORIN_CTL_H
#define FLORIN_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "statemachine/bytes.h"
#include "statemachine/report.h"

/* The process's exit code; --help documents them. */
enum ctl_exit {
    CTL_OK = 0,
    CTL_REFUSED = 1, /* the ledger said no; or the verification failed */
    CTL_USAGE = 2,   /* the command line, or what was sent, is wrong */
    CTL_UNAVAILABLE = 3,
    CTL_UNKNOWN = 4, /* it may have been applied: repeat with the same id */
    CTL_CREDENTIALS = 5,
};

/* Whose key a command uses when none is given; nobody's: it asks no node. */
enum ctl_role { CTL_PROVIDER, CTL_PLATFORM, CTL_OPERATOR, CTL_ROLES, CTL_NOBODY = CTL_ROLES };

enum { CTL_ENDPOINTS_MAX = 16, CTL_ENDPOINT_LENGTH_MAX = 256, CTL_KEY_MAX = 256 };

struct ctl_options {
    const char *endpoints, *key, *key_file, *as; /* NULL: not given */
    const char *round, *game, *session, *bet, *kind, *player, *ids_scope, *days;
    const char *credential_file, *ca, *restart_command, *until;
    uint64_t limit, from, before; /* 0: not given */
    uint64_t timeout_ms;          /* of a call: no attempt begins after it */
    uint64_t wait_ms;             /* of a node that catches up or restarts */
    bool json, stale, verify, if_missing, force, once;
};

struct ctl_http; /* ctl_http.c */

struct ctl {
    struct ctl_options options;
    char endpoints[CTL_ENDPOINTS_MAX][CTL_ENDPOINT_LENGTH_MAX]; /* http://host:port */
    unsigned n_endpoints;
    char key[CTL_KEY_MAX]; /* KEYID.SECRET */
    const char *expected;  /* code of a problem that ctl_send says nothing about, or NULL */
    struct ctl_http *http;
};

/* A command after parsing: `args` are the words after its name. Returns the exit code. */
typedef int ctl_command_fn(struct ctl *ctl, char **args, int n_args);

ctl_command_fn ctl_bet, ctl_win, ctl_rollback, ctl_deposit, ctl_balance, ctl_history,
    ctl_transaction, ctl_ledger, ctl_cluster_status, ctl_cluster_transfer, ctl_cluster_add,
    ctl_cluster_promote, ctl_cluster_demote, ctl_cluster_remove, ctl_cluster_replace,
    ctl_cluster_rolling_restart, ctl_currency_add, ctl_provider_add, ctl_gateway_add,
    ctl_player_add, ctl_key_add, ctl_withdrawal_add, ctl_withdrawal_confirm, ctl_withdrawal_cancel,
    ctl_provider_show, ctl_provider_disable, ctl_provider_enable, ctl_gateway_show,
    ctl_gateway_disable, ctl_gateway_enable, ctl_key_disable, ctl_key_enable, ctl_session_show,
    ctl_session_close, ctl_player_show, ctl_player_status, ctl_player_limit, ctl_pki_init,
    ctl_pki_issue, ctl_pki_renew, ctl_pki_show, ctl_backup, ctl_verify, ctl_top, ctl_audit;

/* Fills in endpoints and key from options, environment and files; says what is missing and how to
 * mend it. 0 or an exit code. */
int ctl_endpoints_resolve(struct ctl *ctl);
int ctl_key_resolve(struct ctl *ctl, enum ctl_role role);

/* One line on stderr, "florinctl: ...", control characters made harmless; returns `code`. */
int ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An id that is safe in a URL; says so when it is not. */
bool ctl_id_ok(const char *what, const char *id);

/* --- calling a node (ctl_http.c) --- */

struct ctl_reply {
    int status;   /* HTTP */
    json_t *body; /* NULL when it was not JSON; owned */
};

void ctl_reply_release(struct ctl_reply *r);

int ctl_http_open(struct ctl *ctl); /* 0 or an exit code */
void ctl_http_close(struct ctl *ctl);

enum ctl_try {
    TRY_ANSWERED,
    TRY_UNREACHED, /* nothing was sent */
    TRY_LOST,      /* it was sent, and no whole answer came */
};

struct ctl_request {
    const char *method, *path;
    const char *body; /* NULL: none */
};

/* One request to one endpoint. The reply is filled when answered, the fault else. */
enum ctl_try ctl_http_try(struct ctl *ctl, unsigned endpoint, const struct ctl_request *request,
                          uint64_t timeout_ms, struct ctl_reply *reply, struct fault *fault);

/* The body of the last answer as it came; good until the next request. */
struct slice ctl_http_answer(const struct ctl *ctl);

/* The options that every transfer has, on a curl handle: where to, which protocols, whom to trust.
 * False when curl refuses one. */
bool ctl_http_prepare(const struct ctl *ctl, void *curl, const char *url);

/* Why a transfer failed, in words that can be acted on. */
void ctl_http_fault(const struct ctl *ctl, unsigned endpoint, int curl_code, struct fault *fault);

/* The request at any endpoint, repeated while that is safe and can help (every command carries its
 * idempotency key; every change of the members asks for a state of things), until --timeout. Takes
 * over `body` (NULL: none). CTL_OK with the 2xx reply, or another exit code after the line on
 * stderr; the reply is released by the caller either way. */
int ctl_send(struct ctl *ctl, const char *method, const char *path, json_t *body,
             struct ctl_reply *reply);

/* The same: a GET without a body, a POST with one. */
int ctl_call(struct ctl *ctl, const char *path, json_t *body, struct ctl_reply *reply);

/* How far a long piece of work is; all is 0 when it is not known. */
typedef void ctl_progress_fn(void *context, uint64_t done, uint64_t all);

/* A GET at one endpoint whose 200 is written to `fd` as it comes, however long that takes; any
 * other answer goes into the reply, as above (ctl_download.c). */
enum ctl_try ctl_download(struct ctl *ctl, unsigned endpoint, const char *path, int fd,
                          ctl_progress_fn *progress, struct ctl_reply *reply, struct fault *fault);

/* --- what florind does offline (ctl_offline.c) --- */

/* `restore FILE ...` and `recover ...` are florind's work, for they make a node's data: it is
 * called with what stands behind the command's name. Returns, with an exit code, only when it can't
 * be. */
int ctl_offline(int argc, char **argv);
bool ctl_is_offline(int argc, char **argv);

/* True when the reply is a problem of this code. */
bool ctl_is_problem(const struct ctl_reply *reply, const char *code);

uint64_t ctl_now_ms(void); /* monotonic */
void ctl_pause_ms(uint64_t ms);

/* --- the cluster as its nodes see it (ctl_view.c) --- */

struct ctl_view {
    json_t *rows; /* for each endpoint, in order: its GET /v1/cluster, or what came instead */
    json_t
        *best;   /* the row whose members count: the leader's, else any node's, or NULL; borrowed */
    bool denied; /* an endpoint did not take the key */
};

/* Asks every endpoint once; one that does not answer is a row that says so. */
void ctl_view_take(struct ctl *ctl, struct ctl_view *v);
void ctl_view_release(struct ctl_view *v);

/* True when `best` is of a node that leads. */
bool ctl_view_has_leader(const struct ctl_view *v);
/* The member of that id, or NULL: {id, address, role, connected, match_index}. Borrowed. */
json_t *ctl_view_member(const struct ctl_view *v, json_int_t id);
/* The row of the endpoint where this node answered, or NULL. */
json_t *ctl_view_node(const struct ctl_view *v, json_int_t id);
/* One line about how far the member is with catching up: the copy it gets, or its entries. */
void ctl_view_progress(const struct ctl_view *v, json_int_t id, char *text, size_t cap);
/* True when there is something to say about that: it gets a copy, or is not connected. */
bool ctl_view_behind(const struct ctl_view *v, json_int_t id);
/* True when it may have caught up, as far as can be seen from here. */
bool ctl_view_near(const struct ctl_view *v, json_int_t id);
/* The members as a table, or as JSON; an exit code. */
int ctl_members_show(struct ctl *ctl);

/* A node's id from a command line: 0, or an exit code after the line on stderr. */
int ctl_node_id(const char *text, json_int_t *id);

/* --- showing (ctl_show.c) --- */

/* The JSON as it came; CTL_OK or CTL_UNAVAILABLE when stdout can't be written. */
int ctl_show_json(const json_t *body);
/* An object as two columns; nested values as compact JSON. */
int ctl_show_fields(const json_t *object);
/* A list of objects as a table: `columns` are member names ("a", "b"), NULL-terminated. */
int ctl_show_rows(const json_t *list, const char *const *columns);

/* A line about a step that is being taken: on stdout, or on stderr with --json. */
void ctl_say(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How far something is that is waited for, on stderr: one line that changes on a terminal, else a
 * new line now and then. Starts as {0}. */
struct ctl_progress {
    uint64_t said_ms;
    char text[192];
};
void ctl_progress(struct ctl_progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void ctl_progress_end(struct ctl_progress *p);

/* "?key=value", "&key=value" as they come, into a path of `cap` bytes; values are numbers or ids.
 */
void ctl_path_add(char *path, size_t cap, const char *key, const char *value);
void ctl_path_add_number(char *path, size_t cap, const char *key, uint64_t value);

#endif

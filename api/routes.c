#include "api/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "api/body.h"
#include "api/handlers.h"
#include "api/parameters.h"

#define PROVIDER (1U << ROLE_PROVIDER)
#define GATEWAY  (1U << ROLE_GATEWAY)
#define PLATFORM (1U << ROLE_PLATFORM)
#define OPERATOR (1U << ROLE_OPERATOR)
#define AUDITOR  (1U << ROLE_AUDITOR)
#define ANYBODY  0U

/* Of those who need no key: a login's has a few hundred bytes. */
enum { ANYBODYS_BODY_MAX = 16 * 1024 };

#define READERS (PLATFORM | OPERATOR | AUDITOR)

const struct route routes[] = {
    {"POST", "/v1/bets", PROVIDER, BODY_REQUIRED, handle_bet},
    {"POST", "/v1/wins", PROVIDER, BODY_REQUIRED, handle_win},
    {"POST", "/v1/rollbacks", PROVIDER, BODY_REQUIRED, handle_rollback},
    {"POST", "/v1/transactions", PROVIDER, BODY_REQUIRED, handle_atomic},
    {"POST", "/v1/batches", PROVIDER, BODY_REQUIRED, handle_batch},
    {"POST", "/v1/authenticate", PROVIDER, BODY_REQUIRED, handle_authenticate},
    {"POST", "/v1/rounds/{round}/close", PROVIDER, BODY_REQUIRED, handle_round_close},
    {"GET", "/v1/rounds", PROVIDER | READERS, BODY_NONE, handle_rounds},
    {"GET", "/v1/transactions/{id}", PROVIDER | PLATFORM | GATEWAY, BODY_NONE, handle_transaction},

    {"POST", "/v1/players", PLATFORM, BODY_REQUIRED, handle_player_create},
    {"GET", "/v1/players/{player}", READERS, BODY_NONE, handle_player},
    {"PATCH", "/v1/players/{player}", PLATFORM, BODY_REQUIRED, handle_player_update},
    {"GET", "/v1/players/{player}/balances", PROVIDER | READERS, BODY_NONE, handle_balances},
    {"GET", "/v1/players/{player}/transactions", READERS, BODY_NONE, handle_history},
    {"POST", "/v1/players/{player}/password", PLATFORM, BODY_REQUIRED, handle_password_set},
    /* These two look at the key themselves: a player's own secret can stand in for it. */
    {"POST", "/v1/login", ANYBODY, BODY_REQUIRED, handle_login},
    {"POST", "/v1/sessions", ANYBODY, BODY_REQUIRED, handle_session_open},
    {"GET", "/v1/sessions/{session}", READERS, BODY_NONE, handle_session},
    {"DELETE", "/v1/sessions/{session}", PLATFORM, BODY_NONE, handle_session_close},
    {"POST", "/v1/sessions/{session}/rotate", PLATFORM, BODY_OPTIONAL, handle_session_rotate},

    {"POST", "/v1/deposits", PLATFORM | GATEWAY, BODY_REQUIRED, handle_deposit},
    {"POST", "/v1/withdrawals", PLATFORM | GATEWAY, BODY_REQUIRED, handle_withdraw},
    {"POST", "/v1/withdrawals/{id}/confirm", PLATFORM | GATEWAY, BODY_OPTIONAL,
     handle_withdraw_confirm},
    {"POST", "/v1/withdrawals/{id}/cancel", PLATFORM | GATEWAY, BODY_OPTIONAL,
     handle_withdraw_cancel},

    {"GET", "/v1/ledger", READERS, BODY_NONE, handle_ledger},
    {"GET", "/v1/ledger/stream", READERS, BODY_NONE, handle_stream},

    {"POST", "/v1/currencies", OPERATOR, BODY_REQUIRED, handle_currency_create},
    {"POST", "/v1/providers", OPERATOR, BODY_REQUIRED, handle_provider_create},
    {"GET", "/v1/providers/{id}", READERS, BODY_NONE, handle_provider},
    {"PATCH", "/v1/providers/{id}", OPERATOR, BODY_REQUIRED, handle_provider_update},
    {"POST", "/v1/gateways", OPERATOR, BODY_REQUIRED, handle_gateway_create},
    {"GET", "/v1/gateways/{id}", READERS, BODY_NONE, handle_gateway},
    {"PATCH", "/v1/gateways/{id}", OPERATOR, BODY_REQUIRED, handle_gateway_update},
    {"POST", "/v1/keys", OPERATOR, BODY_REQUIRED, handle_key_create},
    {"PATCH", "/v1/keys/{id}", OPERATOR, BODY_REQUIRED, handle_key_update},
    {"GET", "/v1/cluster", READERS, BODY_NONE, handle_cluster},
    {"POST", "/v1/cluster/members", OPERATOR, BODY_REQUIRED, handle_member_add},
    {"POST", "/v1/cluster/members/{id}/promote", OPERATOR, BODY_NONE, handle_member_promote},
    {"POST", "/v1/cluster/members/{id}/demote", OPERATOR, BODY_NONE, handle_member_demote},
    {"DELETE", "/v1/cluster/members/{id}", OPERATOR, BODY_NONE, handle_member_remove},
    {"POST", "/v1/cluster/transfer", OPERATOR, BODY_OPTIONAL, handle_transfer},

    {"GET", "/v1/audit", OPERATOR | AUDITOR, BODY_NONE, handle_audit},
    {"GET", "/v1/backup", OPERATOR, BODY_NONE, handle_backup},
    {"POST", "/v1/verify", OPERATOR | AUDITOR, BODY_OPTIONAL, handle_verify},

    {"GET", "/healthz", ANYBODY, BODY_NONE, handle_health},
    {"GET", "/readyz", ANYBODY, BODY_NONE, handle_ready},
    {"GET", "/metrics", ANYBODY, BODY_NONE, handle_metrics},
    {"GET", "/openapi.yaml", ANYBODY, BODY_NONE, handle_openapi},
};

const int routes_count = sizeof routes / sizeof *routes;

/* Cuts the next segment off a path; false at its end. */
static bool next_segment(const char **path, struct slice *s)
{
    if (**path != '/') {
        return false;
    }
    s->base = *path + 1;
    s->len = strcspn(s->base, "/");
    *path = s->base + s->len;
    return true;
}

/* The path against a pattern; what stands for the {...} goes to ids, still as it was sent. */
static bool matches(const char *pattern, const char *path, struct slice ids[PATH_IDS_MAX])
{
    struct slice want, have;
    size_t n = 0;

    while (next_segment(&pattern, &want)) {
        if (!next_segment(&path, &have) || have.len == 0) {
            return false;
        }
        if (want.base[0] == '{') {
            if (n < PATH_IDS_MAX) {
                ids[n++] = have;
            }
        } else if (want.len != have.len || memcmp(want.base, have.base, want.len) != 0) {
            return false;
        }
    }
    return *path == '\0';
}

/* One more method that the path does know; GET answers HEAD as well. */
static void allow(struct exchange *x, const char *method)
{
    size_t len = strlen(x->allow);

    snprintf(x->allow + len, sizeof x->allow - len, "%s%s", len == 0 ? "" : ", ",
             strcmp(method, "GET") == 0 ? "GET, HEAD" : method);
}

static int find_route(struct exchange *x)
{
    struct slice ids[PATH_IDS_MAX] = {{NULL, 0}};
    bool known = false;
    int i;
    size_t n;

    for (i = 0; i < routes_count; i++) {
        if (!matches(routes[i].path, x->path, ids)) {
            continue;
        }
        if (strcmp(routes[i].method, x->method) == 0) {
            break;
        }
        allow(x, routes[i].method);
        known = true;
    }
    if (i == routes_count && known) {
        return problem_set(&x->problem, PROBLEM_METHOD_NOT_ALLOWED, "%s", "");
    }
    if (i == routes_count) {
        return problem_set(&x->problem, PROBLEM_NOT_FOUND, "%s", "");
    }
    x->route = i;
    for (n = 0; n < PATH_IDS_MAX && ids[n].base != NULL; n++) {
        if (parameters_decode_id(ids[n], x->ids[n]) != 0) {
            return problem_set(&x->problem, PROBLEM_BAD_ID, "the id in the path is not valid");
        }
    }
    return 0;
}

/* Florin-Timeout-Ms: how long the client wants to wait; we wait no longer than TIMEOUT_MAX_MS. */
static int read_timeout(struct exchange *x)
{
    const char *text = x->headers.timeout;
    unsigned long ms;

    if (text == NULL) {
        return 0;
    }
    if (strlen(text) > 9 || strspn(text, "0123456789") != strlen(text) ||
        (ms = strtoul(text, NULL, 10)) == 0) {
        return problem_set(&x->problem, PROBLEM_MALFORMED,
                           "Florin-Timeout-Ms: expected a number of milliseconds above zero");
    }
    x->timeout_ms = ms < TIMEOUT_MAX_MS ? (unsigned)ms : TIMEOUT_MAX_MS;
    return 0;
}

/* Before anything is worked out: a refusal has to be cheap. Questions, and what operators do, come
 * as far as the gate: questions of this node's own state need no room there, and operators mend. */
static int check_room(struct exchange *x, const struct route *r)
{
    if (strcmp(r->method, "GET") == 0 || (r->roles & OPERATOR) != 0 ||
        !gate_refuses(x->api->gate)) {
        return 0;
    }
    return problem_set(&x->problem, PROBLEM_OVERLOADED, "%s", "");
}

static int check_credentials(struct exchange *x, const struct route *r)
{
    if (r->roles == ANYBODY) {
        return 0;
    }
    if (exchange_authenticate(x) != 0) {
        return -1;
    }
    if (!(r->roles & (1U << x->who.role))) {
        return problem_set(&x->problem, PROBLEM_FORBIDDEN, "This key's role is %s.",
                           role_name(x->who.role));
    }
    return 0;
}

static int read_body(struct exchange *x, const struct route *r)
{
    const char *encoding = x->headers.content_encoding;
    enum form form;

    if (r->body == BODY_NONE || (r->body == BODY_OPTIONAL && x->body.len == 0)) {
        return 0;
    }
    if (!x->body_declared) {
        return problem_set(&x->problem, PROBLEM_LENGTH_REQUIRED, "%s", "");
    }
    if (r->roles == ANYBODY && x->body.len > ANYBODYS_BODY_MAX) {
        return problem_set(&x->problem, PROBLEM_TOO_LARGE, "A body has at most %d bytes here.",
                           ANYBODYS_BODY_MAX);
    }
    if (body_form(x->headers.content_type, &form) != 0) {
        return problem_set(&x->problem, PROBLEM_MEDIA_TYPE, "%s", "");
    }
    if (encoding != NULL && strcasecmp(encoding, "identity") != 0) {
        return problem_set(&x->problem, PROBLEM_MEDIA_TYPE, "A body may not be compressed.");
    }
    return exchange_parse(x, form);
}

/* What is created is named in the body, all else in the path. */
static void find_subject(const struct exchange *x, char subject[static ID_MAX + 1])
{
    static const char *const members[] = {"id", "key", "code", "principal"};
    const struct value *node = value_get(x->tree.root, "id"); /* or `to`, of a transfer */
    size_t i;

    memcpy(subject, x->ids[0], sizeof x->ids[0]);
    for (i = 0; subject[0] == '\0' && i < sizeof members / sizeof *members; i++) {
        struct slice text = value_text(value_get(x->tree.root, members[i]));

        if (id_valid(text)) {
            snprintf(subject, ID_MAX + 1, "%.*s", (int)text.len, text.base);
        }
    }
    node = node != NULL ? node : value_get(x->tree.root, "to");
    if (value_is(node, VALUE_INTEGER)) {
        snprintf(subject, ID_MAX + 1, "%lld", (long long)node->integer);
    }
}

/* What an operator does leaves a line, done or not: who, what, from where. Ids are all that gets
 * into the log of what a client sends. */
static void note_operation(const struct exchange *x, const struct route *r, bool done)
{
    char subject[ID_MAX + 1];

    if (r->roles != OPERATOR || x->who.role != ROLE_OPERATOR) {
        return;
    }
    find_subject(x, subject);
    report(x->api->reporter, LEVEL_INFO, "api", "an operator's call",
           "call=\"%s %s\"%s%s by=%s key=%s from=%s request=%s outcome=%s", r->method, r->path,
           subject[0] == '\0' ? "" : " of=", subject, x->who.name, x->who.key, x->remote,
           x->request_id, done ? "done" : x->problem.code);
}

void routes_answer(struct exchange *x)
{
    const struct route *r;
    bool done;

    exchange_choose_form(x);
    if (find_route(x) != 0) {
        exchange_fail(x);
        return;
    }
    r = &routes[x->route];
    done = read_timeout(x) == 0 && check_room(x, r) == 0 && check_credentials(x, r) == 0 &&
           read_body(x, r) == 0 && r->handle(x) == 0;
    note_operation(x, r, done);
    if (!done) {
        exchange_fail(x);
    }
}

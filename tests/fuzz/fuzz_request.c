/* Fuzzes a whole request behind the web server: path, query, headers and body go through routes,
 * credentials, parsers, commands, a real ledger and back into an answer. Whatever comes, the answer
 * is well-formed, and none is "internal error": what the API lets through, the ledger understands.
 *
 * The input: a byte that says whose key it brings, a byte of flags, then lines: METHOD TARGET, the
 * value of Florin-Timeout-Ms, the value of Authorization or the three of a signed call (used when
 * the first byte asks for it), and the body. One thread: the gate is drained as it wakes us. */
#include <jansson.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/routes.h"
#include "consensus/gate.h"
#include "tests/unit/ledger_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    COMMANDS_MAX = 20000, /* then the ledger begins anew, so that its memory stays small */
    LINES = 3,
    LINE_MAX_BYTES = 2048,
    OWN_AUTHORIZATION = 6,
    OWN_SIGNATURE = 7,
    SEND_MSGPACK = 1,
    TAKE_MSGPACK = 2,
};

static const char *const keys[] = {NULL, "provider", "gateway", "platform", "operator", "auditor"};

struct rig {
    struct fixture ledger;
    struct api api;
    struct turns bodies;
    struct origins origins;
    unsigned commands;
};

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint64_t now_ms(void *context)
{
    (void)context;
    return (uint64_t)limiter_now_ns() / 1000000;
}

static void run_commands(struct rig *r, struct ticket *t)
{
    struct cursor frames = cursor_of(t->in.base, t->in.len);
    struct fixture *f = &r->ledger;
    struct bytes outcome;
    struct slice frame;

    bytes_init(&outcome);
    f->index++;
    f->time_ms++;
    while (frame_next(&frames, &frame)) {
        bytes_clear(&outcome);
        must(machine_apply(f->machine, f->index, f->time_ms, frame.base, frame.len, &outcome,
                           &f->fault) == 0);
        frame_append(&t->out, outcome.base, outcome.len);
        r->commands++;
    }
    bytes_release(&outcome);
    must(machine_end_entry(f->machine, f->index, &f->fault) == 0);
}

static void publish(struct rig *r)
{
    const struct gate_view view = {
        .node_id = 1,
        .leader_id = 1,
        .applied_seq = machine_sequence(r->ledger.machine),
        .directory_version = machine_directory_version(r->ledger.machine),
        .ready = true,
    };

    gate_publish(r->api.gate, &view);
}

static enum ticket_result serve(struct rig *r, struct ticket *t)
{
    static const struct cluster_status status = {.node_id = 1, .leader_id = 1, .state = "leader"};
    struct member_change change;
    bool broken = false;

    switch (t->kind) {
    case TICKET_COMMANDS:
        run_commands(r, t);
        return RESULT_OK;
    case TICKET_QUERY:
    case TICKET_STALE_QUERY:
        must(machine_query(r->ledger.machine, t->in.base, t->in.len, &t->out, &broken,
                           &r->ledger.fault) == 0);
        return RESULT_OK;
    case TICKET_STATUS:
        bytes_append(&t->out, &status, sizeof status);
        return RESULT_OK;
    case TICKET_MEMBER:
        must(member_change_decode((struct slice){(const char *)t->in.base, t->in.len}, &change,
                                  &r->ledger.fault) == 0);
        return RESULT_OK;
    default:
        return RESULT_REFUSED;
    }
}

static void wake(void *context)
{
    struct rig *r = context;
    struct ticket *t = gate_drain(r->api.gate);

    while (t != NULL) {
        struct ticket *next = t->next;
        enum ticket_result result = RESULT_UNAVAILABLE;

        if (ticket_enter(t)) {
            result = serve(r, t);
            publish(r);
        }
        ticket_done(t, result);
        t = next;
    }
}

static void apply(struct rig *r, struct command c)
{
    must(fixture_apply(&r->ledger, &c) == 0);
    must(r->ledger.outcome.verdict == VERDICT_APPLIED);
}

static void furnish(struct rig *r)
{
    static const char *const principals[] = {NULL, "demo", "bank", "casino", "ops", "eyes"};
    static const enum role roles[] = {ROLE_NONE,     ROLE_PROVIDER, ROLE_GATEWAY,
                                      ROLE_PLATFORM, ROLE_OPERATOR, ROLE_AUDITOR};
    uint8_t hash[SECRET_HASH_BYTES];
    size_t i;

    fixture_open(&r->ledger, 7);
    fixture_remove(r->ledger.folder);            /* it is open, and nobody else's */
    r->ledger.time_ms = UINT64_C(1767225600000); /* 2026-01-01 */
    r->commands = 0;
    apply(r, (struct command){
                 .type = COMMAND_CURRENCY_CREATE, .name = slice_of("EUR"), .scale = SCALE_DEFAULT});
    apply(r, (struct command){.type = COMMAND_PRINCIPAL_CREATE,
                              .name = slice_of("demo"),
                              .role = ROLE_PROVIDER});
    apply(r, (struct command){
                 .type = COMMAND_PRINCIPAL_CREATE, .name = slice_of("bank"), .role = ROLE_GATEWAY});
    apply(r, (struct command){.type = COMMAND_PLAYER_CREATE, .player = slice_of("alice")});
    credential_hash(slice_of("0123456789abcdef"), hash);
    for (i = 1; i < sizeof keys / sizeof *keys; i++) {
        apply(r, (struct command){.type = COMMAND_KEY_CREATE,
                                  .name = slice_of(keys[i]),
                                  .principal = slice_of(principals[i]),
                                  .role = roles[i],
                                  .secret_hash = hash});
    }
    publish(r);
}

static struct rig *rig_new(void)
{
    static const uint8_t box_key[BOX_KEY_BYTES] = "a key that opens a box of keys";
    struct rig *r = calloc(1, sizeof *r);
    const struct gate_options options = {.node_id = 1,
                                         .max_tickets = 8,
                                         .max_bytes = 16 << 20,
                                         .wake = wake,
                                         .now_ms = now_ms,
                                         .context = r};

    must(r != NULL && sodium_init() >= 0);
    r->api.gate = gate_new(&options);
    origins_init(&r->origins);
    r->api.origins = &r->origins;
    r->api.limiter = limiter_new();
    r->api.credentials = credentials_new(r->api.gate, r->api.limiter, box_key);
    r->api.metrics = metrics_new(routes_count);
    r->api.streams = streams_new(1);
    r->api.passwords = passwords_new();
    turns_init(&r->bodies, 1);
    r->api.bodies = &r->bodies;
    r->api.box_key = box_key;
    r->api.deadline_ms = 1000;
    furnish(r);
    return r;
}

/* Cuts a line off as a string. */
static void take_line(struct slice *rest, char line[static LINE_MAX_BYTES])
{
    const char *end = rest->len == 0 ? NULL : memchr(rest->base, '\n', rest->len);
    size_t len = end == NULL ? rest->len : (size_t)(end - rest->base);
    size_t kept = len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES - 1;

    memcpy(line, rest->base, kept);
    line[kept] = '\0';
    len += end != NULL;
    *rest = (struct slice){rest->base + len, rest->len - len};
}

static void bring_key(struct exchange *x, unsigned who, char *line, char bearer[static 80])
{
    char *at = line;

    if (who == OWN_AUTHORIZATION) {
        x->headers.authorization = line;
    } else if (who == OWN_SIGNATURE) {
        x->headers.key = strsep(&at, " ");
        x->headers.timestamp = at == NULL ? NULL : strsep(&at, " ");
        x->headers.signature = at;
    } else if (keys[who] != NULL) {
        snprintf(bearer, 80, "Bearer %s.0123456789abcdef", keys[who]);
        x->headers.authorization = bearer;
    }
}

/* False: nothing that the web server would pass on, or a route that takes 100 ms on purpose. */
static bool aim(struct exchange *x, char *line)
{
    char *query;
    char *target = strchr(line, ' ');

    if (target == NULL) {
        return false;
    }
    *target++ = '\0';
    query = strchr(target, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    x->head = strcmp(line, "HEAD") == 0;
    x->method = x->head ? "GET" : line;
    x->path = target;
    x->query = query;
    return target[0] == '/' && strstr(target, "/password") == NULL && strcmp(target, "/v1/login");
}

static void check_answer(struct exchange *x)
{
    struct bytes wire;
    json_error_t error;
    json_t *json;

    must(x->status >= 200 && x->status <= 504 && x->status != 500);
    must(x->status < 400 || x->problem.code != NULL);
    if (x->stream == NULL && x->form == FORM_JSON &&
        (x->content_type == NULL || strcmp(x->content_type, "application/problem+json") == 0)) {
        json = json_loadb((const char *)x->out->base, x->out->len, JSON_REJECT_DUPLICATES, &error);
        must(json != NULL);
        json_decref(json);
    }
    bytes_init(&wire);
    exchange_render(x, true, &wire);
    must(wire.len > x->out->len || x->head);
    bytes_release(&wire);
}

static void ask(struct rig *r, const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data + 2, size - 2};
    char lines[LINES][LINE_MAX_BYTES];
    char bearer[80];
    struct exchange x;
    struct bytes out;
    size_t i;

    for (i = 0; i < LINES; i++) {
        take_line(&rest, lines[i]);
    }
    bytes_init(&out);
    exchange_init(&x, &r->api, &out);
    if (aim(&x, lines[0])) {
        snprintf(x.remote, sizeof x.remote, "192.0.2.7");
        x.headers.timeout = lines[1][0] == '\0' ? NULL : lines[1];
        x.headers.content_type =
            (data[1] & SEND_MSGPACK) != 0 ? "application/msgpack" : "application/json";
        x.headers.accept =
            (data[1] & TAKE_MSGPACK) != 0 ? "application/msgpack" : "application/json";
        bring_key(&x, data[0] % (OWN_SIGNATURE + 1), lines[2], bearer);
        x.body_declared = rest.len > 0;
        x.body = rest;
        routes_answer(&x);
        check_answer(&x);
    }
    exchange_release(&x);
    bytes_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct rig *r;

    if (size < 2) {
        return 0;
    }
    if (r == NULL) {
        r = rig_new();
    }
    ask(r, data, size);
    if (r->commands > COMMANDS_MAX) {
        fixture_close(&r->ledger);
        furnish(r);
    }
    return 0;
}

/* Signed calls that were recorded, held back, or changed on their way. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/signature.h"
#include "tests/security/attack.h"

enum { REQUEST_MAX = 2048 };

struct call {
    const char *method, *path, *body; /* as they were signed */
    int64_t late_ms;
    const char *secret;
};

static long long wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Writes the call as it was signed, but with this method, path and body. */
static size_t write_call(const struct call *call, const char *method, const char *path,
                         const char *body, char request[static REQUEST_MAX])
{
    uint8_t signature[SIGNATURE_BYTES];
    char hex[2 * SIGNATURE_BYTES + 1];
    char stamp[32];
    struct signed_request r = {
        .method = call->method, .path = call->path, .body = slice_of(call->body)};

    snprintf(stamp, sizeof stamp, "%lld", wall_ms() - (long long)call->late_ms);
    r.timestamp = slice_of(stamp);
    signature_compute(slice_of(call->secret), &r, signature);
    sodium_bin2hex(hex, sizeof hex, signature, sizeof signature);
    return (size_t)snprintf(request, REQUEST_MAX,
                            "%s %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                            "Content-Length: %zu\r\nFlorin-Key: " SIGNING_ID "\r\n"
                            "Florin-Timestamp: %s\r\nFlorin-Signature: %s\r\n"
                            "Connection: close\r\n\r\n%s",
                            method, path, strlen(body), stamp, hex, body);
}

static void expect(struct attack *a, int i, long status, const char *code, const struct call *call,
                   const char *method, const char *path, const char *body)
{
    char request[REQUEST_MAX];
    size_t len = write_call(call, method, path, body, request);

    attack_expect_raw(a, i, status, code, request, len);
}

#define BET(id, amount)                                                                            \
    "{\"id\":\"" id "\",\"player\":\"p2\",\"currency\":\"EUR\",\"amount\":\"" amount "\"}"

static void replayed(struct attack *a)
{
    const struct call call = {"POST", "/v1/bets", BET("signed", "3"), 0, SIGNING_TEXT};
    char once[32], again[32];
    char request[REQUEST_MAX];
    size_t len = write_call(&call, call.method, call.path, call.body, request);
    int i;

    attack_expect_raw(a, 0, 200, NULL, request, len);
    attack_balance(a, "p2", once);
    for (i = 0; i < NODES; i++) {
        attack_expect_raw(a, i, 200, NULL, request, len); /* the first answer once more */
    }
    attack_balance(a, "p2", again);
    if (strcmp(once, again) != 0) {
        cluster_die(&a->cluster, "a recorded bet that was sent again moved %s to %s", once, again);
    }
}

void attack_signatures(struct attack *a)
{
    struct call call = {"POST", "/v1/bets", BET("forged", "1"), 0, SIGNING_TEXT};
    char before[32], after[32];

    replayed(a);
    attack_balance(a, "p2", before);
    expect(a, 0, 401, "bad_signature", &call, "POST", "/v1/bets", BET("forged", "2"));
    expect(a, 1, 401, "bad_signature", &call, "POST", "/v1/wins", call.body);
    expect(a, 2, 401, "bad_signature", &call, "POST", "/v1/bets?dry_run=false", call.body);
    call.method = "PUT";
    expect(a, 0, 401, "bad_signature", &call, "POST", "/v1/bets", call.body);
    call.method = "POST";
    call.secret = "signing-secret-for-testS";
    expect(a, 1, 401, "bad_signature", &call, "POST", "/v1/bets", call.body);
    call.secret = "";
    expect(a, 2, 401, "bad_signature", &call, "POST", "/v1/bets", call.body);
    call.secret = SIGNING_TEXT;
    call.late_ms = SIGNATURE_SKEW_MS + 5000;
    expect(a, 0, 401, "stale_signature", &call, "POST", "/v1/bets", call.body);
    call.late_ms = -SIGNATURE_SKEW_MS - 60000;
    expect(a, 1, 401, "stale_signature", &call, "POST", "/v1/bets", call.body);
    attack_balance(a, "p2", after);
    if (strcmp(before, after) != 0) {
        cluster_die(&a->cluster, "a forged bet moved p2's balance from %s to %s", before, after);
    }
}

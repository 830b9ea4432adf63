/* Too much of everything that has a size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/security/attack.h"

#define AUTH "Authorization: Bearer pv.provider-secret-for-tests\r\n"

enum { BIG = 4 << 20 };

static void raw(struct attack *a, int i, long status, const char *code, const char *text)
{
    attack_expect_raw(a, i, status, code, text, strlen(text));
}

/* `head`, then `unit` until `total` bytes are there, then `tail`. */
static void repeated(struct attack *a, long status, const char *code, const char *head,
                     const char *unit, size_t total, const char *tail)
{
    size_t cap = strlen(head) + total + strlen(unit) + strlen(tail) + 1;
    char *text = malloc(cap);
    size_t len;

    if (text == NULL) {
        abort();
    }
    len = (size_t)snprintf(text, cap, "%s", head);
    while (len < total) {
        memcpy(text + len, unit, strlen(unit));
        len += strlen(unit);
    }
    memcpy(text + len, tail, strlen(tail) + 1);
    attack_expect_raw(a, 1, status, code, text, len + strlen(tail));
    free(text);
}

static void heads(struct attack *a)
{
    char line[400];
    char id[70];

    memset(id, 'a', 65);
    id[65] = '\0';
    repeated(a, 400, NULL, "GET /healthz HTTP/1.1\r\nX: ", "x", 20000, "\r\n\r\n");
    repeated(a, 400, NULL, "GET /healthz HTTP/1.1\r\n", "X: y\r\n", 1000, "\r\n");
    repeated(a, 400, NULL, "GET /", "a", 17000, " HTTP/1.1\r\n\r\n");
    repeated(a, 400, NULL, "GET /v1/ledger?from=", "1", 17000, " HTTP/1.1\r\n\r\n");
    snprintf(line, sizeof line, "GET /v1/transactions/%s HTTP/1.1\r\n" AUTH "\r\n", id);
    raw(a, 0, 400, "bad_id", line);
    raw(a, 1, 400, NULL,
        "POST /v1/bets HTTP/1.1\r\n" AUTH "Content-Length: 9999999999999999999\r\n\r\n");
    raw(a, 2, 413, "too_large",
        "POST /v1/bets HTTP/1.1\r\n" AUTH "Content-Length: 99999999999\r\n\r\n");
    raw(a, 0, 400, NULL,
        "POST /v1/bets HTTP/1.1\r\n" AUTH
        "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx");
    raw(a, 1, 400, NULL,
        "POST /v1/bets HTTP/1.1\r\n" AUTH "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n");
}

/* A body in JSON, with its length. */
static void body(struct attack *a, long status, const char *code, const char *path,
                 const char *head, const char *unit, size_t total, const char *tail)
{
    size_t n = (total + strlen(unit) - 1) / strlen(unit);
    size_t len = strlen(head) + n * strlen(unit) + strlen(tail);
    char *text = malloc(len + 400);
    size_t at;

    if (text == NULL) {
        abort();
    }
    at = (size_t)sprintf(text,
                         "POST %s HTTP/1.1\r\nHost: x\r\n" AUTH "Connection: close\r\n"
                         "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                         path, len, head);
    for (; n > 0; n--) {
        memcpy(text + at, unit, strlen(unit));
        at += strlen(unit);
    }
    memcpy(text + at, tail, strlen(tail));
    attack_expect_raw(a, 2, status, code, text, at + strlen(tail));
    free(text);
}

static void bodies(struct attack *a)
{
    static const char item[] = "{\"type\":\"bet\",\"id\":\"i\",\"player\":\"p1\",\"currency\":"
                               "\"EUR\",\"amount\":\"1\"},";

    body(a, 413, "too_large", "/v1/bets", "{\"id\":\"", "a", BIG, "\"}");
    body(a, 400, NULL, "/v1/bets", "", "[", 900000, "");
    body(a, 400, NULL, "/v1/bets", "", "{\"a\":", 900000, "1");
    body(a, 400, NULL, "/v1/bets", "{\"id\":\"", "a", 500000, "\"}");
    body(a, 400, NULL, "/v1/bets",
         "{\"id\":\"x\",\"player\":\"p1\",\"currency\":\"EUR\",\"amount\":\"", "9", 100, "\"}");
    body(a, 400, NULL, "/v1/bets",
         "{\"id\":\"x\",\"player\":\"p1\",\"currency\":\"EUR\",\"amount\":", "9", 400, "}");
    body(a, 400, NULL, "/v1/bets", "{\"x\":\"", "\\u0000", 60000, "\"}");
    body(a, 413, "too_large", "/v1/batches", "{\"transactions\":[", "{},", 3 * 8193, "{}]}");
    body(a, 413, "too_large", "/v1/batches", "{\"transactions\":[", item, 1 << 20, "{}]}");
    body(a, 400, NULL, "/v1/transactions",
         "{\"id\":\"x\",\"player\":\"p1\",\"currency\":\"EUR\",\"items\":[",
         "{\"type\":\"bet\",\"id\":\"i\",\"amount\":\"1\"},", 200000,
         "{\"type\":\"bet\",\"id\":\"i\",\"amount\":\"1\"}]}");
}

void attack_sizes(struct attack *a)
{
    heads(a);
    bodies(a);
}

/* Units are a table: a value is digits, then one of the table's words, and the product must fit. */
#include "cluster-config/value.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit size_units[] = {
    {"B", 1}, {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {NULL, 0}};

int value_number(struct slice text, uint64_t *out)
{
    uint64_t v = 0;

    if (text.len == 0) {
        return -1;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.base[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(c - '0'), &v)) {
            return -1;
        }
    }
    *out = v;
    return 0;
}

static int value_with_unit(struct slice text, const struct unit *units, uint64_t *out)
{
    size_t digits = 0;
    uint64_t n;

    while (digits < text.len && text.base[digits] >= '0' && text.base[digits] <= '9') {
        digits++;
    }
    if (value_number((struct slice){text.base, digits}, &n) != 0) {
        return -1;
    }
    struct slice word = {text.base + digits, text.len - digits};
    for (const struct unit *u = units; u->name != NULL; u++) {
        if (slice_is(word, u->name)) {
            return __builtin_mul_overflow(n, u->factor, out) ? -1 : 0;
        }
    }
    return -1;
}

int value_size(struct slice text, uint64_t *out)
{
    uint64_t v;

    if (slice_is(text, "0")) {
        *out = 0;
        return 0;
    }
    if (value_with_unit(text, size_units, &v) != 0) {
        return -1;
    }
    *out = v;
    return 0;
}

int value_duration(struct slice text, uint64_t *out_ms)
{
    uint64_t v;

    if (value_with_unit(text, duration_units, &v) != 0) {
        return -1;
    }
    *out_ms = v;
    return 0;
}

static bool host_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static bool host_valid(struct slice host)
{
    if (host.len >= 2 && host.base[0] == '[' && host.base[host.len - 1] == ']') {
        for (size_t i = 1; i + 1 < host.len; i++) {
            char c = host.base[i];
            if (!host_character(c) && c != ':' && c != '%') {
                return false;
            }
        }
        return host.len > 2;
    }
    for (size_t i = 0; i < host.len; i++) {
        if (!host_character(host.base[i])) {
            return false;
        }
    }
    return host.len > 0;
}

int value_address(struct slice text, char *out, size_t len)
{
    size_t colon = text.len;
    uint64_t port;

    while (colon > 0 && text.base[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0 || text.len + 1 > len) {
        return -1;
    }
    if (!host_valid((struct slice){text.base, colon - 1}) ||
        value_number((struct slice){text.base + colon, text.len - colon}, &port) != 0 || port < 1 ||
        port > 65535) {
        return -1;
    }
    memcpy(out, text.base, text.len);
    out[text.len] = '\0';
    return 0;
}

int value_host_address(struct slice text, char out[static 64])
{
    uint8_t binary[16];
    char copy[64];

    if (text.len >= sizeof copy) {
        return -1;
    }
    memcpy(copy, text.base, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, binary) != 1 && inet_pton(AF_INET6, copy, binary) != 1) {
        return -1;
    }
    memcpy(out, copy, text.len + 1);
    return 0;
}

bool value_address_loopback(const char *address)
{
    struct slice host = {address, (size_t)(strrchr(address, ':') - address)};
    char text[64];
    uint8_t v4[4];

    if (slice_is(host, "localhost") || slice_is(host, "[::1]")) {
        return true;
    }
    if (value_host_address(host, text) != 0) {
        return false;
    }
    return inet_pton(AF_INET, text, v4) == 1 && v4[0] == 127;
}

static const char *value_text(uint64_t v, const struct unit *units, char text[static 32])
{
    const struct unit *best = units;

    for (const struct unit *u = units; u->name != NULL; u++) {
        if (v != 0 && v % u->factor == 0) {
            best = u;
        }
    }
    snprintf(text, 32, "%" PRIu64 "%s", v / best->factor, best->name);
    return text;
}

const char *value_size_text(uint64_t bytes, char text[static 32])
{
    return value_text(bytes, size_units, text);
}

const char *value_duration_text(uint64_t ms, char text[static 32])
{
    return value_text(ms, duration_units, text);
}

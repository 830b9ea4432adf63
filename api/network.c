#include "api/network.h"

#include <arpa/inet.h>

enum { MAPPED_BITS = 96 };

static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* *offset: how many bits of the result stand before those that the text writes. */
static int parse(struct slice text, uint8_t address[static ADDRESS_BYTES], unsigned *offset)
{
    char copy[NETWORK_TEXT_MAX];

    if (text.len == 0 || text.len >= sizeof copy || memchr(text.base, '\0', text.len) != NULL) {
        return -1;
    }
    memcpy(copy, text.base, text.len);
    copy[text.len] = '\0';
    *offset = 0;
    if (inet_pton(AF_INET6, copy, address) == 1) {
        return 0;
    }
    if (inet_pton(AF_INET, copy, address + sizeof mapped) != 1) {
        return -1;
    }
    memcpy(address, mapped, sizeof mapped);
    *offset = MAPPED_BITS;
    return 0;
}

int address_parse(struct slice text, uint8_t address[static ADDRESS_BYTES])
{
    unsigned offset;
    const char *zone;

    if (text.len > 2 && text.base[0] == '[' && text.base[text.len - 1] == ']') {
        text = (struct slice){text.base + 1, text.len - 2};
    }
    zone = text.len == 0 ? NULL : memchr(text.base, '%', text.len);
    if (zone != NULL) {
        text.len = (size_t)(zone - text.base);
    }
    return parse(text, address, &offset);
}

void address_of_socket(const struct sockaddr *from, uint8_t address[static ADDRESS_BYTES])
{
    memset(address, 0, ADDRESS_BYTES);
    if (from->sa_family == AF_INET6) {
        memcpy(address, &((const struct sockaddr_in6 *)from)->sin6_addr, ADDRESS_BYTES);
    } else if (from->sa_family == AF_INET) {
        memcpy(address, mapped, sizeof mapped);
        memcpy(address + sizeof mapped, &((const struct sockaddr_in *)from)->sin_addr,
               ADDRESS_BYTES - sizeof mapped);
    }
}

void address_print(const uint8_t address[static ADDRESS_BYTES], char text[static NETWORK_TEXT_MAX])
{
    bool v4 = memcmp(address, mapped, sizeof mapped) == 0;

    inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? address + sizeof mapped : address, text,
              NETWORK_TEXT_MAX);
}

/* The number after the slash, at most three digits. */
static int parse_bits(struct slice text, unsigned *bits)
{
    size_t i;

    if (text.len == 0 || text.len > 3) {
        return -1;
    }
    *bits = 0;
    for (i = 0; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return -1;
        }
        *bits = *bits * 10 + (unsigned)(text.base[i] - '0');
    }
    return 0;
}

static bool bit(const uint8_t address[static ADDRESS_BYTES], unsigned i)
{
    return (address[i / 8] >> (7 - i % 8) & 1) != 0;
}

int network_parse(struct slice text, struct network *n)
{
    const char *slash = text.len == 0 ? NULL : memchr(text.base, '/', text.len);
    struct slice address = text;
    unsigned bits = 8 * ADDRESS_BYTES;
    unsigned offset, i;

    if (slash != NULL) {
        address.len = (size_t)(slash - text.base);
    }
    if (parse(address, n->address, &offset) != 0) {
        return -1;
    }
    if (slash != NULL) {
        if (parse_bits((struct slice){slash + 1, text.len - address.len - 1}, &bits) != 0) {
            return -1;
        }
        bits += offset;
    }
    if (bits > 8 * ADDRESS_BYTES) {
        return -1;
    }
    for (i = bits; i < 8 * ADDRESS_BYTES; i++) {
        if (bit(n->address, i)) {
            return -1;
        }
    }
    n->bits = (uint8_t)bits;
    return 0;
}

bool network_holds(const struct network *n, const uint8_t address[static ADDRESS_BYTES])
{
    unsigned i;

    for (i = 0; i < n->bits; i++) {
        if (bit(n->address, i) != bit(address, i)) {
            return false;
        }
    }
    return true;
}

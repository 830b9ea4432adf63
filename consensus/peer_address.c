#include "consensus/peer_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

/* Splits at the last colon; a host with colons of its own must stand in brackets. */
static int split(const char *text, struct slice *host, struct slice *port)
{
    const char *colon = strrchr(text, ':');

    if (colon == NULL || strlen(text) >= PEER_ADDRESS_MAX) {
        return -1;
    }
    *port = slice_of(colon + 1);
    *host = (struct slice){text, (size_t)(colon - text)};
    if (host->len >= 2 && host->base[0] == '[' && host->base[host->len - 1] == ']') {
        host->base++;
        host->len -= 2;
        return host->len > 0 && memchr(host->base, ':', host->len) != NULL ? 0 : -1;
    }
    return host->len > 0 && memchr(host->base, ':', host->len) == NULL ? 0 : -1;
}

static int port_parse(struct slice text, uint16_t *port)
{
    uint32_t value = 0;
    size_t i;

    if (text.len == 0 || text.len > 5) {
        return -1;
    }
    for (i = 0; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return -1;
        }
        value = value * 10 + (uint32_t)(text.base[i] - '0');
    }
    if (value > UINT16_MAX) {
        return -1;
    }
    *port = (uint16_t)value;
    return 0;
}

/* Names are letters, digits, dot, hyphen, underscore: nothing else goes to the resolver. */
static bool name_valid(const char *host)
{
    return host[strspn(
               host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")] == '\0';
}

int peer_address_parse(struct peer_address *address, const char *text, bool listening,
                       struct fault *fault)
{
    struct slice host, port;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    memset(address, 0, sizeof *address);
    if (split(text, &host, &port) != 0 || port_parse(port, &address->port_number) != 0) {
        return fault_set(fault,
                         "'%.80s' is no peer address: expected host:port, such as 127.0.0.1:7001 "
                         "or [::1]:7001",
                         text);
    }
    if (address->port_number == 0 && !listening) {
        return fault_set(fault, "peer address '%s' needs a port from 1 to 65535", text);
    }
    memcpy(address->host, host.base, host.len);
    snprintf(address->port, sizeof address->port, "%u", address->port_number);
    if (uv_ip4_addr(address->host, address->port_number, &in4) == 0) {
        memcpy(&address->numeric, &in4, sizeof in4);
    } else if (uv_ip6_addr(address->host, address->port_number, &in6) == 0) {
        memcpy(&address->numeric, &in6, sizeof in6);
    } else if (!name_valid(address->host)) {
        return fault_set(fault, "peer address '%s' has neither a numeric host nor a host name",
                         text);
    }
    return 0;
}

bool peer_address_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const void *)address;
        return ntohl(in4->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
    }
    return false;
}

const struct sockaddr *peer_address_nth(const struct addrinfo *list, unsigned n)
{
    const struct addrinfo *a;
    unsigned count = 0;

    for (a = list; a != NULL; a = a->ai_next) {
        count++;
    }
    a = list;
    for (n %= count; n > 0; n--) {
        a = a->ai_next;
    }
    return a->ai_addr;
}

void peer_address_text(const struct sockaddr *address, char text[PEER_ADDRESS_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";

    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in4 = (const void *)address;
        uv_ip4_name(in4, host, sizeof host);
        snprintf(text, PEER_ADDRESS_MAX, "%s:%u", host, ntohs(in4->sin_port));
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        uv_ip6_name(in6, host, sizeof host);
        snprintf(text, PEER_ADDRESS_MAX, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(text, PEER_ADDRESS_MAX, "?");
    }
}

int peer_address_check(const char *text, struct fault *fault)
{
    struct peer_address address;

    if (peer_address_parse(&address, text, false, fault) != 0) {
        return -1;
    }
    if (address.numeric.ss_family != AF_UNSPEC &&
        !peer_address_loopback((const struct sockaddr *)&address.numeric)) {
        return fault_set(fault,
                         "peer address '%s' is not on loopback (127.0.0.0/8 or ::1): without TLS "
                         "peers are reached on the same machine only",
                         text);
    }
    return 0;
}

#include "api/forwarded.h"

#include <stdio.h>

int proxies_add(struct proxies *p, const char *address)
{
    if (p->n == PROXIES_MAX || address_parse(slice_of(address), p->address[p->n]) != 0) {
        return -1;
    }
    p->n++;
    return 0;
}

static bool trusted(const struct proxies *p, const char *peer)
{
    uint8_t address[ADDRESS_BYTES];
    unsigned i;

    if (p->n == 0 || address_parse(slice_of(peer), address) != 0) {
        return false;
    }
    for (i = 0; i < p->n; i++) {
        if (memcmp(address, p->address[i], ADDRESS_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* What stands behind the last comma, without the blanks around it. */
static struct slice last_of(const char *list)
{
    const char *comma = strrchr(list, ',');
    struct slice s = slice_of(comma == NULL ? list : comma + 1);

    while (s.len > 0 && (s.base[0] == ' ' || s.base[0] == '\t')) {
        s.base++;
        s.len--;
    }
    while (s.len > 0 && (s.base[s.len - 1] == ' ' || s.base[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

int forwarded_client(const struct proxies *p, const char *peer, const char *forwarded,
                     char client[static NETWORK_TEXT_MAX])
{
    uint8_t address[ADDRESS_BYTES];

    if (forwarded == NULL || !trusted(p, peer)) {
        snprintf(client, NETWORK_TEXT_MAX, "%s", peer);
        return 0;
    }
    if (address_parse(last_of(forwarded), address) != 0) {
        return -1;
    }
    address_print(address, client);
    return 0;
}

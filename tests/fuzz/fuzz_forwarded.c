/* The client's address out of any X-Forwarded-For. What comes out is an address in its one
 * spelling: asked for again it is the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/forwarded.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxies proxies = {.n = 0};
    char client[NETWORK_TEXT_MAX], again[NETWORK_TEXT_MAX];
    char *header = malloc(size + 1); /* as large as it is: a byte too far is found */

    if (header == NULL || proxies_add(&proxies, "127.0.0.1") != 0) {
        abort();
    }
    memcpy(header, data, size);
    header[size] = '\0';
    if (forwarded_client(&proxies, "127.0.0.1", header, client) == 0 &&
        (forwarded_client(&proxies, "127.0.0.1", client, again) != 0 ||
         strcmp(client, again) != 0)) {
        abort();
    }
    free(header);
    return 0;
}

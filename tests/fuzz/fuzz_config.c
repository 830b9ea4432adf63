/* The configuration file and the credential: any bytes, no crash, and a mistake is always said. */
#include <stdint.h>
#include <stdlib.h>

#include "cluster-config/config.h"
#include "cluster-config/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice text = {(const char *)data, len};
    struct credential_text credential;
    struct florin_config config;
    struct fault fault = {""};

    if (config_parse(text, "fuzz.conf", "/folder", &config, &fault) != 0 && fault.text[0] == '\0') {
        abort();
    }
    (void)credential_parse(text, &credential);
    return 0;
}

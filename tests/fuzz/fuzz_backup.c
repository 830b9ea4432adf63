/* The seal at the end of a backup: any bytes, no crash; what is taken can be written again and
 * gives the same bytes, but for those that nobody reads and the digest. */
#include <stdlib.h>
#include <string.h>

#include "statemachine/backup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t in[BACKUP_SEAL_BYTES] = {0};
    uint8_t out[BACKUP_SEAL_BYTES];
    struct backup_seal seal, again;
    struct backup_digest digest;
    struct fault fault = {""};

    memcpy(in, data, len < sizeof in ? len : sizeof in);
    if (backup_seal_decode(in, &seal, &fault) != 0) {
        must(fault.text[0] != '\0');
        return 0;
    }
    must(strlen(seal.cluster_id) <= BACKUP_CLUSTER_MAX);
    again = seal;
    backup_digest_begin(&digest);
    backup_digest_end(&digest, &again, out);
    must(backup_seal_decode(out, &again, &fault) == 0);
    must(again.state_bytes == 0 && again.applied_index == seal.applied_index &&
         again.seq == seal.seq && again.clock_ms == seal.clock_ms &&
         again.node_id == seal.node_id && strcmp(again.cluster_id, seal.cluster_id) == 0 &&
         memcmp(again.chain, seal.chain, sizeof seal.chain) == 0);
    return 0;
}

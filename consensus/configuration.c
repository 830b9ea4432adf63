#include "consensus/configuration.h"

#include <raft.h>

int configuration_encode(const struct configuration_member *members, size_t n, struct bytes *out,
                         struct fault *fault)
{
    struct raft_configuration configuration;
    struct raft_buffer buffer;
    size_t i;
    int rv = -1;

    raft_configuration_init(&configuration);
    if (n == 0) {
        return fault_set(fault, "a cluster needs at least one member");
    }
    for (i = 0; i < n; i++) {
        int error = raft_configuration_add(&configuration, members[i].id, members[i].address,
                                           (int)members[i].role);
        if (error != 0) {
            fault_set(fault, "member %llu at %s: %s", (unsigned long long)members[i].id,
                      members[i].address, raft_strerror(error));
            goto out;
        }
    }
    if (raft_configuration_encode(&configuration, &buffer) != 0) {
        fault_set(fault, "out of memory");
        goto out;
    }
    bytes_append(out, buffer.base, buffer.len);
    raft_free(buffer.base);
    rv = 0;
out:
    raft_configuration_close(&configuration);
    return rv;
}

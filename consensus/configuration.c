#include "consensus/configuration.h"

#include <raft.h>
#include <stdio.h>

#include "consensus/message.h"

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

bool configuration_address(struct slice encoded, uint64_t id, char address[MEMBER_ADDRESS_MAX])
{
    struct raft_buffer buffer = {(void *)(uintptr_t)encoded.base, encoded.len};
    struct raft_configuration c;
    bool found = false;
    unsigned i;

    raft_configuration_init(&c);
    if (!message_configuration_valid(encoded.base, encoded.len) ||
        raft_configuration_decode(&buffer, &c) != 0) {
        return false;
    }
    for (i = 0; i < c.n && !found; i++) {
        found = c.servers[i].id == id && strlen(c.servers[i].address) < MEMBER_ADDRESS_MAX;
        if (found) {
            snprintf(address, MEMBER_ADDRESS_MAX, "%s", c.servers[i].address);
        }
    }
    raft_configuration_close(&c);
    return found;
}

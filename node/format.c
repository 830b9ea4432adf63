#include "node/format.h"

#include <stdio.h>
#include <string.h>

#include "consensus/configuration.h"
#include "consensus/log.h"
#include "node/folders.h"

void node_folder(const struct florin_config *config, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", config->data_dir, name);
}

static int encode_members(const struct florin_config *config, struct bytes *out,
                          struct fault *fault)
{
    struct configuration_member members[CONFIG_MEMBERS_MAX];
    uint32_t i;

    for (i = 0; i < config->n_members; i++) {
        members[i] = (struct configuration_member){config->members[i].id,
                                                   config->members[i].address, MEMBER_VOTER};
    }
    return configuration_encode(members, config->n_members, out, fault);
}

int node_check_member(const struct florin_config *config, struct fault *fault)
{
    uint32_t i;

    for (i = 0; i < config->n_members; i++) {
        if (config->members[i].id == config->node_id) {
            return 0;
        }
    }
    return fault_set(fault,
                     "node_id is %llu, which no `member` line names. A node of a new cluster: name "
                     "it. A node for a running cluster: --format --join",
                     (unsigned long long)config->node_id);
}

int node_format(const struct florin_config *config, bool join, struct fault *fault)
{
    char path[CONFIG_PATH_MAX + 16];
    struct log_identity identity = {.node_id = config->node_id};
    struct log_entry first = {.index = 1, .term = 1, .type = LOG_CHANGE};
    struct bytes members;
    struct disk disk;
    int rv = -1;

    snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", config->cluster_id);
    bytes_init(&members);
    if (!join &&
        (node_check_member(config, fault) != 0 || encode_members(config, &members, fault) != 0)) {
        goto out;
    }
    first.data = members.base;
    first.len = members.len;
    node_folder(config, "state", path, sizeof path);
    if (folder_make(path, fault) != 0) {
        goto out;
    }
    node_folder(config, "raft", path, sizeof path);
    if (folder_make(path, fault) != 0) {
        goto out;
    }
    rv = disk_posix_open(&disk, path);
    if (rv != 0) {
        fault_set(fault, "can't open the folder %s: %s", path, strerror(-rv));
        rv = -1;
        goto out;
    }
    rv = log_format(&disk, &identity, join ? NULL : &first, fault);
    disk.release(disk.impl);
out:
    bytes_release(&members);
    return rv;
}

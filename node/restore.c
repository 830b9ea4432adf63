#include "node/restore.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/folders.h"
#include "node/format.h"
#include "node/seed.h"
#include "statemachine/backup.h"

enum { PATH_BYTES = CONFIG_PATH_MAX + 32, ENDING_BYTES = 4 };

/* The new cluster's id ends with the beginning of the backup's digest. So nodes that are made on
 * different machines are nodes of one cluster only if they were made of one backup; and none is a
 * node of the cluster that the backup is of. */
static int check_cluster_id(const char *cluster_id, const struct backup_seal *seal,
                            struct fault *fault)
{
    char ending[1 + 2 * ENDING_BYTES + 1] = "-";
    size_t len = strlen(cluster_id);

    sodium_bin2hex(ending + 1, sizeof ending - 1, seal->digest, ENDING_BYTES);
    if (len >= sizeof ending && strcmp(cluster_id + len - (sizeof ending - 1), ending) == 0) {
        return 0;
    }
    return fault_set(fault,
                     "cluster_id is %s: give the new cluster one that ends with %s, the beginning "
                     "of this backup's digest, for example restored%s, so that a node of another "
                     "backup, or of cluster %s, can never be taken for one of its nodes",
                     cluster_id, ending, ending, seal->cluster_id);
}

static int check_config(const struct florin_config *c, const struct backup_seal *seal,
                        struct fault *fault)
{
    bool empty;

    if (node_check_member(c, fault) != 0 || check_cluster_id(c->cluster_id, seal, fault) != 0) {
        return -1;
    }
    if (folder_is_empty(c->data_dir, &empty, fault) != 0) {
        return -1;
    }
    return empty ? 0
                 : fault_set(fault,
                             "%s is not empty; nothing was done. A node is restored into a "
                             "new folder",
                             c->data_dir);
}

/* Nodes that are made together must be nodes of one cluster. */
static int check_pair(const struct florin_config *a, const struct florin_config *b,
                      struct fault *fault)
{
    uint32_t i;

    if (strcmp(a->cluster_id, b->cluster_id) != 0) {
        return fault_set(fault, "the configs are of two clusters, %s and %s", a->cluster_id,
                         b->cluster_id);
    }
    if (a->node_id == b->node_id || strcmp(a->data_dir, b->data_dir) == 0) {
        return fault_set(fault, "two of the configs are of node %" PRIu64 " or in %s", b->node_id,
                         b->data_dir);
    }
    for (i = 0; i < a->n_members; i++) {
        if (a->n_members != b->n_members || a->members[i].id != b->members[i].id ||
            strcmp(a->members[i].address, b->members[i].address) != 0) {
            return fault_set(fault,
                             "the `member` lines of nodes %" PRIu64 " and %" PRIu64 " differ",
                             a->node_id, b->node_id);
        }
    }
    return 0;
}

static int make_state(const char *backup, const struct backup_seal *seal,
                      const struct florin_config *c, struct fault *fault)
{
    char folder[PATH_BYTES];
    char file[PATH_BYTES + 16];

    node_folder(c, "state", folder, sizeof folder);
    snprintf(file, sizeof file, "%s/data.mdb", folder);
    if (folder_make(folder, fault) != 0 || file_copy(backup, file, seal->state_bytes, fault) != 0) {
        return -1;
    }
    return folder_sync(folder, fault);
}

static int make_log(const struct backup_seal *seal, const struct machine *m,
                    const struct florin_config *c, struct fault *fault)
{
    struct configuration_member members[CONFIG_MEMBERS_MAX];
    struct seed seed = {
        .identity = {.node_id = c->node_id},
        .members = members,
        .n_members = c->n_members,
        .index = seal->applied_index,
        .term = 1,
        .vote_term = 1,
    };
    char folder[PATH_BYTES];
    char place[PATH_BYTES];
    uint32_t i;

    snprintf(seed.identity.cluster_id, sizeof seed.identity.cluster_id, "%s", c->cluster_id);
    machine_head(m, seed.head);
    for (i = 0; i < c->n_members; i++) {
        members[i] =
            (struct configuration_member){c->members[i].id, c->members[i].address, MEMBER_VOTER};
    }
    node_folder(c, "raft.new", folder, sizeof folder);
    node_folder(c, "raft", place, sizeof place);
    if (folder_make(folder, fault) != 0 || seed_log(&seed, folder, fault) != 0) {
        return -1;
    }
    if (rename(folder, place) != 0) {
        return fault_set(fault, "can't rename %s: %s", folder, strerror(errno));
    }
    return folder_sync(c->data_dir, fault);
}

static int open_sound(const char *backup, struct backup_seal *seal, struct machine **m,
                      struct fault *fault)
{
    uint8_t hash_key[16];

    randombytes_buf(hash_key, sizeof hash_key);
    if (backup_check(backup, seal, NULL, fault) != 0 ||
        backup_open(backup, seal, hash_key, m, fault) != 0) {
        return -1;
    }
    if (machine_audit(*m, fault) != 0) {
        machine_close(*m);
        return -1;
    }
    printf("%s: cluster %s up to seq %" PRIu64 ", entry %" PRIu64 ": whole, and it verifies\n",
           backup, seal->cluster_id, seal->seq, seal->applied_index);
    return 0;
}

int node_restore(const char *backup, const struct florin_config *configs, size_t n,
                 struct fault *fault)
{
    struct backup_seal seal;
    struct machine *m;
    size_t i;
    int rv = 0;

    if (open_sound(backup, &seal, &m, fault) != 0) {
        return -1;
    }
    for (i = 0; rv == 0 && i < n; i++) {
        rv = check_config(&configs[i], &seal, fault);
        if (rv == 0 && i > 0) {
            rv = check_pair(&configs[0], &configs[i], fault);
        }
    }
    for (i = 0; rv == 0 && i < n; i++) {
        rv = make_state(backup, &seal, &configs[i], fault);
        if (rv == 0) {
            rv = make_log(&seal, m, &configs[i], fault);
        }
        if (rv == 0) {
            printf("made %s for node %" PRIu64 " of cluster %s\n", configs[i].data_dir,
                   configs[i].node_id, configs[i].cluster_id);
        }
    }
    machine_close(m);
    return rv;
}

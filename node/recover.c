#define _GNU_SOURCE /* renameat2 */
#include "node/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cluster-config/value.h"
#include "node/folders.h"
#include "node/format.h"
#include "node/logfmt.h"
#include "node/seed.h"
#include "statemachine/backup.h"

enum { PATH_BYTES = CONFIG_PATH_MAX + 64 };

/* One survivor, opened. */
struct survivor {
    const struct florin_config *config;
    struct reporter reporter;
    struct disk disk;
    struct log *log;
    char state[PATH_BYTES]; /* its LMDB file */
    uint64_t last_index, last_term;
    uint64_t applied_index, applied_term;
    struct machine *machine;
    char address[MEMBER_ADDRESS_MAX]; /* where the others are to find it */
};

static int open_survivor_log(struct survivor *s, const struct florin_config *config,
                             struct fault *fault)
{
    struct log_identity identity = {.node_id = config->node_id};
    char path[PATH_BYTES];
    int rv;

    *s = (struct survivor){.config = config};
    logfmt_init(&s->reporter, LEVEL_WARN);
    snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", config->cluster_id);
    node_folder(config, "raft", path, sizeof path);
    rv = disk_posix_open(&s->disk, path);
    if (rv != 0) {
        return fault_set(fault, "can't open the folder %s: %s%s", path, strerror(-rv),
                         rv == -EBUSY ? ": this node runs; stop it first" : "");
    }
    if (log_open(&s->log, &s->disk, &identity, NULL, &s->reporter, fault) != 0) {
        s->disk.release(s->disk.impl);
        return -1;
    }
    return 0;
}

static void close_survivor(struct survivor *s)
{
    machine_close(s->machine);
    log_close(s->log);
    s->disk.release(s->disk.impl);
}

/* The term of an entry in the log, or of the last snapshot's. */
static int term_at(struct survivor *s, uint64_t index, uint64_t *term, struct fault *fault)
{
    const struct log_snapshot *snapshot = log_snapshot(s->log);
    struct log_entry entry;
    struct bytes data;
    int rv;

    if (index == snapshot->index) {
        *term = snapshot->term;
        return 0;
    }
    bytes_init(&data);
    rv = log_read(s->log, index, &entry, &data, fault);
    *term = entry.term;
    bytes_release(&data);
    return rv;
}

static int find_last(struct survivor *s, struct fault *fault)
{
    s->last_index = log_last_index(s->log);
    s->last_term = 0;
    return s->last_index == 0 ? 0 : term_at(s, s->last_index, &s->last_term, fault);
}

static void note_address(void *context, const struct log_entry *e)
{
    struct survivor *s = context;

    if (e->type == LOG_CHANGE) {
        configuration_address((struct slice){(const char *)e->data, e->len}, s->config->node_id,
                              s->address);
    }
}

/* What the config says counts, for the machine may have moved. That of a node which joined says
 * nothing, and what it listens on may be every address of the machine: its cluster knew better. */
static int find_address(struct survivor *s, struct fault *fault)
{
    const struct florin_config *c = s->config;
    const struct bytes *members = &log_snapshot(s->log)->configuration;
    uint32_t i;

    snprintf(s->address, sizeof s->address, "%s", c->peer_listen);
    configuration_address((struct slice){(const char *)members->base, members->len}, c->node_id,
                          s->address);
    if (log_walk(s->log, note_address, s, fault) != 0) {
        return -1;
    }
    for (i = 0; i < c->n_members; i++) {
        if (c->members[i].id == c->node_id) {
            snprintf(s->address, sizeof s->address, "%s", c->members[i].address);
        }
    }
    return 0;
}

static int open_state(struct survivor *s, struct fault *fault)
{
    const struct log_snapshot *snapshot = log_snapshot(s->log);
    char folder[PATH_BYTES - 16];
    uint8_t hash_key[16];

    node_folder(s->config, "state", folder, sizeof folder);
    snprintf(s->state, sizeof s->state, "%s/data.mdb", folder);
    randombytes_buf(hash_key, sizeof hash_key);
    if (backup_open_state(s->state, hash_key, &s->machine, fault) != 0) {
        return -1;
    }
    s->applied_index = machine_applied_index(s->machine);
    if (s->applied_index < snapshot->index || s->applied_index + 1 < log_first_index(s->log)) {
        return fault_set(fault,
                         "%s is damaged or was put back from another time: it ends at entry "
                         "%" PRIu64 ", and the log begins at %" PRIu64 ", behind a snapshot of "
                         "entry %" PRIu64,
                         s->state, s->applied_index, log_first_index(s->log), snapshot->index);
    }
    if (s->applied_index > s->last_index) { /* it came as a copy, and the log had not caught up */
        s->applied_term = log_term(s->log);
        s->last_index = s->applied_index;
        s->last_term = s->applied_term;
        return 0;
    }
    return s->applied_index == 0 ? 0 : term_at(s, s->applied_index, &s->applied_term, fault);
}

static int audit_state(struct survivor *s, struct fault *fault)
{
    struct fault why;

    if (machine_audit(s->machine, &why) != 0) {
        return fault_set(fault,
                         "%s does not verify: %.300s; recover another survivor, or restore "
                         "a backup",
                         s->state, why.text);
    }
    return 0;
}

int recover_parse_other(const char *text, struct recover_other *other, struct fault *fault)
{
    const char *colon = strchr(text, ':');
    const char *slash = colon == NULL ? NULL : strchr(colon, '/');

    if (slash == NULL || colon == text || (size_t)(colon - text) >= sizeof other->name ||
        value_number((struct slice){colon + 1, (size_t)(slash - colon - 1)}, &other->term) != 0 ||
        value_number(slice_of(slash + 1), &other->index) != 0) {
        return fault_set(fault,
                         "--other is \"%.100s\"; expected NODE:TERM/INDEX of its last entry, "
                         "as `recover` prints it there",
                         text);
    }
    memcpy(other->name, text, (size_t)(colon - text));
    other->name[colon - text] = '\0';
    return 0;
}

int recover_read_other(const struct florin_config *config, struct recover_other *other,
                       struct fault *fault)
{
    struct survivor s;
    int rv;

    if (open_survivor_log(&s, config, fault) != 0) {
        return -1;
    }
    rv = find_last(&s, fault);
    if (rv == 0) {
        rv = open_state(&s, fault);
    }
    snprintf(other->name, sizeof other->name, "%" PRIu64, config->node_id);
    other->term = s.last_term;
    other->index = s.last_index;
    close_survivor(&s);
    return rv;
}

/* The survivor whose log ends last; NULL: this one. */
static const struct recover_other *best_of(const struct survivor *s,
                                           const struct recover_options *o)
{
    const struct recover_other *best = NULL;
    uint64_t term = s->last_term;
    uint64_t index = s->last_index;
    size_t i;

    for (i = 0; i < o->n_others; i++) {
        const struct recover_other *other = &o->others[i];
        if (other->term > term || (other->term == term && other->index > index)) {
            best = other;
            term = other->term;
            index = other->index;
        }
    }
    return best;
}

static void say_what_is_there(const struct survivor *s)
{
    uint8_t check[MACHINE_CHECK_BYTES];
    char hex[2 * HASH_BYTES + 1];

    machine_head(s->machine, check);
    sodium_bin2hex(hex, sizeof hex, check + MACHINE_CHECK_BYTES - HASH_BYTES, HASH_BYTES);
    printf("node %" PRIu64 " of cluster %s, in %s\n", s->config->node_id, s->config->cluster_id,
           s->config->data_dir);
    printf("  state     up to entry %" PRIu64 ", seq %" PRIu64 ", chain head %s; it verifies\n",
           s->applied_index, machine_sequence(s->machine), hex);
    printf("  log       term %" PRIu64 ", entries %" PRIu64 " to %" PRIu64 ", snapshot at %" PRIu64
           "\n",
           log_term(s->log), log_first_index(s->log), log_last_index(s->log),
           log_snapshot(s->log)->index);
    printf("  to apply  %" PRIu64 " entries behind the state\n", s->last_index - s->applied_index);
    printf("  for `recover` on another survivor: --other %" PRIu64 ":%" PRIu64 "/%" PRIu64 "\n",
           s->config->node_id, s->last_term, s->last_index);
}

static void say_choice(const struct survivor *s, const struct recover_options *o)
{
    const struct recover_other *best = best_of(s, o);
    size_t i;

    if (o->n_others == 0) {
        puts("\nNothing is known of other survivors. Whatever was acknowledged and is not in this "
             "log\nis lost: run `recover` at each survivor first, and compare with --other.");
        return;
    }
    printf("\nsurvivors, by where their logs end (term/entry):\n");
    printf("  node %-10" PRIu64 "%" PRIu64 "/%" PRIu64 "%s\n", s->config->node_id, s->last_term,
           s->last_index, best == NULL ? "   the best choice" : "");
    for (i = 0; i < o->n_others; i++) {
        printf("  node %-10s%" PRIu64 "/%" PRIu64 "%s\n", o->others[i].name, o->others[i].term,
               o->others[i].index, best == &o->others[i] ? "   the best choice" : "");
    }
    if (best != NULL) {
        printf("Node %s has what this one lacks: recover that one.\n", best->name);
    }
}

static void say_plan(const struct survivor *s, const struct recover_options *o)
{
    printf("\nrecovering makes of it a cluster%s%s of one member, node %" PRIu64 ":\n"
           "- all %" PRIu64 " entries behind the state count, whether a majority had them or not:\n"
           "  each may have been acknowledged;\n"
           "- what never reached this node is lost, also what was acknowledged;\n"
           "- all that is here now is kept in %s/before-recovery\n"
           "  (that takes the state's size in disk once more);\n"
           "- the other nodes of cluster %s can never join it: remove their data, and add them as\n"
           "  new nodes under new ids.\n",
           o->cluster_id == NULL ? "" : " ", o->cluster_id == NULL ? "" : o->cluster_id,
           s->config->node_id, s->last_index - s->applied_index, s->config->data_dir,
           s->config->cluster_id);
}

/* ---- doing it ---- */

/* Both of one data folder's: the new log, and what is kept. */
static void path_in(const struct survivor *s, const char *name, char path[PATH_BYTES])
{
    node_folder(s->config, name, path, PATH_BYTES);
}

static int keep_state(const struct survivor *s, struct fault *fault)
{
    char folder[PATH_BYTES];
    char file[PATH_BYTES + 16];
    struct stat at;

    path_in(s, "recovering/state", folder);
    snprintf(file, sizeof file, "%s/data.mdb", folder);
    if (stat(s->state, &at) != 0) {
        return fault_set(fault, "can't look at %s: %s", s->state, strerror(errno));
    }
    if (folder_make(folder, fault) != 0 ||
        file_copy(s->state, file, (uint64_t)at.st_size, fault) != 0) {
        return -1;
    }
    return folder_sync(folder, fault);
}

static int make_log(const struct survivor *s, const char *cluster_id, struct fault *fault)
{
    const struct configuration_member self = {s->config->node_id, s->address, MEMBER_VOTER};
    struct seed seed = {
        .identity = {.node_id = s->config->node_id},
        .members = &self,
        .n_members = 1,
        .index = s->applied_index,
        .term = s->applied_term,
        .vote_term = log_term(s->log) + 1, /* what it decides from here on has terms of its own */
        .old = s->log,
    };
    char folder[PATH_BYTES];

    snprintf(seed.identity.cluster_id, sizeof seed.identity.cluster_id, "%s", cluster_id);
    machine_head(s->machine, seed.head);
    path_in(s, "recovering/raft", folder);
    return folder_make(folder, fault) != 0 ? -1 : seed_log(&seed, folder, fault);
}

/* The step that counts: the new log and the old one change places. Then the old one and the copy of
 * the state, together, get the name under which they are kept. */
static int exchange_logs(const struct survivor *s, struct fault *fault)
{
    char made[PATH_BYTES], raft[PATH_BYTES], folder[PATH_BYTES], kept[PATH_BYTES];

    path_in(s, "recovering/raft", made);
    path_in(s, "raft", raft);
    path_in(s, "recovering", folder);
    path_in(s, "before-recovery", kept);
    if (folder_sync(folder, fault) != 0) {
        return -1;
    }
    if (renameat2(AT_FDCWD, made, AT_FDCWD, raft, RENAME_EXCHANGE) != 0) {
        return fault_set(fault, "can't exchange %s and %s: %s", made, raft, strerror(errno));
    }
    if (folder_sync(s->config->data_dir, fault) != 0 || folder_sync(folder, fault) != 0) {
        return -1;
    }
    if (rename(folder, kept) != 0) {
        return fault_set(fault, "it is done, but %s could not be renamed to %s: %s", folder, kept,
                         strerror(errno));
    }
    return folder_sync(s->config->data_dir, fault);
}

static int do_it(const struct survivor *s, const struct recover_options *o, struct fault *fault)
{
    char folder[PATH_BYTES];
    bool empty;

    path_in(s, "before-recovery", folder);
    if (folder_is_empty(folder, &empty, fault) != 0) {
        return -1;
    }
    if (!empty) {
        return fault_set(fault, "%s holds what was kept by an earlier recovery: move it away",
                         folder);
    }
    path_in(s, "recovering", folder); /* cut short: nothing of it counts */
    if (folder_remove(folder, fault) != 0 || keep_state(s, fault) != 0 ||
        make_log(s, o->cluster_id, fault) != 0 || exchange_logs(s, fault) != 0) {
        return -1;
    }
    printf("\ndone. In this node's config set\n"
           "  cluster_id = %s\n"
           "  member = %" PRIu64 " %s\n"
           "(no other member), start florind, then add new nodes: florinctl cluster add.\n",
           o->cluster_id, s->config->node_id, s->address);
    return 0;
}

static int check_asked(const struct survivor *s, const struct recover_options *o,
                       struct fault *fault)
{
    const struct recover_other *best = best_of(s, o);

    if (o->cluster_id == NULL) {
        return fault_set(fault, "--yes needs --cluster-id, the name of the new cluster");
    }
    if (!id_valid(slice_of(o->cluster_id))) {
        return fault_set(fault, "--cluster-id is not an id: 1 to 64 characters of "
                                "A-Z a-z 0-9 . _ : -");
    }
    if (strcmp(o->cluster_id, s->config->cluster_id) == 0) {
        return fault_set(fault, "the new cluster needs another name than %s", o->cluster_id);
    }
    if (best != NULL) {
        return fault_set(fault,
                         "node %s has entries that this one lacks; nothing was done. If it can't "
                         "be recovered after all, leave it out of --other",
                         best->name);
    }
    return 0;
}

int node_recover(const struct recover_options *o, struct fault *fault)
{
    struct survivor s;
    int rv;

    if (open_survivor_log(&s, o->config, fault) != 0) {
        return -1;
    }
    rv = find_last(&s, fault);
    if (rv == 0) {
        rv = open_state(&s, fault);
    }
    if (rv == 0) {
        rv = audit_state(&s, fault);
    }
    if (rv == 0) {
        rv = find_address(&s, fault);
    }
    if (rv == 0) {
        say_what_is_there(&s);
        say_choice(&s, o);
        say_plan(&s, o);
    }
    if (rv == 0 && o->yes) {
        rv = check_asked(&s, o, fault);
        if (rv == 0) {
            rv = do_it(&s, o, fault);
        }
    } else if (rv == 0) {
        puts("\nNothing was done. To do it: the same with --cluster-id NEW_NAME --yes.");
    }
    close_survivor(&s);
    return rv;
}

#define _GNU_SOURCE /* renameat2 */
#include "node/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/format.h"
#include "node/node_private.h"
#include "statemachine/failpoint.h"

enum { PATH_BYTES = CONFIG_PATH_MAX + 32 };

static void path_in(const struct node *n, const char *folder, const char *file,
                    char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s%s%s", n->config.data_dir, folder, file[0] == '\0' ? "" : "/",
             file);
}

static int sync_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rv;

    if (fd < 0) {
        return -1;
    }
    rv = fsync(fd);
    close(fd);
    return rv;
}

/* The files of a state folder, not the folder. */
static void empty_folder(const struct node *n, const char *folder)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "installed"};
    char path[PATH_BYTES];
    size_t i;

    for (i = 0; i < sizeof files / sizeof files[0]; i++) {
        path_in(n, folder, files[i], path);
        unlink(path);
    }
}

int install_prepare(struct node *n, struct fault *fault)
{
    char path[PATH_BYTES];

    path_in(n, "state.new", "", path);
    empty_folder(n, "state.new");
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, "can't make the folder %s: %s", path, strerror(errno));
    }
    return 0;
}

bool install_state_may_lead(const struct node *n)
{
    char path[PATH_BYTES];

    path_in(n, "state", "installed", path);
    return access(path, F_OK) == 0;
}

void install_settled(struct node *n)
{
    char path[PATH_BYTES];

    path_in(n, "state", "installed", path);
    if (unlink(path) == 0) { /* most often there is none */
        FAILPOINT("install: mark removed");
    }
}

/* ---- the copy ---- */

static int write_state(void *context, int fd, struct fault *fault)
{
    struct node *n = context;

    return machine_copy(n->machine, fd, fault);
}

static uint64_t state_bytes(void *context)
{
    struct node *n = context;

    return machine_copy_bytes(n->machine);
}

static void sending(void *context, uint64_t peer, bool begins)
{
    struct node *n = context;

    replica_copying(n->replica, peer, begins);
}

static void fetched(void *context, bool ok)
{
    struct node *n = context;
    struct fault fault;

    n->pump_wanted = true;
    if (ok) {
        n->install_ready = true;
        return;
    }
    if (n->phase != PHASE_ENDED && replica_fetched(n->replica, false, &fault) != 0) {
        node_fatal(n, &fault);
    }
}

void install_open(struct node *n)
{
    struct copy_options options = {
        .loop = &n->loop,
        .reporter = n->reporter,
        .folder = n->install_folder,
        .file = "data.mdb",
        .write_state = write_state,
        .state_bytes = state_bytes,
        .room = room_for_copy,
        .sending = sending,
        .fetched = fetched,
        .rate = n->config.copy_rate,
        .context = n,
    };

    path_in(n, "state.new", "", n->install_folder);
    peer_links_transport(n->links, &options.transport);
    n->copy = copy_new(&options);
}

static void start(void *impl, uint64_t peer, uint64_t index, struct slice manifest)
{
    struct node *n = impl;

    n->install_ready = false;
    n->install_index = index;
    bytes_clear(&n->install_manifest);
    bytes_append(&n->install_manifest, manifest.base, manifest.len);
    empty_folder(n, "state.new");
    copy_fetch(n->copy, peer);
}

void install_bind(struct node *n, struct installer *installer)
{
    *installer = (struct installer){n, start};
}

/* ---- the exchange ---- */

/* Opens the copy as a machine and asks it what the manifest says; closes it again. */
static int check_copy(struct node *n, struct fault *fault)
{
    struct machine *machine;
    int rv = -1;

    if (n->install_manifest.len != MACHINE_CHECK_BYTES) {
        return fault_set(fault, "the manifest has %zu bytes", n->install_manifest.len);
    }
    if (node_open_machine_in(n, n->install_folder, &machine, fault) != 0) {
        return -1;
    }
    if (machine_applied_index(machine) < n->install_index) {
        fault_set(fault, "the copy ends at index %llu, before the snapshot's %llu",
                  (unsigned long long)machine_applied_index(machine),
                  (unsigned long long)n->install_index);
    } else if (machine_applied_index(machine) < machine_applied_index(n->machine)) {
        /* The log caught up while the copy was on its way: nothing that was applied is undone. */
        fault_set(fault, "this node has applied index %llu by now, the copy ends at %llu",
                  (unsigned long long)machine_applied_index(n->machine),
                  (unsigned long long)machine_applied_index(machine));
    } else {
        rv = machine_check(machine, n->install_manifest.base, fault);
    }
    machine_close(machine);
    return rv;
}

/* Says in the copy that it may be ahead of the log. */
static int mark(struct node *n, struct fault *fault)
{
    char marker[PATH_BYTES];
    int fd;

    path_in(n, "state.new", "installed", marker);
    fd = open(marker, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || close(fd) != 0 || sync_path(n->install_folder) != 0) {
        return fault_set(fault, "can't mark %s: %s", n->install_folder, strerror(errno));
    }
    FAILPOINT("install: copy marked");
    return 0;
}

/* Gives the copy the state's name and the state the copy's, in one step. */
static int exchange(struct node *n, struct fault *fault)
{
    char old[PATH_BYTES];

    path_in(n, "state", "", old);
    if (renameat2(AT_FDCWD, n->install_folder, AT_FDCWD, old, RENAME_EXCHANGE) != 0) {
        return fault_set(fault, "can't exchange %s and %s: %s", n->install_folder, old,
                         strerror(errno));
    }
    FAILPOINT("install: states exchanged");
    if (sync_path(n->config.data_dir) != 0) {
        return fault_set(fault, "can't sync %s: %s", n->config.data_dir, strerror(errno));
    }
    FAILPOINT("install: exchange synced");
    return 0;
}

static int install(struct node *n, struct fault *fault)
{
    struct fault why;
    char folder[PATH_BYTES];

    FAILPOINT("install: copy whole");
    if (check_copy(n, &why) != 0 || mark(n, &why) != 0) {
        empty_folder(n, "state.new");
        report(n->reporter, LEVEL_WARN, "node", "the fetched state can't be used", "why=\"%s\"",
               why.text);
        return replica_fetched(n->replica, false, fault);
    }
    machine_close(n->machine);
    n->machine = NULL;
    path_in(n, "state", "", folder);
    if (exchange(n, fault) != 0 || node_open_machine_in(n, folder, &n->machine, fault) != 0) {
        return -1;
    }
    FAILPOINT("install: new state open");
    empty_folder(n, "state.new");
    FAILPOINT("install: old state removed");
    n->room.checkpoint_waits = false; /* it was the old state's */
    report(n->reporter, LEVEL_INFO, "node", "installed the fetched state",
           "applied_index=%llu seq=%llu", (unsigned long long)machine_applied_index(n->machine),
           (unsigned long long)machine_sequence(n->machine));
    return replica_fetched(n->replica, true, fault);
}

int install_advance(struct node *n, struct fault *fault)
{
    copy_look(n->copy);
    if (!n->install_ready || checkpointer_busy(n->checkpointer)) {
        return 0;
    }
    if (copy_sending(n->copy)) {
        copy_stop_sending(n->copy); /* its thread reads the state that is to go */
        return 0;
    }
    if (!vault_close(n->vault)) {
        return 0; /* it wakes the loop when the last one has left */
    }
    n->install_ready = false;
    if (install(n, fault) != 0) {
        return -1;
    }
    vault_open(n->vault, n->machine);
    return 0;
}

#include "node/node_private.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "node/binding.h"
#include "node/crash.h"
#include "node/descriptors.h"
#include "node/format.h"

/* Entries on their way to one follower, and groups proposed but not applied. Two: one on its way to
 * disks and peers, and the next one gathering behind it. More only make groups smaller, and each
 * costs three nodes a sync; measured with batches of 1,024: 143,000 bets/s with two, 102,000 with
 * one, 82,000 with four. */
enum { INFLIGHT_ENTRIES = 64, GROUP_WINDOW = 2 };

/* With 16 clients a bet took 91 us of processor time when all went out at once, and takes 74 so, in
 * no more time; with a millisecond their bets took twice as long. */
enum { GATHER_FROM = 4, GATHER_US = 500 };

/* When the core offers a follower the snapshot again that has not said it has one. It may be at
 * fetching the state still, and then drops the offer; or it has finished with an older one than the
 * core last offered, and would hear nothing more until this is over. */
enum { INSTALL_TIMEOUT_MS = 3000 };

/* How long the log is kept for a peer that was sent the state and does not come on: it syncs what
 * it got and opens it. */
enum { HOLD_MS = 60000 };

/* Files, peers, LMDB, the loop: everything that is no HTTP connection. */
enum { OWN_DESCRIPTORS = 256 };

/* Ten million ids before the filter grows. */
enum { FILTER_BYTES = 16 << 20 };

static uint64_t clock_now_ms(void *impl)
{
    return node_now_ms(impl);
}

static uint64_t clock_now_us(void *impl)
{
    (void)impl;
    return uv_hrtime() / 1000;
}

uint64_t node_wall_ms(void *node)
{
    struct timespec now;

    (void)node;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int open_log(struct node *n, struct fault *fault)
{
    struct log_identity identity = {.node_id = n->config.node_id};
    struct log_options options = {.segment_bytes = n->config.segment_bytes};
    struct writer_options writer = {.wake = node_wake, .fatal = node_fatal, .context = n};
    char path[CONFIG_PATH_MAX + 16];
    int rv;

    snprintf(identity.cluster_id, sizeof identity.cluster_id, "%s", n->config.cluster_id);
    node_folder(&n->config, "raft", path, sizeof path);
    rv = disk_posix_open(&n->disk, path);
    if (rv == -ENOENT) {
        return fault_set(fault,
                         "there is no data in %s. A new node: run florind --config FILE --format "
                         "first. A node that lost its disk: never under its old id; "
                         "see docs/operations.md",
                         n->config.data_dir);
    }
    if (rv != 0) {
        return fault_set(fault, "can't open the folder %s: %s%s", path, strerror(-rv),
                         rv == -EBUSY ? ": does this node run already?" : "");
    }
    if (log_open(&n->log, &n->disk, &identity, &options, n->reporter, fault) != 0) {
        return -1;
    }
    writer.log = n->log;
    return writer_open(&n->writer, &writer, fault);
}

int node_open_machine_in(struct node *n, const char *folder, struct machine **machine,
                         struct fault *fault)
{
    struct machine_options options = {
        .changes_bytes_soft = n->config.checkpoint_bytes,
        .changes_bytes_hard = n->config.checkpoint_bytes_hard,
        .filter_bytes = FILTER_BYTES,
    };
    struct store store;

    randombytes_buf(options.hash_key, sizeof options.hash_key);
    if (store_lmdb_open(&store, folder, n->config.store_map_bytes, fault) != 0) {
        return -1;
    }
    store_lmdb_on_damage(&store, node_fatal, n);
    if (machine_open(machine, store, &options, fault) != 0) {
        store.close(store.impl);
        return -1;
    }
    return 0;
}

static int open_machine(struct node *n, struct fault *fault)
{
    char path[CONFIG_PATH_MAX + 16];

    if (install_prepare(n, fault) != 0) {
        return -1;
    }
    node_folder(&n->config, "state", path, sizeof path);
    if (node_open_machine_in(n, path, &n->machine, fault) != 0) {
        return -1;
    }
    warm_start(&n->warm, &n->loop, path, n->reporter);
    n->checkpointer = checkpointer_new(n->config.node_id, node_wake, n);
    vault_open(n->vault, n->machine);
    node_schedule_checkpoint(n);
    return 0;
}

bool node_tls_files(const struct node *n, struct tls_files *files)
{
    *files = (struct tls_files){.certificate = n->config.peer_certificate_file,
                                .key = n->config.peer_key_file,
                                .authority = n->config.peer_authority_file};
    return files->certificate[0] != '\0';
}

struct https_files node_https_files(const struct node *n)
{
    return (struct https_files){.certificate = n->config.https_certificate_file,
                                .key = n->config.https_key_file};
}

static int open_links(struct node *n, struct fault *fault)
{
    struct tls_files files;
    struct peer_options options = {
        .loop = &n->loop,
        .node_id = n->config.node_id,
        .cluster_id = n->config.cluster_id,
        .listen = n->config.peer_listen,
        .reporter = n->reporter,
        .on_frame = node_on_frame,
        .on_link = node_on_link,
        .on_lost = node_on_lost,
        .context = n,
    };
    uint8_t secret[CLUSTER_SECRET_BYTES];
    int rv;

    if (config_read_secret_file(n->config.cluster_secret_file, secret, fault) != 0) {
        return -1;
    }
    options.secret = secret;
    options.tls = node_tls_files(n, &files) ? &files : NULL;
    rv = peer_links_open(&n->links, &options, fault);
    sodium_memzero(secret, sizeof secret);
    return rv;
}

static const char *own_address(const struct florin_config *config)
{
    uint32_t i;

    for (i = 0; i < config->n_members; i++) {
        if (config->members[i].id == config->node_id) {
            return config->members[i].address;
        }
    }
    return config->peer_listen;
}

static int open_replica(struct node *n, struct fault *fault)
{
    struct replica_options options = {
        .driver =
            {
                .id = n->config.node_id,
                .address = own_address(&n->config),
                .reporter = n->reporter,
                .election_timeout_ms = n->config.election_timeout_ms,
                .heartbeat_ms = n->config.heartbeat_ms,
                .install_timeout_ms = INSTALL_TIMEOUT_MS,
                .inflight = INFLIGHT_ENTRIES,
                .trailing = (unsigned)n->config.raft_trailing,
                .hold_ms = HOLD_MS,
                .cache_bytes = n->config.cache_bytes,
            },
        .clock = {n, clock_now_ms, clock_now_us, node_wall_ms},
        .gate = n->gate,
        .group_bytes = n->config.group_bytes,
        .group_window = GROUP_WINDOW,
        .gather_from = GATHER_FROM,
        .gather_us = GATHER_US,
        .forward_max = n->config.queue_tickets,
        .forward_bytes_max = n->config.queue_bytes,
        .slow_ms = n->config.slow_request_ms,
        .state_may_lead = install_state_may_lead(n),
        .more_status = node_more_status,
        .context = n,
    };

    randombytes_buf(&options.driver.seed, sizeof options.driver.seed);
    binding_init(&options.fsm, &n->machine);
    writer_storage(n->writer, &options.driver.storage);
    peer_links_transport(n->links, &options.driver.transport);
    install_open(n);
    install_bind(n, &options.driver.installer);
    return replica_open(&n->replica, &options, n->log, fault);
}

static int open_api(struct node *n, struct fault *fault)
{
    const char *proxies[CONFIG_PROXIES_MAX];
    struct vault vault;
    struct api_server_options options = {
        .listen = n->config.http_listen,
        .https_listen = n->config.https_listen[0] != '\0' ? n->config.https_listen : NULL,
        .https_files = node_https_files(n),
        .num_threads = n->config.http_threads,
        .request_timeout_ms = n->config.http_request_timeout_ms,
        .keep_alive_timeout_ms = n->config.http_keep_alive_timeout_ms,
        .deadline_ms = n->config.request_timeout_ms,
        .slow_request_ms = n->config.slow_request_ms,
        .trusted_proxies = proxies,
        .n_trusted_proxies = n->config.n_http_trusted_proxies,
        .gate = n->gate,
        .vault = &vault,
        .reporter = n->reporter,
    };
    uint8_t box_key[CLUSTER_SECRET_BYTES];
    int rv;

    for (uint32_t i = 0; i < n->config.n_http_trusted_proxies; i++) {
        proxies[i] = n->config.http_trusted_proxies[i];
    }
    if (n->config.secret_box_file[0] != '\0') {
        if (config_read_secret_file(n->config.secret_box_file, box_key, fault) != 0) {
            return -1;
        }
        options.box_key = box_key;
    }
    vault_bind(n->vault, &vault);
    rv = api_server_start(&n->api, &options, fault);
    sodium_memzero(box_key, sizeof box_key);
    return rv;
}

int node_open(struct node **node, const struct florin_config *config, struct reporter *reporter,
              struct fault *fault)
{
    struct node *n = calloc(1, sizeof *n);
    struct gate_options gate = {
        .node_id = config->node_id,
        .max_tickets = config->queue_tickets,
        .max_bytes = config->queue_bytes,
        .target_ms = config->queue_target_ms,
        .wake = node_wake,
        .now_ms = node_now_ms,
        .context = n,
    };

    struct vault_options vault = {.node_id = config->node_id, .wake = node_wake, .context = n};
    unsigned descriptors;

    *node = NULL;
    if (n == NULL) {
        return fault_set(fault, "out of memory");
    }
    vault.cluster_id = n->config.cluster_id;
    n->config = *config;
    n->reporter = reporter;
    signal(SIGPIPE, SIG_IGN);
    crash_install();
    if (node_loop_start(n, fault) != 0) {
        return -1; /* the process ends: nothing is worth taking apart */
    }
    supervisor_init(&n->supervisor, node_now_ms(n));
    n->gate = gate_new(&gate);
    n->vault = vault_new(&vault);
    descriptors = api_server_descriptors_max(config->http_threads, config->https_listen[0] != '\0');
    if (descriptors_reserve(descriptors + OWN_DESCRIPTORS, fault) != 0 ||
        genesis_init(&n->genesis, config->operator_key_file, n->gate, reporter, fault) != 0 ||
        open_log(n, fault) != 0 || open_machine(n, fault) != 0 || open_links(n, fault) != 0 ||
        open_replica(n, fault) != 0 || open_api(n, fault) != 0) {
        return -1;
    }
    report(reporter, LEVEL_INFO, "node", "florind is up",
           "node=%llu http=%s https=%s peers=%s applied_index=%llu seq=%llu",
           (unsigned long long)config->node_id, config->http_listen,
           config->https_listen[0] != '\0' ? config->https_listen : "none", config->peer_listen,
           (unsigned long long)machine_applied_index(n->machine),
           (unsigned long long)machine_sequence(n->machine));
    supervisor_up(config->node_id, config->http_listen);
    *node = n;
    return 0;
}

int node_run(struct node *node)
{
    uv_run(&node->loop, UV_RUN_DEFAULT);
    return node->removed ? EXIT_REMOVED : 0;
}

/* The last checkpoint: what was applied needs no replay at the next start. Without room for it
 * there will be one: the log holds it all. */
static void last_checkpoint(struct node *n)
{
    struct fault fault;
    uint64_t index;
    uint64_t us;
    int rv;

    checkpointer_wait(n->checkpointer);
    rv = checkpointer_finish(n->checkpointer, &us, &fault);
    if (rv > 0) {
        rv = machine_checkpoint_end(n->machine, &index, &fault);
    }
    if (rv == 0 && machine_checkpoint_begin(n->machine)) {
        rv = machine_checkpoint_write(n->machine, &fault);
        rv = rv == 0 ? machine_checkpoint_end(n->machine, &index, &fault) : rv;
    }
    if (rv == STORE_NO_ROOM) {
        report(n->reporter, LEVEL_WARN, "node", "no room for a last checkpoint", "why=\"%s\"",
               fault.text);
    } else if (rv != 0) {
        node_fatal(n, &fault);
    }
    checkpointer_free(n->checkpointer);
}

static void close_loop(struct node *n)
{
    warm_stop(&n->warm);
    copy_close(n->copy, NULL, NULL);
    peer_links_close(n->links, NULL, NULL);
    uv_close((uv_handle_t *)&n->wake, NULL);
    uv_close((uv_handle_t *)&n->timer, NULL);
    short_timer_close(&n->gathered);
    uv_close((uv_handle_t *)&n->after_poll, NULL);
    uv_close((uv_handle_t *)&n->reading, NULL);
    uv_close((uv_handle_t *)&n->sigterm, NULL);
    uv_close((uv_handle_t *)&n->sigint, NULL);
    uv_close((uv_handle_t *)&n->sighup, NULL);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    uv_loop_close(&n->loop);
}

void node_close(struct node *n)
{
    struct storage_write *w;
    uint64_t seq = machine_sequence(n->machine);

    genesis_release(&n->genesis);
    replica_close(n->replica); /* answers every ticket, so that no worker waits any more */
    vault_close(n->vault);     /* whoever takes a backup or audits is to leave ... */
    api_server_stop(n->api);
    vault_close(n->vault);       /* ... and has left */
    writer_close(n->writer, &w); /* what was queued is durable now */
    while (w != NULL) {
        struct storage_write *next = w->next;
        driver_release_write(w);
        w = next;
    }
    last_checkpoint(n);
    close_loop(n);
    machine_close(n->machine);
    log_close(n->log);
    n->disk.release(n->disk.impl);
    bytes_release(&n->install_manifest);
    vault_free(n->vault);
    gate_free(n->gate);
    report(n->reporter, LEVEL_INFO, "node", "stopped", "seq=%llu", (unsigned long long)seq);
    free(n);
}

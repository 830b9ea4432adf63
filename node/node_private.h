/* The node's inside, shared by node.c (open, run, close) and node_loop.c (what the loop does). */
#ifndef FLORIN_NODE_PRIVATE_H
#define FLORIN_NODE_PRIVATE_H

#include <uv.h>

#include "api/server.h"
#include "consensus/copy.h"
#include "consensus/peer.h"
#include "consensus/replica.h"
#include "consensus/writer.h"
#include "node/checkpointer.h"
#include "node/genesis.h"
#include "node/install.h"
#include "node/node.h"
#include "node/room.h"
#include "node/short_timer.h"
#include "node/supervisor.h"
#include "node/vault.h"
#include "node/warm.h"

enum node_phase { PHASE_RUNNING, PHASE_DRAINING, PHASE_ENDED };

struct node {
    struct florin_config config;
    struct reporter *reporter;
    enum node_phase phase;
    bool removed; /* the cluster has said so */

    uv_loop_t loop;
    uv_async_t wake;             /* tickets wait, the log or a checkpoint is written */
    uv_timer_t timer;            /* when the replica wants to be called next */
    struct short_timer gathered; /* ... with what waits for company */
    uv_check_t after_poll;       /* one pump for all that one turn of the loop brought */
    uv_signal_t sigterm, sigint, sighup;
    bool pump_wanted;

    struct disk disk;
    struct log *log;
    struct writer *writer;
    struct machine *machine;
    struct gate *gate;
    struct peer_links *links;
    struct replica *replica;
    struct api_server *api;
    struct genesis genesis;
    struct supervisor supervisor;

    struct checkpointer *checkpointer;
    uint8_t checkpoint_head[MACHINE_CHECK_BYTES]; /* chain head when the set was frozen */
    uint64_t checkpoint_due_ms;
    uint64_t checkpoints, checkpoint_last_us, checkpoint_total_us;

    struct node_vault *vault; /* lets workers look at the machine */
    struct room room;
    struct warm warm;
    uv_timer_t reading;     /* active while known ids are read without entries */
    uint64_t read_at_index; /* applied when it last looked */

    struct copy *copy;  /* of the state, from or to a peer */
    bool install_ready; /* a copy is whole; exchange the states when nobody uses the old one */
    uint64_t install_index;
    struct bytes install_manifest;
    char install_folder[CONFIG_PATH_MAX + 32];

    uint64_t drain_until_ms;
};

/* node.c: a machine on the LMDB in `folder`. */
int node_open_machine_in(struct node *n, const char *folder, struct machine **machine,
                         struct fault *fault);

uint64_t node_wall_ms(void *node); /* node.c: the time of day */

/* node.c: the files that the config names for TLS between nodes; false: none. */
bool node_tls_files(const struct node *n, struct tls_files *files);

/* node.c: and for HTTPS. */
struct https_files node_https_files(const struct node *n);

/* node_loop.c */
int node_loop_start(struct node *n, struct fault *fault);
void node_wake(void *node); /* any thread */
uint64_t node_now_ms(void *node);
void node_schedule_checkpoint(struct node *n); /* the next one that is due by time */
void node_fatal(void *node, const struct fault *fault) __attribute__((noreturn));
void node_on_frame(void *node, uint64_t peer, enum frame_kind kind, struct slice frame);
void node_on_link(void *node, uint64_t peer, bool up);
void node_on_lost(void *node, uint64_t peer);
void node_more_status(void *node, struct cluster_status *status);

#endif

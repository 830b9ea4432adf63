/* The host of one replica that is driven by hand, with a ledger of counters: a command's outcome,
 * and a query's answer, is how many commands were applied. */
#ifndef FLORIN_REPLICA_HOST_H
#define FLORIN_REPLICA_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "consensus/replica.h"
#include "tests/sim/sim_disk.h"

enum { FRAMES_MAX = 64, HOST_TIMEOUT_MS = 10000 };

struct frame {
    uint64_t peer;
    enum frame_kind kind;
    struct bytes bytes;
};

enum { HOST_EXPECTED = 2 };

struct host {
    struct sim_disk *disk;
    struct disk files;
    struct log *log;
    struct gate *gate;
    struct replica *replica;
    struct storage_write *writes, **writes_last;
    struct frame sent[FRAMES_MAX];
    size_t n_sent;
    bool refuses;      /* every send fails */
    unsigned takes;    /* when not zero: so many sends more, then it refuses */
    bool disconnected; /* no link is up */
    uint64_t now_ms, wall_ms;
    unsigned us; /* and so many microseconds, by the finer clock */
    uint64_t applied, count;
    struct slice expected[HOST_EXPECTED]; /* commands that come next */
    unsigned n_expected;
    bool state_may_lead; /* the state came by a copy that is ahead of the log */
    unsigned gather_us;  /* after two that went out together; taken by host_start */
    unsigned fetches;    /* states that were to be fetched */
    struct reporter reporter;
    char line[300]; /* the last one about forwarded work */
    unsigned lines;
};

extern const struct log_options host_log_options;

/* A cluster of 1 .. members, of which this is 1; started with seed 7. */
struct host *host_new(unsigned members);
void host_free(struct host *h);

/* The process ends and begins; what was written stays. */
void host_stop(struct host *h);
void host_start(struct host *h, unsigned seed);

void host_pump(struct host *h);
void host_write_all(struct host *h); /* and pumps after each write */
void host_forget_sent(struct host *h);

/* The leader of the term says that it is there; pumps and writes. */
void host_heartbeat(struct host *h, uint64_t leader, uint64_t term);

/* A ticket with n equal commands, or with a query's text. */
struct ticket *host_hand_in(struct host *h, enum ticket_kind kind, unsigned n, const char *text);

/* The state machine's part of the options, for a replica that is to be refused. */
void host_state_options(struct host *h, struct replica_options *o);

#endif

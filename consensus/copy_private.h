/* The copy's inside, shared by copy.c (frames, life), copy_send.c and copy_fetch.c.
 *
 * Frames: u8 version, u8 what, u64 number (the receiver's, one for each fetch), then
 *   ASK    u8 the newest sum it knows      receiver -> sender
 *   BEGIN  u64 about how many bytes,       sender -> receiver
 *          u8 which sum it will be
 *   PIECE  u64 offset, bytes
 *   END    u64 bytes, 32 bytes of sum
 *   ACK    u64 bytes written               receiver -> sender
 *   STOP   nothing                         either: it gave up
 * Programs of before say nothing of a sum and skip what is said: then it is BLAKE2b. */
#ifndef FLORIN_COPY_PRIVATE_H
#define FLORIN_COPY_PRIVATE_H

#include "consensus/copy.h"
#include "consensus/copy_file.h"
#include "consensus/copy_sum.h"

enum {
    COPY_CHUNK = 256 << 10,
    COPY_WINDOW = 4 << 20,
    COPY_QUIET_MS = 10000,
};
enum copy_what { COPY_ASK = 1, COPY_BEGIN, COPY_PIECE, COPY_END, COPY_ACK, COPY_STOP };

struct copy_sender {
    struct copy *copy;
    bool used;
    bool thread_done;      /* freed when this, */
    unsigned open_handles; /* ... and these are closed: the pipe and the timer */
    uint64_t peer, number;
    uv_pipe_t pipe;
    bool pipe_open, reading, at_end;
    uv_work_t work;
    int write_fd;
    int write_rv;
    struct fault fault;
    uint64_t sent, acknowledged;
    uint64_t total; /* about */
    uint64_t began_ms;
    uint64_t moved_ms; /* when one of the two last grew */
    uint64_t next_us;  /* when the next piece may go, for the rate's sake */
    uv_timer_t later;
    struct copy_sum sum;
    uint8_t *chunk;
};

struct copy_fetch_state {
    bool active;
    bool ended; /* all has come; the thread pool makes it durable */
    uint64_t peer, number;
    uint64_t received, total;
    uint64_t said_ms;  /* last progress line */
    uint64_t moved_ms; /* when a chunk last came */
    uint64_t began_ms;
    struct copy_file *file;
    struct copy_sum sum;
};

struct copy {
    struct copy_options options;
    char path[1200];
    struct copy_sender senders[COPY_SENDERS_MAX];
    struct copy_fetch_state fetch;
    unsigned files; /* not yet closed; the last one may be of a fetch that was given up */
    uint64_t next_number;
    bool closing;
    void (*done)(void *context);
    void *done_context;
    struct bytes frame;
};

/* copy.c */
uint64_t copy_now_ms(void);
bool copy_quiet(const struct copy *c, uint64_t moved_ms); /* for too long */
void copy_frame_begin(struct copy *c, enum copy_what what, uint64_t number);
bool copy_post(struct copy *c, uint64_t peer);
void copy_maybe_done(struct copy *c);

/* copy_send.c */
void copy_send_start(struct copy *c, uint64_t peer, uint64_t number, enum copy_sum_kind sum);
void copy_send_acknowledged(struct copy *c, uint64_t peer, uint64_t number, uint64_t bytes);
void copy_send_stop(struct copy *c, uint64_t peer, uint64_t number);
void copy_sender_stop(struct copy_sender *s);
void copy_send_look(struct copy *c);

/* copy_fetch.c */
void copy_fetch_begin(struct copy *c, uint64_t total, enum copy_sum_kind sum);
void copy_fetch_chunk(struct copy *c, uint64_t offset, struct slice bytes);
void copy_fetch_end(struct copy *c, uint64_t bytes, const uint8_t *sum);
void copy_fetch_fail(struct copy *c, const char *why);
void copy_fetch_look(struct copy *c);

#endif

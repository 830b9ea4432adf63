/* What consensus/ asks of the state machine that it replicates. node/ and the simulator bind it to
 * statemachine/. All functions are called on the loop thread; -1 means this replica is broken. */
#ifndef FLORIN_FSM_H
#define FLORIN_FSM_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum { FSM_CHECK_BYTES = 40 };

struct fsm {
    void *impl;

    uint64_t (*applied_index)(void *impl);

    /* True when `apply` would take these bytes as a command: asked before what a peer sent goes
     * into the log, where a malformed command would stop every node. */
    bool (*valid)(void *impl, struct slice command);

    /* The command that comes next after those that were expected so far, in this entry; its bytes
     * stay until it was applied. A hint: the state machine may fetch what it will need. False: not
     * now, say it again after the next `apply`. */
    bool (*expect)(void *impl, struct slice command);

    /* One command of the entry at `index`; appends its outcome unless `outcome` is NULL. */
    int (*apply)(void *impl, uint64_t index, uint64_t time_ms, struct slice command,
                 struct bytes *outcome, struct fault *fault);
    /* Ends every entry, also those without commands. */
    int (*end_entry)(void *impl, uint64_t index, struct fault *fault);

    /* False while the set of changes is full: entries wait, committed but not applied. */
    bool (*ready)(void *impl);

    /* Appends the answer; -1: malformed query; *broken: the replica is. */
    int (*query)(void *impl, struct slice query, struct bytes *answer, bool *broken,
                 struct fault *fault);

    /* The state's fingerprint for the log, and the comparison on the other side. */
    void (*head)(void *impl, uint8_t check[FSM_CHECK_BYTES]);
    int (*check)(void *impl, const uint8_t check[FSM_CHECK_BYTES], struct fault *fault);

    uint64_t (*sequence)(void *impl);
    uint64_t (*clock_ms)(void *impl);
    uint64_t (*directory_version)(void *impl);
};

#endif

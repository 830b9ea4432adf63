/* The first operator's key: a new ledger knows nobody, so nobody could make the first key through
 * the API. The first leader puts the credential of `operator_key_file` into the log, as a command
 * like any other, when the ledger has no keys at all.
 *
 * It asks first, with a linearizable read: a ledger that ever had a key is left alone, whatever the
 * file says by then. */
#ifndef FLORIN_GENESIS_H
#define FLORIN_GENESIS_H

#include "cluster-config/secret.h"
#include "consensus/gate.h"
#include "statemachine/command.h"

enum genesis_step { GENESIS_IDLE, GENESIS_ASKING, GENESIS_CREATING, GENESIS_DONE };

struct genesis {
    enum genesis_step step;
    bool refused; /* no room on disks: whoever looks after that says when to try again */
    struct gate *gate;
    struct reporter *reporter;
    struct ticket *ticket;
    char key[ID_MAX + 1];
    uint8_t secret_hash[32];
};

/* Reads the credential; an empty path means that there is nothing to do. 0, or -1 with the fault.
 */
int genesis_init(struct genesis *g, const char *path, struct gate *gate, struct reporter *reporter,
                 struct fault *fault);
void genesis_release(struct genesis *g);

/* After each pump of the loop: takes the next step when it can. Never waits. */
void genesis_advance(struct genesis *g);

#endif

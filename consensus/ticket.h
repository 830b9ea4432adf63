/* The inside of a ticket: its state, its lock, who still holds it. For gate.c only. */
#ifndef FLORIN_TICKET_H
#define FLORIN_TICKET_H

#include <pthread.h>
#include <semaphore.h>

#include "consensus/submit.h"

enum ticket_state { TICKET_QUEUED, TICKET_ENTERED, TICKET_ABANDONED, TICKET_DONE };

struct ticket_private {
    pthread_mutex_t lock;
    sem_t done; /* A condition would cost one more system call: who was woken by one takes the lock
                   as if others waited for it, and wakes them. */
    enum ticket_state state;
    bool entered; /* when abandoned: had it entered? */
    atomic_int references;
    uint64_t handed_in_ms, deadline_ms;
    struct gate *gate; /* to give its place back; NULL before it was handed in */
};

#endif

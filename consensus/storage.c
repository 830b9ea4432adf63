/* One write on the log: the same code under the writer's thread and under the simulator. */
#include "consensus/storage.h"

int storage_perform(struct log *log, const struct storage_write *w, struct fault *fault)
{
    switch (w->kind) {
    case STORAGE_ENTRIES:
        return log_append(log, w->entries, w->n_entries, fault);
    case STORAGE_VOTE:
        return log_set_vote(log, w->term, w->vote, fault);
    case STORAGE_SNAPSHOT:
        if (log_set_snapshot(log, &w->snapshot, fault) != 0) {
            return -1;
        }
        return log_cut_before(log, w->cut_before, fault);
    case STORAGE_INSTALL:
        if (log_set_snapshot(log, &w->snapshot, fault) != 0) {
            return -1;
        }
        return log_restart_after(log, w->snapshot.index, fault);
    }
    return fault_set(fault, "storage was asked for something it doesn't know (%d)", (int)w->kind);
}

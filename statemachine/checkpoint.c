/* Checkpoints: freeze, write on another thread, thaw.
 *
 * Guarantee: the store holds the state of one applied index, whole, with that index in it.
 *
 *   idle --begin--> frozen --write, fold ... (other thread)--> written --end--> idle
 *
 * The caller orders these calls (a thread start and join, or a condition). While frozen, the
 * loop goes on applying to the new set; it never writes the frozen one. */
#include "statemachine/machine_private.h"

bool machine_ready(const struct machine *m)
{
    return layers_size(&m->state.layers) < m->options.changes_bytes_hard;
}

bool machine_checkpoint_wanted(const struct machine *m)
{
    const struct layers *l = &m->state.layers;

    return !l->frozen && (layers_active_size(l) >= m->options.changes_bytes_soft ||
                          layers_active_size(l) >= m->options.changes_bytes_hard);
}

bool machine_checkpoint_possible(const struct machine *m)
{
    return !m->state.layers.frozen && !m->in_entry && !m->broken &&
           m->applied_index != m->durable_index;
}

bool machine_checkpoint_begin(struct machine *m)
{
    if (!machine_checkpoint_possible(m)) {
        return false;
    }
    state_put_meta(&m->state, m->applied_index);
    layers_freeze(&m->state.layers);
    m->frozen_index = m->applied_index;
    return true;
}

int machine_checkpoint_write(struct machine *m, struct fault *fault)
{
    return layers_write(&m->state.layers, fault);
}

int machine_checkpoint_fold(struct machine *m, size_t most, struct fault *fault)
{
    return layers_fold(&m->state.layers, most, fault);
}

int machine_checkpoint_end(struct machine *m, uint64_t *applied_index, struct fault *fault)
{
    if (layers_thaw(&m->state.layers, fault) != 0) {
        m->broken = true;
        return -1;
    }
    m->durable_index = m->frozen_index;
    *applied_index = m->durable_index;
    return 0;
}

size_t machine_changes_bytes(const struct machine *m)
{
    return layers_size(&m->state.layers);
}

size_t machine_new_changes_bytes(const struct machine *m)
{
    return layers_active_size(&m->state.layers);
}

int machine_copy(const struct machine *m, int fd, struct fault *fault)
{
    const struct store *store = &m->state.layers.store;

    return store->copy(store->impl, fd, fault);
}

uint64_t machine_copy_bytes(const struct machine *m)
{
    const struct store *store = &m->state.layers.store;

    return store->bytes(store->impl);
}

int machine_view(const struct machine *m, struct machine **view, struct fault *fault)
{
    const struct store *store = &m->state.layers.store;
    struct store seen;

    *view = NULL;
    if (store->view(store->impl, &seen, fault) != 0) {
        return -1;
    }
    if (machine_open(view, seen, &m->options, fault) != 0) {
        seen.close(seen.impl);
        return -1;
    }
    return 0;
}

#include "tests/model/engine.h"

void engine_open(struct engine *e, const struct script *s)
{
    memset(e, 0, sizeof *e);
    fixture_open(&e->f, (uint8_t)s->seed);
    e->script = s;
    e->applied = calloc(s->n + 1, sizeof *e->applied);
    if (e->applied == NULL) {
        fprintf(stderr, "model: out of memory\n");
        exit(1);
    }
}

void engine_close(struct engine *e)
{
    size_t i;

    for (i = 0; i < ENGINE_AHEAD; i++) {
        bytes_release(&e->commands[i]);
    }
    fixture_close(&e->f);
    free(e->applied);
}

static uint64_t hash_of(const struct bytes *b)
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    size_t i;

    for (i = 0; i < b->len; i++) {
        h = (h ^ b->base[i]) * 1099511628211u;
    }
    return h;
}

/* Encodes this step's command, and tells the machine of those that follow in its entry, as a node
 * does. */
static const struct bytes *expect(struct engine *e, size_t step)
{
    const struct step *steps = e->script->steps;
    size_t next;

    for (next = e->expected > step ? e->expected : step;
         next < e->script->n && next < step + ENGINE_AHEAD &&
         (next == step || !steps[next - 1].ends_entry);
         next++) {
        struct bytes *command = &e->commands[next % ENGINE_AHEAD];

        bytes_clear(command);
        command_encode(steps[next].command, command);
        if (!machine_expect(e->f.machine, command->base, command->len)) {
            break;
        }
        e->expected = next + 1;
    }
    return &e->commands[step % ENGINE_AHEAD];
}

static int apply(struct engine *e, size_t step, uint64_t index)
{
    const struct step *s = &e->script->steps[step];
    const struct bytes *command = expect(e, step);
    struct fixture *f = &e->f;

    bytes_clear(&f->outcome_bytes);
    if (machine_apply(f->machine, index, s->time_ms, command->base, command->len, &f->outcome_bytes,
                      &f->fault) != 0 ||
        machine_invariants(f->machine, &f->fault) != 0) {
        return -1;
    }
    if (s->ends_entry && machine_end_entry(f->machine, index, &f->fault) != 0) {
        return -1;
    }
    f->index = s->ends_entry ? index : f->index;
    e->in_entry = !s->ends_entry;
    return 0;
}

int engine_reopen(struct engine *e)
{
    size_t i;

    if (fixture_reopen(&e->f) != 0) {
        return -1;
    }
    e->phase = PHASE_NONE;
    e->expected = 0;
    for (i = 0; i < e->n; i++) {
        if (e->applied[i].index <= machine_applied_index(e->f.machine)) {
            continue;
        }
        if (apply(e, i, e->applied[i].index) != 0) {
            return -1;
        }
        if (hash_of(&e->f.outcome_bytes) != e->applied[i].outcome_hash) {
            return fault_set(&e->f.fault, "command %zu was answered otherwise after a restart",
                             i + 1);
        }
    }
    return 0;
}

static int checkpoint(struct engine *e, unsigned before)
{
    struct fixture *f = &e->f;
    uint64_t durable;

    if ((before & STEP_CHECKPOINT_BEGIN) && e->phase == PHASE_NONE &&
        machine_checkpoint_begin(f->machine)) {
        e->phase = PHASE_BEGUN;
    }
    if ((before & STEP_CHECKPOINT_WRITE) && e->phase == PHASE_BEGUN) {
        if (machine_checkpoint_write(f->machine, &f->fault) != 0) {
            return -1;
        }
        e->phase = PHASE_WRITTEN;
    }
    if ((before & STEP_CHECKPOINT_END) && e->phase == PHASE_WRITTEN) {
        e->phase = PHASE_NONE;
        return machine_checkpoint_end(f->machine, &durable, &f->fault);
    }
    return 0;
}

int engine_step(struct engine *e)
{
    const struct step *s = &e->script->steps[e->n];
    struct applied *applied = &e->applied[e->n];

    if (checkpoint(e, s->before) != 0 ||
        ((s->before & STEP_REOPEN) && !e->in_entry && engine_reopen(e) != 0)) {
        return -1;
    }
    applied->index = e->f.index + 1;
    if (apply(e, e->n, applied->index) != 0) {
        return -1;
    }
    applied->outcome_hash = hash_of(&e->f.outcome_bytes);
    e->n++;
    return outcome_decode(e->f.outcome_bytes.base, e->f.outcome_bytes.len, &e->f.outcome,
                          &e->f.fault);
}

int engine_ask(struct engine *e, const struct query *q, struct answer *a, struct bytes *bytes)
{
    struct bytes in;
    bool broken;
    int rc;

    bytes_init(&in);
    bytes_clear(bytes);
    query_encode(q, &in);
    rc = machine_query(e->f.machine, in.base, in.len, bytes, &broken, &e->f.fault);
    bytes_release(&in);
    return rc == 0 ? answer_decode(bytes->base, bytes->len, a, &e->f.fault) : -1;
}

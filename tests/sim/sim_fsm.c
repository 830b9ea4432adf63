/* The state machine as consensus/ sees it, with a look at everything that passes. */
#include "tests/sim/sim_check.h"
#include "tests/sim/sim_node.h"

static uint64_t fsm_applied_index(void *impl)
{
    return machine_applied_index(((struct node *)impl)->machine);
}

static bool fsm_valid(void *impl, struct slice command)
{
    struct command c;
    struct fault fault;

    (void)impl;
    return command_decode(command.base, command.len, &c, &fault) == 0;
}

static bool fsm_expect(void *impl, struct slice command)
{
    return machine_expect(((struct node *)impl)->machine, command.base, command.len);
}

static int fsm_apply(void *impl, uint64_t index, uint64_t time_ms, struct slice command,
                     struct bytes *outcome, struct fault *fault)
{
    struct node *n = impl;
    struct bytes *out = outcome == NULL ? &n->scratch : outcome;
    size_t at;

    if (outcome == NULL) {
        bytes_clear(&n->scratch);
    }
    at = out->len;
    if (index != n->applied + 1) {
        return fault_set(fault, "index %llu is applied after %llu", (unsigned long long)index,
                         (unsigned long long)n->applied);
    }
    if (machine_apply(n->machine, index, time_ms, command.base, command.len, out, fault) != 0) {
        return -1;
    }
    n->outcomes = mix_bytes(n->outcomes, out->base + at, out->len - at);
    check_outcome(n->world, n, index, (struct slice){(const char *)out->base + at, out->len - at});
    return 0;
}

static int fsm_end_entry(void *impl, uint64_t index, struct fault *fault)
{
    struct node *n = impl;

    if (index != n->applied + 1) {
        return fault_set(fault, "entry %llu ends after %llu", (unsigned long long)index,
                         (unsigned long long)n->applied);
    }
    if (machine_end_entry(n->machine, index, fault) != 0 ||
        machine_invariants(n->machine, fault) != 0) {
        return -1;
    }
    n->applied = index;
    check_entry(n->world, n, index);
    n->outcomes = 0;
    return 0;
}

static bool fsm_ready(void *impl)
{
    return machine_ready(((struct node *)impl)->machine);
}

static int fsm_query(void *impl, struct slice query, struct bytes *answer, bool *broken,
                     struct fault *fault)
{
    struct node *n = impl;

    return machine_query(n->machine, query.base, query.len, answer, broken, fault);
}

static void fsm_head(void *impl, uint8_t check[FSM_CHECK_BYTES])
{
    machine_head(((struct node *)impl)->machine, check);
}

static int fsm_check(void *impl, const uint8_t check[FSM_CHECK_BYTES], struct fault *fault)
{
    return machine_check(((struct node *)impl)->machine, check, fault);
}

static uint64_t fsm_sequence(void *impl)
{
    return machine_sequence(((struct node *)impl)->machine);
}

static uint64_t fsm_clock_ms(void *impl)
{
    return machine_clock_ms(((struct node *)impl)->machine);
}

static uint64_t fsm_directory_version(void *impl)
{
    return machine_directory_version(((struct node *)impl)->machine);
}

void node_fsm(struct node *n, struct fsm *fsm)
{
    *fsm = (struct fsm){
        .impl = n,
        .applied_index = fsm_applied_index,
        .valid = fsm_valid,
        .expect = fsm_expect,
        .apply = fsm_apply,
        .end_entry = fsm_end_entry,
        .ready = fsm_ready,
        .query = fsm_query,
        .head = fsm_head,
        .check = fsm_check,
        .sequence = fsm_sequence,
        .clock_ms = fsm_clock_ms,
        .directory_version = fsm_directory_version,
    };
}

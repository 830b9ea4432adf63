#include "node/binding.h"

_Static_assert((int)FSM_CHECK_BYTES == (int)MACHINE_CHECK_BYTES, "the check travels whole");

static struct machine *machine_of(void *impl)
{
    return *(struct machine **)impl;
}

static uint64_t bound_applied_index(void *impl)
{
    return machine_applied_index(machine_of(impl));
}

static bool bound_valid(void *impl, struct slice command)
{
    struct command decoded;
    struct fault fault;

    (void)impl;
    return command.len <= COMMAND_BYTES_MAX &&
           command_decode(command.base, command.len, &decoded, &fault) == 0;
}

static bool bound_expect(void *impl, struct slice command)
{
    return machine_expect(machine_of(impl), command.base, command.len);
}

static int bound_apply(void *impl, uint64_t index, uint64_t time_ms, struct slice command,
                       struct bytes *outcome, struct fault *fault)
{
    return machine_apply(machine_of(impl), index, time_ms, command.base, command.len, outcome,
                         fault);
}

static int bound_end_entry(void *impl, uint64_t index, struct fault *fault)
{
    return machine_end_entry(machine_of(impl), index, fault);
}

static bool bound_ready(void *impl)
{
    return machine_ready(machine_of(impl));
}

static int bound_query(void *impl, struct slice query, struct bytes *answer, bool *broken,
                       struct fault *fault)
{
    return machine_query(machine_of(impl), query.base, query.len, answer, broken, fault);
}

static void bound_head(void *impl, uint8_t check[FSM_CHECK_BYTES])
{
    machine_head(machine_of(impl), check);
}

static int bound_check(void *impl, const uint8_t check[FSM_CHECK_BYTES], struct fault *fault)
{
    return machine_check(machine_of(impl), check, fault);
}

static uint64_t bound_sequence(void *impl)
{
    return machine_sequence(machine_of(impl));
}

static uint64_t bound_clock_ms(void *impl)
{
    return machine_clock_ms(machine_of(impl));
}

static uint64_t bound_directory_version(void *impl)
{
    return machine_directory_version(machine_of(impl));
}

void binding_init(struct fsm *fsm, struct machine **machine)
{
    *fsm = (struct fsm){
        .impl = machine,
        .applied_index = bound_applied_index,
        .valid = bound_valid,
        .expect = bound_expect,
        .apply = bound_apply,
        .end_entry = bound_end_entry,
        .ready = bound_ready,
        .query = bound_query,
        .head = bound_head,
        .check = bound_check,
        .sequence = bound_sequence,
        .clock_ms = bound_clock_ms,
        .directory_version = bound_directory_version,
    };
}

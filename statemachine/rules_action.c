/* Actions: a command that says by whom it came leaves one, in the same step. */
#include "statemachine/machine_private.h"

int rules_action(struct state *s, const struct command *c, struct decision *d, struct fault *fault)
{
    (void)s;
    (void)c;
    (void)d; /* it is written down, and that is all */
    (void)fault;
    return 0;
}

int rules_acted_before(const struct state *s, const struct command *c, struct decision *d,
                       struct fault *fault)
{
    struct action before;
    uint64_t number;
    int rc = state_origin(s, c->origin, &number, fault);

    if (rc != 1) {
        return rc;
    }
    if (state_action(s, number, &before, fault) != 0) {
        return -1;
    }
    d->verdict = before.verdict;
    return 1;
}

void rules_write_action(struct state *s, const struct command *c, const struct decision *d)
{
    bool asked = c->type == COMMAND_ACTION;
    struct action a = {
        .by = c->by[0],
        .call = asked ? c->id : slice_of(command_type_name(c->type)),
        .subject = action_subject(c),
        .asked = asked,
        .verdict = d->verdict,
    };

    bytes_clear(&s->spare);
    action_describe(c, &s->spare);
    a.detail = (struct slice){(const char *)s->spare.base, s->spare.len};
    state_append_action(s, &a, c->origin);
}

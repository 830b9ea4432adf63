#include "api/audit.h"

#include "api/commands.h"
#include "api/handlers.h"
#include "api/parameters.h"
#include "api/render.h"

enum { LIMIT_DEFAULT = 100 };

struct actor audit_actor(const struct exchange *x)
{
    struct gate_view view;
    struct slice address = slice_of(x->remote);

    gate_view(x->api->gate, &view);
    return (struct actor){
        .principal = slice_of(x->who.name),
        .key = slice_of(x->who.key),
        /* An IPv6 address may come with the name of an interface, which can be anything. */
        .address = id_valid(address) ? address : slice_of("unknown"),
        .request = slice_of(x->request_id),
        .role = x->who.role,
        .node = view.node_id,
    };
}

int audit_record(struct exchange *x, const char *call, struct slice subject, struct slice note)
{
    struct command c;
    struct outcome outcome;
    struct ticket *held;

    command_init(&c);
    c.type = COMMAND_ACTION;
    c.id = slice_of(call);
    c.name = subject;
    c.note = note;
    if (commands_run(x, &c, &held, &outcome) != 0) {
        return -1;
    }
    ticket_release(held);
    return 0;
}

static int write_page(struct exchange *x, struct answer *a)
{
    struct action action;
    struct fault fault;
    int more;

    writer_open_map(&x->w);
    writer_key(&x->w, "actions");
    writer_open_list(&x->w);
    while ((more = answer_next_action(a, &action, &fault)) == 1) {
        writer_open_map(&x->w);
        render_action(&x->w, &action);
        writer_close_map(&x->w);
    }
    writer_close_list(&x->w);
    writer_key(&x->w, "next");
    if (a->next != 0) {
        writer_u64(&x->w, a->next);
    } else {
        writer_null(&x->w);
    }
    writer_close_map(&x->w);
    return more == 0 ? 0 : problem_set(&x->problem, PROBLEM_INTERNAL, "%s", fault.text);
}

/* Newest first, unless it is to begin `from` a number. */
int handle_audit(struct exchange *x)
{
    struct query q = {.type = QUERY_ACTIONS_BEFORE, .limit = LIMIT_DEFAULT};
    enum ticket_kind kind = TICKET_QUERY;
    uint64_t from = 0;
    const struct parameter parameters[] = {
        {"consistency", PARAMETER_CONSISTENCY, &kind},
        {"before", PARAMETER_NUMBER, &q.seq},
        {"from", PARAMETER_NUMBER, &from},
        {"limit", PARAMETER_LIMIT, &q.limit},
    };
    struct ticket *held;
    struct answer a;
    int result;

    if (parameters_read(x, parameters, sizeof parameters / sizeof *parameters) != 0) {
        return -1;
    }
    if (from != 0 && q.seq != 0) {
        return problem_set(&x->problem, PROBLEM_MALFORMED, "either from or before");
    }
    if (from != 0) {
        q.type = QUERY_ACTIONS;
        q.seq = from;
    }
    if (reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    result = write_page(x, &a);
    ticket_release(held);
    return result;
}

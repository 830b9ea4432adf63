/* Questions: nothing here changes anything. */
#include <stdio.h>

#include "api/handlers.h"
#include "api/parameters.h"
#include "api/render.h"

enum { LIMIT_DEFAULT = 100 };

int reads_ask(struct exchange *x, enum ticket_kind kind, const struct query *q,
              struct ticket **held, struct answer *a)
{
    const struct asker asker = {x->request_id, x->timeout_ms,
                                .exempt = x->who.role == ROLE_OPERATOR};

    if (ask_query(x->api->gate, kind, q, &asker, held, a, &x->problem) != 0) {
        return -1;
    }
    if (a->verdict == VERDICT_APPLIED) {
        return 0;
    }
    problem_of_verdict(&x->problem, a->verdict);
    if (q->type == QUERY_TRANSACTION && a->principal.len > 0 && a->principal.len <= ID_MAX) {
        memcpy(x->problem.rolled_back_by, a->principal.base, a->principal.len);
    }
    ticket_release(*held);
    return -1;
}

int reads_consistency(struct exchange *x, enum ticket_kind *kind)
{
    const struct parameter parameters[] = {{"consistency", PARAMETER_CONSISTENCY, kind}};

    return parameters_read(x, parameters, 1);
}

static int read_page_query(struct exchange *x, enum ticket_kind *kind, const char *seq_name,
                           struct query *q)
{
    const struct parameter parameters[] = {
        {"consistency", PARAMETER_CONSISTENCY, kind},
        {seq_name, PARAMETER_NUMBER, &q->seq},
        {"limit", PARAMETER_LIMIT, &q->limit},
    };

    return parameters_read(x, parameters, 3);
}

static int read_record(struct exchange *x, struct answer *a, struct record *r)
{
    struct fault fault;
    int more = answer_next_record(a, r, &fault);

    if (more < 0) {
        problem_set(&x->problem, PROBLEM_INTERNAL, "%s", fault.text);
    }
    return more;
}

int handle_transaction(struct exchange *x)
{
    struct query q = {
        .type = QUERY_TRANSACTION, .principal = slice_of(x->who.name), .id = slice_of(x->ids[0])};
    enum ticket_kind kind = TICKET_QUERY;
    char player[ID_MAX + 1] = "";
    const struct parameter parameters[] = {
        {"consistency", PARAMETER_CONSISTENCY, &kind},
        {"player", PARAMETER_ID, player},
    };
    struct ticket *held;
    struct answer a;
    struct record r;
    int more;

    if (parameters_read(x, parameters, 2) != 0 || exchange_check_player(x, slice_of(player)) != 0) {
        return -1;
    }
    q.player = slice_of(player);
    if (reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    more = read_record(x, &a, &r);
    if (more == 1) {
        writer_open_map(&x->w);
        render_decided(&x->w, &r);
        writer_close_map(&x->w);
    } else if (more == 0) {
        problem_of_verdict(&x->problem, VERDICT_UNKNOWN_TRANSACTION);
    }
    ticket_release(held);
    return more == 1 ? 0 : -1;
}

/* A page of records under `name`, and where the next one begins. */
static int write_page(struct exchange *x, struct answer *a, const char *name,
                      void (*render)(struct writer *w, const struct record *r))
{
    struct record r;
    int more;

    writer_open_map(&x->w);
    writer_key(&x->w, name);
    writer_open_list(&x->w);
    while ((more = read_record(x, a, &r)) == 1) {
        writer_open_map(&x->w);
        render(&x->w, &r);
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
    return more;
}

int handle_ledger(struct exchange *x)
{
    struct query q = {.type = QUERY_LEDGER, .seq = 1, .limit = LIMIT_DEFAULT};
    enum ticket_kind kind = TICKET_QUERY;
    struct ticket *held;
    struct answer a;
    int result;

    if (read_page_query(x, &kind, "from", &q) != 0 || reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    result = write_page(x, &a, "entries", render_entry);
    ticket_release(held);
    return result;
}

int handle_history(struct exchange *x)
{
    struct query q = {.type = QUERY_HISTORY, .player = slice_of(x->ids[0]), .limit = LIMIT_DEFAULT};
    enum ticket_kind kind = TICKET_QUERY;
    struct ticket *held;
    struct answer a;
    int result;

    if (read_page_query(x, &kind, "before", &q) != 0 || reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    result = write_page(x, &a, "transactions", render_decided);
    ticket_release(held);
    return result;
}

int handle_balances(struct exchange *x)
{
    struct query q = {.type = QUERY_BALANCES, .player = slice_of(x->ids[0])};
    enum ticket_kind kind = TICKET_QUERY;
    struct ticket *held;
    struct answer a;
    uint32_t i;

    if (reads_consistency(x, &kind) != 0 || reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    writer_open_map(&x->w);
    writer_put_text(&x->w, "player", q.player);
    writer_key(&x->w, "balances");
    writer_open_list(&x->w);
    for (i = 0; i < a.n_balances; i++) {
        writer_open_map(&x->w);
        render_balance(&x->w, &a.balances[i]);
        writer_close_map(&x->w);
    }
    writer_close_list(&x->w);
    writer_close_map(&x->w);
    ticket_release(held);
    return 0;
}

/* Open rounds, and where the next page begins. */
static int write_rounds(struct exchange *x, struct answer *a)
{
    char next[2 * ID_MAX + 2];
    struct round_info r;
    struct fault fault;
    int more;

    writer_open_map(&x->w);
    writer_key(&x->w, "rounds");
    writer_open_list(&x->w);
    while ((more = answer_next_round(a, &r, &fault)) == 1) {
        writer_open_map(&x->w);
        render_round(&x->w, &r);
        writer_close_map(&x->w);
    }
    writer_close_list(&x->w);
    writer_key(&x->w, "next");
    if (a->next_round.len > 0) {
        snprintf(next, sizeof next, "%.*s/%.*s", (int)a->next_player.len, a->next_player.base,
                 (int)a->next_round.len, a->next_round.base);
        writer_text(&x->w, slice_of(next));
    } else {
        writer_null(&x->w);
    }
    writer_close_map(&x->w);
    return more == 0 ? 0 : problem_set(&x->problem, PROBLEM_INTERNAL, "%s", fault.text);
}

/* A provider's own; for others `provider` says whose. */
int handle_rounds(struct exchange *x)
{
    struct query q = {.type = QUERY_ROUNDS, .limit = LIMIT_DEFAULT};
    enum ticket_kind kind = TICKET_QUERY;
    struct parameter_pair after = {"", ""};
    char player[ID_MAX + 1] = "";
    char provider[ID_MAX + 1] = "";
    const struct parameter parameters[] = {
        {"consistency", PARAMETER_CONSISTENCY, &kind}, {"player", PARAMETER_ID, player},
        {"provider", PARAMETER_ID, provider},          {"after", PARAMETER_PAIR, &after},
        {"limit", PARAMETER_LIMIT, &q.limit},
    };
    bool own = x->who.role == ROLE_PROVIDER;
    struct ticket *held;
    struct answer a;
    int result;

    if (parameters_read(x, parameters, sizeof parameters / sizeof *parameters) != 0) {
        return -1;
    }
    if (own && provider[0] != '\0' && strcmp(provider, x->who.name) != 0) {
        return problem_set(&x->problem, PROBLEM_FORBIDDEN, "A provider sees its own rounds only.");
    }
    if (!own && provider[0] == '\0') {
        return problem_set(&x->problem, PROBLEM_MALFORMED, "missing parameter: provider");
    }
    q.principal = slice_of(own ? x->who.name : provider);
    q.player = slice_of(player);
    q.name = slice_of(after.first);
    q.id = slice_of(after.second);
    if (reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    result = write_rounds(x, &a);
    ticket_release(held);
    return result;
}

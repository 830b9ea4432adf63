/* Questions: nothing here changes anything. */
#include "api/handlers.h"
#include "api/render.h"

enum { LIMIT_DEFAULT = 100 };

/* Asks, and makes a problem of a verdict that says that something does not exist. */
static int ask(struct exchange *x, enum ticket_kind kind, const struct query *q,
               struct ticket **held, struct answer *a)
{
    if (ask_query(x->api->gate, kind, q, x->timeout_ms, held, a, &x->problem) != 0) {
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
    enum ticket_kind kind;
    struct ticket *held;
    struct answer a;
    struct record r;
    int more;

    if (exchange_read_query(x, &kind, NULL, NULL, NULL) != 0 || ask(x, kind, &q, &held, &a) != 0) {
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
    enum ticket_kind kind;
    struct ticket *held;
    struct answer a;
    int result;

    if (exchange_read_query(x, &kind, "from", &q.seq, &q.limit) != 0 ||
        ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    result = write_page(x, &a, "entries", render_entry);
    ticket_release(held);
    return result;
}

int handle_history(struct exchange *x)
{
    struct query q = {.type = QUERY_HISTORY, .player = slice_of(x->ids[0]), .limit = LIMIT_DEFAULT};
    enum ticket_kind kind;
    struct ticket *held;
    struct answer a;
    int result;

    if (exchange_read_query(x, &kind, "before", &q.seq, &q.limit) != 0 ||
        ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    result = write_page(x, &a, "transactions", render_decided);
    ticket_release(held);
    return result;
}

int handle_balances(struct exchange *x)
{
    struct query q = {.type = QUERY_BALANCES, .player = slice_of(x->ids[0])};
    enum ticket_kind kind;
    struct ticket *held;
    struct answer a;
    uint32_t i;

    if (exchange_read_query(x, &kind, NULL, NULL, NULL) != 0 || ask(x, kind, &q, &held, &a) != 0) {
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

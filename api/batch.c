/* Batches: many independent transactions in one request, answered one by one and in order.
 *
 * All well-formed items go to the ledger in one ticket. A malformed item answers its own problem
 * and stops no other. What can't be said of one item (no leader, outcome unknown) is the answer to
 * the whole batch; the same batch may then be sent again, as every item carries its id. */
#include <stdlib.h>

#include "api/commands.h"
#include "api/handlers.h"

enum { BATCH_MAX = 8192 };

static int read_type(const struct value *item, enum command_type *type, struct problem *problem)
{
    static const struct {
        const char *name;
        enum command_type type;
    } types[] = {
        {"bet", COMMAND_BET},
        {"win", COMMAND_WIN},
        {"rollback", COMMAND_ROLLBACK},
        {"round_close", COMMAND_ROUND_CLOSE},
        {"transaction", COMMAND_ATOMIC},
    };
    struct slice text = value_text(value_get(item, "type"));
    size_t i;

    for (i = 0; i < sizeof types / sizeof *types; i++) {
        if (slice_is(text, types[i].name)) {
            *type = types[i].type;
            return 0;
        }
    }
    return problem_set(problem, PROBLEM_MALFORMED,
                       "type: expected bet, win, rollback, round_close or transaction");
}

/* Reads an item and appends its frame. */
static int read_item(struct exchange *x, const struct value *item, uint64_t origin,
                     struct bytes *frames, struct problem *problem)
{
    enum command_type type = COMMAND_BET;
    struct command c;

    if (!value_is(item, VALUE_MAP)) {
        return problem_set(problem, PROBLEM_MALFORMED, "a transaction is not an object");
    }
    if (read_type(item, &type, problem) != 0 ||
        commands_read_money(item, type, true, &x->who, &c, problem) != 0) {
        return -1;
    }
    c.origin = origin;
    return commands_append(&c, frames, problem);
}

static int write_outcome(struct exchange *x, struct outcome *o)
{
    struct problem problem;
    int result = 0;

    writer_open_map(&x->w);
    if (verdict_is_success(o->verdict)) {
        writer_put_u64(&x->w, "status", 200);
        writer_put_string(&x->w, "code", verdict_code(o->verdict));
        result = commands_render(&x->w, o, &x->problem);
    } else {
        problem_of_outcome(&problem, o);
        problem_write(&problem, &x->w);
    }
    writer_close_map(&x->w);
    return result;
}

/* What becomes of a batch's items. Those that are malformed are answered here, and wait in
 * `written` for their place in the answer; all others are in the ticket. */
struct items {
    struct ticket *ticket;
    struct bytes written;
    uint32_t *ends; /* of each item in `written`; one that is in the ticket has nothing there */
    size_t n;
};

static int items_init(struct items *b, size_t n)
{
    *b = (struct items){.n = n, .ends = calloc(n + 1, sizeof *b->ends)};
    bytes_init(&b->written);
    b->ticket = ticket_new(TICKET_COMMANDS);
    return b->ends == NULL ? -1 : 0;
}

static void items_release(struct items *b)
{
    ticket_release(b->ticket);
    bytes_release(&b->written);
    free(b->ends);
}

static void items_read(struct items *b, struct exchange *x, const struct value *list)
{
    uint64_t origin = ask_origin(x->api->origins);
    struct problem problem;
    const struct value *item;
    size_t i = 0;

    for (item = list->first; item != NULL; item = item->next, i++) {
        /* Random, and another one for each item; never zero. */
        if (read_item(x, item, (origin + i) | 1ULL << 63, &b->ticket->in, &problem) == 0) {
            b->ticket->n_commands++;
        } else {
            struct writer w;

            writer_init(&w, &b->written, x->form);
            writer_open_map(&w);
            problem_write(&problem, &w);
            writer_close_map(&w);
        }
        b->ends[i] = (uint32_t)b->written.len;
    }
}

static int write_results(struct exchange *x, const struct items *b)
{
    struct cursor frames = cursor_of(b->ticket->out.base, b->ticket->out.len);
    struct fault fault = {"an outcome is missing"};
    struct outcome outcome;
    struct slice frame;
    uint32_t from = 0;
    size_t i;

    writer_open_map(&x->w);
    writer_key(&x->w, "results");
    writer_open_list(&x->w);
    for (i = 0; i < b->n; from = b->ends[i++]) {
        if (b->ends[i] > from) {
            writer_written(&x->w,
                           (struct slice){(const char *)b->written.base + from, b->ends[i] - from});
            continue;
        }
        if (!frame_next(&frames, &frame) ||
            outcome_decode(frame.base, frame.len, &outcome, &fault) != 0) {
            return problem_set(&x->problem, PROBLEM_INTERNAL, "%s", fault.text);
        }
        if (write_outcome(x, &outcome) != 0) {
            return -1;
        }
    }
    writer_close_list(&x->w);
    writer_close_map(&x->w);
    return 0;
}

/* A batch's transactions, with each item of an atomic one: every one of them makes a record in the
 * answer. 8,192 records, however long their names are, fit the frame in which a leader answers the
 * node that was asked; an answer that does not would never come, whoever asks how often. */
static size_t count_transactions(const struct value *items)
{
    size_t n = 0;
    const struct value *item;

    for (item = items->first; item != NULL; item = item->next) {
        const struct value *of_atomic = value_get(item, "items");
        size_t of_item = value_is(of_atomic, VALUE_LIST) ? of_atomic->n : 0;

        n += of_item > 1 ? of_item : 1;
    }
    return n;
}

int handle_batch(struct exchange *x)
{
    static const struct field fields[] = {{"transactions", FIELD_LIST, 0, true}};
    struct items b;
    const struct value *list;
    int result = -1;

    if (fields_read(x->tree.root, fields, 1, &list, &x->problem) != 0) {
        return -1;
    }
    if (count_transactions(list) > BATCH_MAX) {
        return problem_set(
            &x->problem, PROBLEM_TOO_LARGE,
            "A batch has at most %d transactions, each item of an atomic one counted.", BATCH_MAX);
    }
    if (items_init(&b, list->n) != 0) {
        problem_set(&x->problem, PROBLEM_OVERLOADED, "%s", "");
        goto out;
    }
    ticket_name(b.ticket, x->request_id);
    items_read(&b, x, list);
    exchange_drop_body(x);
    if (b.ticket->n_commands == 0 ||
        ask_submit(x->api->gate, b.ticket, x->timeout_ms, &x->problem) == 0) {
        result = write_results(x, &b);
    }

out:
    items_release(&b);
    return result;
}

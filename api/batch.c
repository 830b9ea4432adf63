/* Batches: many independent transactions in one request, answered one by one and in order.
 *
 * All well-formed items go to the ledger in one ticket. A malformed item answers its own problem
 * and stops no other. What can't be said of one item (no leader, outcome unknown) is the answer to
 * the whole batch; the same batch may then be sent again, as every item carries its id. */
#include <stdlib.h>

#include "api/commands.h"
#include "api/handlers.h"

enum { BATCH_MAX = 8192 };

static int read_type(json_t *item, enum command_type *type, struct problem *problem)
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
    const char *text = json_string_value(json_object_get(item, "type"));
    size_t i;

    for (i = 0; text != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(text, types[i].name) == 0) {
            *type = types[i].type;
            return 0;
        }
    }
    return problem_set(problem, PROBLEM_MALFORMED,
                       "type: expected bet, win, rollback, round_close or transaction");
}

/* Reads an item and appends its frame. Gives the same problem for the same item every time. */
static int read_item(struct exchange *x, json_t *item, uint64_t origin, struct bytes *frames,
                     struct problem *problem)
{
    enum command_type type = COMMAND_BET;
    struct command c;

    if (!json_is_object(item)) {
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

/* The problems of malformed items are not kept (there may be thousands): they are found again. */
static int write_malformed(struct exchange *x, json_t *item)
{
    struct bytes unused;
    struct problem problem;
    int result;

    bytes_init(&unused);
    result = read_item(x, item, 1, &unused, &problem);
    bytes_release(&unused);
    if (result == 0) {
        return problem_set(&x->problem, PROBLEM_INTERNAL, "an item was read in two ways");
    }
    writer_open_map(&x->w);
    problem_write(&problem, &x->w);
    writer_close_map(&x->w);
    return 0;
}

static int write_results(struct exchange *x, json_t *items, const bool *sent,
                         const struct ticket *t)
{
    struct cursor frames = cursor_of(t->out.base, t->out.len);
    struct fault fault = {"an outcome is missing"};
    struct outcome outcome;
    struct slice frame;
    json_t *item;
    size_t i;

    writer_open_map(&x->w);
    writer_key(&x->w, "results");
    writer_open_list(&x->w);
    json_array_foreach(items, i, item)
    {
        if (!sent[i]) {
            if (write_malformed(x, item) != 0) {
                return -1;
            }
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
static size_t count_transactions(json_t *items)
{
    size_t n = 0;
    json_t *item;
    size_t i;

    json_array_foreach(items, i, item)
    {
        size_t of_item = json_array_size(json_object_get(item, "items"));

        n += of_item > 1 ? of_item : 1;
    }
    return n;
}

int handle_batch(struct exchange *x)
{
    static const struct field fields[] = {{"transactions", FIELD_LIST, 0, true}};
    struct problem unused;
    struct ticket *t;
    uint64_t origin = ask_origin(x->api->origins);
    json_t *items;
    json_t *item;
    bool *sent;
    size_t i;
    int result = -1;

    if (fields_read(x->json, fields, 1, &items, &x->problem) != 0) {
        return -1;
    }
    if (count_transactions(items) > BATCH_MAX) {
        return problem_set(
            &x->problem, PROBLEM_TOO_LARGE,
            "A batch has at most %d transactions, each item of an atomic one counted.", BATCH_MAX);
    }
    sent = calloc(json_array_size(items) + 1, sizeof *sent);
    t = ticket_new(TICKET_COMMANDS);
    ticket_name(t, x->request_id);
    if (sent == NULL) {
        problem_set(&x->problem, PROBLEM_OVERLOADED, "%s", "");
        goto out;
    }
    json_array_foreach(items, i, item)
    {
        /* Random, and another one for each item; never zero. */
        sent[i] = read_item(x, item, (origin + i) | 1ULL << 63, &t->in, &unused) == 0;
        t->n_commands += sent[i];
    }
    if (t->n_commands > 0 && ask_submit(x->api->gate, t, x->timeout_ms, &x->problem) != 0) {
        goto out;
    }
    result = write_results(x, items, sent, t);

out:
    ticket_release(t);
    free(sent);
    return result;
}

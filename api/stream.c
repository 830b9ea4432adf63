/* The ledger as server-sent events: every entry from a seq on, and then each as it is applied.
 *
 * An event is `id: SEQ`, `data: ` and the entry as GET /v1/ledger has it. It comes from this node's
 * own applied state, which holds only what a majority has; so a stream has no gaps and never goes
 * back. It ends when the client leaves, when the node stops, and when any key or policy changes: a
 * disabled key must not go on listening. A client that comes back says where it was by the header
 * Last-Event-ID (browsers do that themselves). */
#include <stdio.h>
#include <time.h>

#include "api/handlers.h"
#include "api/parameters.h"
#include "api/render.h"

enum { PAGE = 100, POLL_MS = 20, SILENCE_MS = 2000 };

static void wait_a_moment(void)
{
    const struct timespec moment = {0, POLL_MS * 1000000L};

    nanosleep(&moment, NULL);
}

/* Appends the events of one page to x->out; returns how many, or -1 when the node did not answer.
 */
static int read_page(struct exchange *x, uint64_t from)
{
    const struct query q = {.type = QUERY_LEDGER, .seq = from, .limit = PAGE};
    const struct asker asker = {.name = x->request_id, .timeout_ms = x->api->deadline_ms};
    struct ticket *held;
    struct answer a;
    struct record r;
    struct fault fault;
    struct writer w;
    char line[32];
    int n = 0;
    int more;

    bytes_clear(x->out);
    if (ask_query(x->api->gate, TICKET_STALE_QUERY, &q, &asker, &held, &a, &x->problem) != 0) {
        return -1;
    }
    while ((more = answer_next_record(&a, &r, &fault)) == 1) {
        bytes_append(
            x->out, line,
            (size_t)snprintf(line, sizeof line, "id: %llu\ndata: ", (unsigned long long)r.seq));
        writer_init(&w, x->out, FORM_JSON);
        writer_open_map(&w);
        render_entry(&w, &r);
        writer_close_map(&w);
        bytes_append(x->out, "\n\n", 2);
        n++;
    }
    ticket_release(held);
    return more < 0 ? -1 : n;
}

/* The next events, if there are any: how many, or -1 when the stream is to end. */
static int send_page(struct exchange *x, const struct sink *sink, uint64_t from)
{
    struct gate_view view;
    int n;

    gate_view(x->api->gate, &view);
    if (view.directory_version != x->directory_version) {
        return -1; /* a key has changed, perhaps this one: the client comes back and shows it */
    }
    if (view.applied_seq < from) {
        return 0;
    }
    n = read_page(x, from);
    if (n <= 0) {
        return 0; /* not now: a queue is full, or the node is about to stop */
    }
    return sink->write(sink->context, x->out->base, x->out->len) ? n : -1;
}

static void run(struct exchange *x, const struct sink *sink)
{
    static const char sign_of_life[] = ":\n\n"; /* a comment; shows whether the client is there */
    uint64_t next = x->stream_from;
    unsigned silent_ms = SILENCE_MS; /* one at once: the client sees that it is heard */
    int sent = 0;

    while (sent >= 0 && !streams_stopping(x->api->streams)) {
        sent = send_page(x, sink, next);
        if (sent > 0) {
            next += (uint64_t)sent;
            silent_ms = 0;
        } else if (sent == 0 && silent_ms >= SILENCE_MS) {
            sent = sink->write(sink->context, sign_of_life, sizeof sign_of_life - 1) ? 0 : -1;
            silent_ms = 0;
        } else if (sent == 0) {
            wait_a_moment();
            silent_ms += POLL_MS;
        }
    }
    streams_leave(x->api->streams);
}

int handle_stream(struct exchange *x)
{
    const char *last = x->headers.last_event_id;
    uint64_t from = 1;
    const struct parameter parameters[] = {{"from", PARAMETER_NUMBER, &from}};

    if (parameters_read(x, parameters, 1) != 0) {
        return -1;
    }
    if (last != NULL) {
        if (parameters_number(slice_of(last), &from) != 0 || from == UINT64_MAX) {
            return problem_set(&x->problem, PROBLEM_MALFORMED,
                               "Last-Event-ID: expected a sequence number");
        }
        from++;
    }
    x->content_type = "text/event-stream";
    x->stream_from = from == 0 ? 1 : from;
    if (x->head) {
        return 0;
    }
    if (!streams_enter(x->api->streams)) {
        return problem_set(&x->problem, PROBLEM_OVERLOADED,
                           "This node serves as many streams as it may.");
    }
    x->stream = run;
    return 0;
}

/* A history: what clients asked and were answered, and what was done to the cluster meanwhile.
 *
 * The text is Jepsen's: one EDN map a line, {:type :invoke|:ok|:fail|:info, :f, :value, :process,
 * :time (ns), :index}. docs/jepsen.md has the fields of each operation. Here an invocation and its
 * end are one struct call. A process does one thing at a time; one that ended in :info is gone.
 *
 * Every text of a call is a ref into the history's own text, which must outlive it: a call is
 * small, and millions fit in memory. Plain data, one thread. */
#ifndef FLORIN_HISTORY_H
#define FLORIN_HISTORY_H

#include "statemachine/command.h"

enum {
    LINE_BYTES_MAX = 65536,
    PROCESSES_MAX = 1 << 22,
    NODES_MAX = 64,
};

/* A piece of the history's text, which is at most 4 GiB. Zero length: absent. */
struct ref {
    uint32_t at, len;
};

enum fn {
    FN_BET,
    FN_WIN,
    FN_ROLLBACK,
    FN_DEPOSIT,
    FN_WITHDRAW,
    FN_CONFIRM,
    FN_CANCEL,
    FN_CLOSE,
    FN_ATOMIC,
    FN_BALANCE, /* reads from here on */
    FN_TRANSACTION,
    FN_LEDGER,
    FN_COUNT,
};
const char *fn_name(enum fn f);
static inline bool fn_is_read(enum fn f)
{
    return f >= FN_BALANCE;
}

enum ending { END_UNKNOWN, END_OK, END_FAIL }; /* unknown: :info, or no end at all */

/* What one ledger entry may come of: a call has one, an atomic one has one for each item. Of a read
 * it holds the answer: the transaction; the balance in got_balance; the last entry of a page. */
struct part {
    uint32_t call;
    enum command_type type; /* zero of a read */
    enum win_kind kind;
    bool negative; /* adjust */
    bool answered; /* it has a seq */
    bool replayed;
    bool replay_told; /* the answer says whether it is one */
    struct ref id, amount, original, bet;
    uint64_t seq;
    struct ref got_amount, got_balance, got_balance_now, got_hash, got_outcome;
};

struct call {
    int64_t invoked_ns, ended_ns; /* ended: INT64_MAX when nothing came */
    struct ref invoke_line, end_line;
    uint32_t process, node;
    enum fn f;
    enum ending end;
    bool stale; /* a read that asked for consistency=stale */
    struct ref provider, id, player, currency, round, game, session, gateway, error;
    uint64_t from, limit, count; /* FN_LEDGER */
    uint32_t first_part, n_parts;
};

/* What was done to the cluster, or seen of it. */
struct event {
    int64_t time_ns;
    struct ref f, what, line; /* f: "start-kill", "stop-kill", "leader", "healed" ... */
    uint64_t nodes;           /* bit n: node n */
    uint32_t node;            /* :leader */
    uint64_t term;            /* :leader */
    int64_t within_ms;        /* :healed */
};

struct history {
    struct slice text;
    struct call *calls;
    struct part *parts;
    struct event *events;
    size_t n_calls, n_parts, n_events, n_lines;
    struct bytes calls_, parts_, events_;
};

void history_init(struct history *h);
void history_release(struct history *h);

/* 0, or -1 with the fault "line N: ...". The text is borrowed until the release. */
int history_parse(struct history *h, struct slice text, struct fault *fault);

static inline struct slice history_text(const struct history *h, struct ref r)
{
    return (struct slice){r.len == 0 ? NULL : h->text.base + r.at, r.len};
}

/* The end as far as order is concerned: an unknown call may take effect at any later time. */
static inline int64_t call_done_ns(const struct call *c)
{
    return c->end == END_OK ? c->ended_ns : INT64_MAX;
}

#endif

/* An anomaly for a person. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "jepsen/check.h"

enum { LINE_SHOWN = 600 };

static void say(struct bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct bytes *out, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bytes_append(out, text, len < (int)sizeof text ? (size_t)len : sizeof text - 1);
}

static void say_field(struct bytes *out, const struct history *h, const char *before, struct ref r)
{
    if (r.len > 0) {
        say(out, "%s%.*s", before, (int)r.len, h->text.base + r.at);
    }
}

static void say_seconds(struct bytes *out, int64_t ns)
{
    say(out, "%" PRId64 ".%06" PRId64 " s", ns / 1000000000, ns / 1000 % 1000000);
}

static void say_line(struct bytes *out, const struct history *h, struct ref line)
{
    if (line.len > 0) {
        say(out, "       %.*s%s\n", line.len > LINE_SHOWN ? LINE_SHOWN : (int)line.len,
            h->text.base + line.at, line.len > LINE_SHOWN ? " ..." : "");
    }
}

static void say_part(struct bytes *out, const struct history *h, const struct part *p)
{
    say_field(out, h, " ", p->id);
    say_field(out, h, p->negative ? " -" : " ", p->amount);
    say_field(out, h, " of original ", p->original);
    if (p->answered) {
        say(out, ", answered seq %" PRIu64, p->seq);
        say_field(out, h, " ", p->got_outcome);
        say_field(out, h, ", balance ", p->got_balance);
        say(out, "%s", p->replayed ? ", a repeat" : "");
    } else {
        say_field(out, h, " shown ", p->got_balance);
        say_field(out, h, " answered ", p->got_outcome);
    }
}

static void say_call(struct bytes *out, const struct history *h, unsigned n, const struct call *c)
{
    say(out, "  %u. %s", n, fn_name(c->f));
    say_field(out, h, " of provider ", c->provider);
    say_field(out, h, ", player ", c->player);
    say_field(out, h, ", ", c->currency);
    say(out, ", at node %u by process %u\n     asked ", c->node, c->process);
    say_seconds(out, c->invoked_ns);
    if (c->ended_ns == INT64_MAX) {
        say(out, ", never answered");
    } else {
        say(out, ", %s ",
            c->end == END_OK     ? "acknowledged"
            : c->end == END_FAIL ? "refused"
                                 : "given up (unknown)");
        say_seconds(out, c->ended_ns);
    }
    say_field(out, h, ": ", c->error);
    say(out, "\n");
    for (uint32_t i = 0; i < c->n_parts; i++) {
        say(out, "    ");
        say_part(out, h, &h->parts[c->first_part + i]);
        say(out, "\n");
    }
    say_line(out, h, c->invoke_line);
    say_line(out, h, c->end_line);
}

static void say_entry(struct bytes *out, const struct ledger *l, uint64_t seq)
{
    char amount[AMOUNT_TEXT_MAX], balance[AMOUNT_TEXT_MAX];
    struct record r;

    ledger_record(l, seq, &r);
    money_format(r.requested_minor, r.scale, amount);
    money_format(r.balance_minor, r.scale, balance);
    say(out, "  seq %" PRIu64 ": %s %.*s of %.*s, %.*s %s %.*s, %s, balance %s\n", seq,
        command_type_name(r.type), (int)r.id.len, r.id.base, (int)r.principal.len, r.principal.base,
        (int)r.player.len, r.player.base, amount, (int)r.currency.len, r.currency.base,
        verdict_code(r.verdict), balance);
}

void check_explain(const struct check *c, const struct anomaly *a, struct bytes *out)
{
    say(out, "%s: %s\n", anomaly_name(a->kind), a->text.text);
    if (a->n_calls > 0) {
        say(out, "the calls:\n");
    }
    for (unsigned i = 0; i < a->n_calls; i++) {
        say_call(out, c->h, i + 1, &c->h->calls[a->calls[i]]);
    }
    if (a->n_seqs > 0) {
        say(out, "the ledger:\n");
    }
    for (unsigned i = 0; i < a->n_seqs; i++) {
        say_entry(out, c->l, a->seqs[i]);
    }
}

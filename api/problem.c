#include "api/problem.h"

#include <stdarg.h>
#include <stdio.h>

struct kind {
    int status;
    unsigned retry_after_s;
    const char *code;
    const char *title;
};

static const struct kind kinds[] = {
    [PROBLEM_MALFORMED] = {400, 0, "malformed", "The request is not what this call expects."},
    [PROBLEM_UNKNOWN_FIELD] = {400, 0, "unknown_field", "This call does not know a field."},
    [PROBLEM_BAD_AMOUNT] = {400, 0, "bad_amount", "The amount is not a decimal string."},
    [PROBLEM_BAD_ID] = {400, 0, "bad_id", "An id is 1 to 64 characters of A-Z a-z 0-9 . _ : -"},
    [PROBLEM_LENGTH_REQUIRED] = {411, 0, "malformed", "The body's length is not told."},
    [PROBLEM_MEDIA_TYPE] = {415, 0, "malformed",
                            "A body is application/json or application/msgpack."},
    [PROBLEM_TOO_LARGE] = {413, 0, "too_large", "The request is too large."},
    [PROBLEM_BAD_CREDENTIALS] = {401, 0, "bad_credentials", "The credentials are not valid."},
    [PROBLEM_BAD_SIGNATURE] = {401, 0, "bad_signature", "The signature is not valid."},
    [PROBLEM_STALE_SIGNATURE] = {401, 0, "stale_signature",
                                 "The signature is over 30 seconds from this node's time."},
    [PROBLEM_FORBIDDEN] = {403, 0, "forbidden", "This key may not make this call."},
    [PROBLEM_NOT_FOUND] = {404, 0, "not_found", "There is no such path."},
    [PROBLEM_METHOD_NOT_ALLOWED] = {405, 0, "method_not_allowed",
                                    "The path does not know this method."},
    [PROBLEM_TRANSFER_REFUSED] = {409, 0, "transfer_refused",
                                  "Leadership can't be handed over like this."},
    [PROBLEM_MEMBERSHIP_BUSY] = {409, 1, "membership_busy",
                                 "Another change of the members is under way."},
    [PROBLEM_UNKNOWN_MEMBER] = {404, 0, "unknown_member", "No member has this id."},
    [PROBLEM_MEMBER_EXISTS] = {409, 0, "already_exists",
                               "A member has this id, with another address."},
    [PROBLEM_ADDRESS_TAKEN] = {409, 0, "address_taken", "Another member has this address."},
    [PROBLEM_NOT_CAUGHT_UP] = {409, 0, "not_caught_up",
                               "A node without the others' entries gets no vote."},
    [PROBLEM_LAST_VOTER] = {409, 0, "last_voter", "No voter would be left."},
    [PROBLEM_NO_QUORUM] = {409, 0, "no_quorum",
                           "Too few of the voters that would be left can be reached now."},
    [PROBLEM_TOO_MANY_MEMBERS] = {409, 0, "too_many_members", "The cluster has no more room."},
    [PROBLEM_ID_USED] = {409, 0, "id_used", "A node's id is never used again."},
    [PROBLEM_NO_SUCCESSOR] = {409, 1, "no_successor",
                              "The node leads, and no other voter took over."},
    [PROBLEM_RATE_LIMITED] = {429, 1, "rate_limited", "Nothing was done: too many calls."},
    [PROBLEM_UNAVAILABLE] = {503, 1, "unavailable",
                             "Nothing was done: no leader, or this node is stopping."},
    [PROBLEM_OVERLOADED] = {503, 1, "overloaded", "Nothing was done: too much work is waiting."},
    [PROBLEM_NO_ROOM] = {503, 5, "unavailable",
                         "Nothing was done: disks are nearly full. Reads go on."},
    [PROBLEM_OUTCOME_UNKNOWN] =
        {504, 0, "outcome_unknown",
         "It may be applied, now or later: ask again with the same id to know."},
    [PROBLEM_INTERNAL] = {500, 0, "internal", "This node failed to answer."},
};

/* Details quote what clients sent, sometimes cut in the middle of a character: only printable ASCII
 * goes out, so that no answer is ever invalid UTF-8. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~') {
            *text = '?';
        }
    }
}

int problem_set(struct problem *p, enum problem_kind kind, const char *detail, ...)
{
    const struct kind *k = &kinds[kind];
    va_list args;

    *p = (struct problem){
        .status = k->status, .code = k->code, .title = k->title, .retry_after_s = k->retry_after_s};
    va_start(args, detail);
    vsnprintf(p->detail, sizeof p->detail, detail, args);
    va_end(args);
    make_printable(p->detail);
    return -1;
}

void problem_of_verdict(struct problem *p, enum verdict v)
{
    *p = (struct problem){
        .status = verdict_status(v), .code = verdict_code(v), .title = verdict_title(v)};
}

void problem_of_outcome(struct problem *p, const struct outcome *o)
{
    problem_of_verdict(p, o->verdict);
    if (o->verdict == VERDICT_IDEMPOTENCY_CONFLICT) {
        p->conflicts = o->conflicts;
    }
    if (o->has_record) {
        p->seq = o->record.seq;
        p->replayed = o->replayed;
    }
    p->has_item = o->has_item;
    p->item = o->item;
    p->dry_run = o->dry_run;
}

void problem_write(const struct problem *p, struct writer *w)
{
    int i;

    writer_put_u64(w, "status", (uint64_t)p->status);
    writer_put_string(w, "code", p->code);
    writer_put_string(w, "title", p->title);
    /* The contract names it for every error; where there is no more to say, it says the title. */
    writer_put_string(w, "detail", p->detail[0] != '\0' ? p->detail : p->title);
    if (p->conflicts != 0) {
        writer_key(w, "fields");
        writer_open_list(w);
        for (i = 0; i < CONFLICT_FIELDS; i++) {
            if (p->conflicts & (1U << i)) {
                writer_text(w, slice_of(conflict_field_name(i)));
            }
        }
        writer_close_list(w);
    }
    if (p->has_item) {
        writer_put_u64(w, "item", p->item);
    }
    if (p->dry_run) {
        writer_put_bool(w, "dry_run", true);
    }
    if (p->seq != 0) {
        writer_put_u64(w, "seq", p->seq);
    }
    if (p->replayed) {
        writer_put_bool(w, "replayed", true);
    }
    writer_put_given(w, "rolled_back_by", slice_of(p->rolled_back_by));
}

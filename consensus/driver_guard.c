/* The guards: what the core trusts and must not. Each was found by breaking the core in the
 * simulator, and each has a script or seed in tests/sim that fails without it. */
#include "consensus/driver_private.h"

#include "consensus/message.h"

enum { REFUSED_SAY_EVERY_MS = 1000 };

/* A cluster that holds an election a millisecond needs 17 minutes for this many terms. */
static const uint64_t TERM_JUMP_MAX = 1000000;

void driver_refused(struct driver *d, uint64_t peer, const char *why)
{
    d->refused++;
    if (d->now_ms - d->refused_said_ms >= REFUSED_SAY_EVERY_MS || d->refused == 1) {
        d->refused_said_ms = d->now_ms;
        report(d->options.reporter, LEVEL_WARN, "consensus", "dropped a Raft message",
               "peer=%llu refused=%llu why=\"%s\"", (unsigned long long)peer,
               (unsigned long long)d->refused, why);
    }
}

static const struct raft_server *member(const struct driver *d, uint64_t id)
{
    unsigned i;

    for (i = 0; i < d->raft.configuration.n; i++) {
        if (d->raft.configuration.servers[i].id == id) {
            return &d->raft.configuration.servers[i];
        }
    }
    return NULL;
}

static uint64_t term_of(const struct raft_message *m)
{
    switch (m->type) {
    case RAFT_APPEND_ENTRIES:
        return m->append_entries.term;
    case RAFT_APPEND_ENTRIES_RESULT:
        return m->append_entries_result.term;
    case RAFT_REQUEST_VOTE:
        return m->request_vote.term;
    case RAFT_REQUEST_VOTE_RESULT:
        return m->request_vote_result.term;
    case RAFT_INSTALL_SNAPSHOT:
        return m->install_snapshot.term;
    case RAFT_TIMEOUT_NOW:
        return m->timeout_now.term;
    }
    return 0;
}

/* A vote that comes when nobody runs for office is late: no fault of its sender, and nothing to the
 * core, which would look at a candidate's fields to find out what to do with it. Those share memory
 * with a follower's and a leader's, so it would decide by the bytes of a pointer. */
static bool late_vote(const struct driver *d, const struct raft_message *m)
{
    return m->type == RAFT_REQUEST_VOTE_RESULT && d->raft.state != RAFT_CANDIDATE;
}

/* A refusal of an entry that the same follower has acknowledged since: the two came in another
 * order than they were sent. A probing core would believe it, set the follower's next entry to one
 * that it has, count its own entries under way as minus one, and never send it an entry again. */
static bool late_refusal(const struct driver *d, uint64_t peer, const struct raft_message *m)
{
    const struct raft_append_entries_result *result = &m->append_entries_result;
    raft_index match;

    return m->type == RAFT_APPEND_ENTRIES_RESULT && result->rejected > 0 &&
           result->term == d->raft.current_term && raft_match_index(&d->raft, peer, &match) == 0 &&
           result->rejected <= match && !MUTANT(&d->options, MUTANT_LATE_REFUSAL);
}

/* Entries from the very first one on, for a log that was cut behind it: they were sent long ago,
 * for no leader begins there for somebody who has a snapshot. The core looks for the entry before
 * them and finds that there is none to look for; then it takes them for new ones, counts its whole
 * log as theirs and reads beyond the end of the message. */
static bool from_before_the_log(const struct driver *d, const struct raft_message *m)
{
    return m->type == RAFT_APPEND_ENTRIES && m->append_entries.prev_log_index == 0 &&
           m->append_entries.n_entries > 0 && d->raft.trail.offset > 0 &&
           !MUTANT(&d->options, MUTANT_FIRST_AGAIN);
}

/* The core files an uncommitted configuration under the index of its batch's first entry, so a
 * configuration may only stand first. Our senders split batches that way (driver_send.c). */
static bool change_inside(const struct raft_append_entries *m)
{
    unsigned i;

    for (i = 1; i < m->n_entries; i++) {
        if (m->entries[i].type == RAFT_CHANGE) {
            return true;
        }
    }
    return false;
}

static const char *reason(struct driver *d, uint64_t peer, const struct raft_message *m)
{
    bool from_leader = m->type == RAFT_APPEND_ENTRIES || m->type == RAFT_INSTALL_SNAPSHOT;
    bool result = m->type == RAFT_APPEND_ENTRIES_RESULT || m->type == RAFT_REQUEST_VOTE_RESULT;
    uint64_t term = term_of(m);

    /* Only members are asked, so only members answer. Requests are another matter: a node that was
     * away may have only heard of the member that leads now (roster.h), and must follow it. */
    if (!driver_knows(d, peer) && !MUTANT(&d->options, MUTANT_SENDER_MEMBER)) {
        return "it is no member as far as this node knows, and has not shown that it knows more";
    }
    if (result && member(d, peer) == NULL && !MUTANT(&d->options, MUTANT_SENDER_MEMBER)) {
        return "a result from a node that is no member";
    }
    if (term > d->raft.current_term + TERM_JUMP_MAX && !MUTANT(&d->options, MUTANT_TERM_JUMP)) {
        return "its term is absurdly far ahead";
    }
    if (from_leader && d->raft.state == RAFT_LEADER && term == d->raft.current_term) {
        return "it claims to lead the term that this node leads";
    }
    if (m->type == RAFT_REQUEST_VOTE && m->request_vote.candidate_id != peer) {
        return "it asks for a vote for somebody else";
    }
    if (m->type == RAFT_APPEND_ENTRIES && change_inside(&m->append_entries) &&
        !MUTANT(&d->options, MUTANT_CHANGE_IN_BATCH)) {
        return "a configuration in the middle of a batch";
    }
    return NULL;
}

bool driver_guard(struct driver *d, uint64_t peer, const struct raft_message *m)
{
    const char *why = reason(d, peer, m);

    d->answers_stale = term_of(m) < d->raft.current_term;
    if (why == NULL && (late_vote(d, m) || late_refusal(d, peer, m) || from_before_the_log(d, m))) {
        return false;
    }
    if (why != NULL) {
        driver_refused(d, peer, why);
    }
    return why == NULL;
}

/* The core gives no vote when its own log does not make it a voter. But that log may not have heard
 * of the promotion that the candidate counts on, and when the candidate can't win without this
 * vote, nobody ever leads again. Raft has every server vote, by the same rules: once a term, for a
 * log that is not behind its own; whether the vote counts is the candidate's matter. */
static int entitled(struct driver *d, uint64_t peer, bool *granted, struct fault *fault)
{
    const struct raft_request_vote *asked = d->asked;
    const struct raft_server *self = member(d, d->options.id);
    uint64_t last = cache_last(d->cache);
    struct log_entry e = {.term = d->snapshot.term};

    *granted = false;
    if (asked == NULL || asked->candidate_id != peer || d->raft.state != RAFT_FOLLOWER ||
        (self != NULL && self->role == RAFT_VOTER) || asked->term < d->raft.current_term ||
        (d->raft.follower_state.current_leader.id != 0 && !asked->disrupt_leader) ||
        d->install != INSTALL_NONE || d->raft.snapshot.installing ||
        (!asked->pre_vote && d->raft.voted_for != 0 && d->raft.voted_for != peer) ||
        MUTANT(&d->options, MUTANT_MUTE_STANDBYS)) {
        return 0;
    }
    if (last > d->snapshot.index && driver_entry(d, last, &e, fault) != 0) {
        return -1;
    }
    *granted = asked->last_log_term > e.term ||
               (asked->last_log_term == e.term && asked->last_log_index >= last);
    return 0;
}

static int maybe_grant(struct driver *d, uint64_t peer, struct raft_request_vote_result *result,
                       struct fault *fault)
{
    bool granted;

    if (entitled(d, peer, &granted, fault) != 0) {
        return -1;
    }
    if (granted && !result->pre_vote) {
        d->raft.voted_for = peer;
        driver_take_vote(d); /* the answer waits until it is durable */
    }
    result->vote_granted = granted;
    return 0;
}

int driver_guard_outgoing(struct driver *d, struct raft_message *m, struct fault *fault)
{
    struct raft_request_vote_result *result = &m->request_vote_result;

    if (m->type == RAFT_REQUEST_VOTE_RESULT && !result->vote_granted &&
        maybe_grant(d, m->server_id, result, fault) != 0) {
        return -1;
    }

    /* The core echoes the candidate's own term in a refused pre-vote. A candidate with a longer log
     * and an older term would then never learn of ours, never step up, and refuse everybody: a
     * cluster without a leader for ever. */
    if (m->type == RAFT_REQUEST_VOTE_RESULT && result->pre_vote && !result->vote_granted &&
        result->term < d->raft.current_term && !MUTANT(&d->options, MUTANT_PRE_VOTE_TERM)) {
        result->term = d->raft.current_term;
    }

    /* Its answer to a leader of an older term carries a log index that it never set. The leader
     * must get our term from it, and may lead again when it comes, so the index must be harmless.
     */
    if (m->type == RAFT_APPEND_ENTRIES_RESULT && d->answers_stale) {
        struct raft_append_entries_result *answer = &m->append_entries_result;
        answer->last_log_index = answer->rejected == 0 ? 0 : answer->rejected - 1;
    }
    return 0;
}

#include "tests/sim/guards.h"

#include <raft.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/message.h"
#include "tests/sim/rig.h"

/* ---- scripts of one node ---- */

/* The core lets its commit index fall to the end of a delayed message. */
static const char *commit_never_goes_back(enum mutant mutant)
{
    struct rig rig;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_append(&rig, 2, 1, 1, 1, 9, 1, 10);
    rig_write_all(&rig);
    if (driver_applicable(rig.driver) != 10) {
        wrong = "entries that are committed and durable are not applicable";
    }
    rig_append(&rig, 2, 1, 5, 1, 0, 0, 12);
    rig_pass(&rig, 1);
    if (wrong == NULL && driver_applicable(rig.driver) != 10) {
        wrong = "what was applicable is taken back";
    }
    rig_release(&rig);
    return wrong;
}

/* The leader may know of a majority that this node is not part of. */
static const char *applicable_only_when_durable(enum mutant mutant)
{
    struct rig rig;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_append(&rig, 2, 1, 1, 1, 9, 1, 10);
    if (driver_applicable(rig.driver) > 1) {
        wrong = "an entry may be applied before it is durable here";
    }
    rig_release(&rig);
    return wrong;
}

static const char *applicable_only_when_committed(enum mutant mutant)
{
    struct rig rig;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_append(&rig, 2, 1, 1, 1, 9, 1, 4);
    rig_write_all(&rig);
    if (driver_applicable(rig.driver) != 4) {
        wrong = "an entry may be applied before it is committed";
    }
    rig_release(&rig);
    return wrong;
}

static const char *acknowledges_only_when_durable(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_append(&rig, 2, 1, 1, 1, 3, 1, 1);
    if (rig_last(&rig, RAFT_APPEND_ENTRIES_RESULT, &m) &&
        m.append_entries_result.last_log_index > 1) {
        wrong = "entries are acknowledged before they are durable";
    }
    rig_write_all(&rig);
    if (wrong == NULL && (!rig_last(&rig, RAFT_APPEND_ENTRIES_RESULT, &m) ||
                          m.append_entries_result.last_log_index != 4)) {
        wrong = "durable entries are not acknowledged";
    }
    rig_release(&rig);
    return wrong;
}

/* An entry is written, replaced by another leader's, and comes back with the third leader, all
 * before the first write is done. The first write says nothing about the entry that came back: on
 * the disk the second one follows, and cuts it. */
static const char *only_the_newest_write_counts(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_append(&rig, 2, 1, 1, 1, 1, 1, 1);
    rig_append(&rig, 3, 2, 1, 1, 1, 2, 1);
    rig_append(&rig, 2, 3, 1, 1, 1, 1, 1);
    while (rig_writes(&rig) > 1 &&
           wrong == NULL) { /* the last one holds the entry that came back */
        rig_write(&rig);
        if (rig_last(&rig, RAFT_APPEND_ENTRIES_RESULT, &m) && m.append_entries_result.term == 3 &&
            m.append_entries_result.last_log_index > 1) {
            wrong = "an entry counts as durable by a write that was cut";
        }
    }
    rig_write_all(&rig);
    if (wrong == NULL && (!rig_last(&rig, RAFT_APPEND_ENTRIES_RESULT, &m) ||
                          m.append_entries_result.last_log_index != 2)) {
        wrong = "the entry that came back is never acknowledged";
    }
    rig_release(&rig);
    return wrong;
}

/* A node that asks for votes must not forget that it voted for itself. */
static const char *votes_are_durable_first(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m = {.type = RAFT_REQUEST_VOTE_RESULT};
    struct raft_message asked;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_pass(&rig, 3000);
    m.request_vote_result.term = 2;
    m.request_vote_result.pre_vote = true;
    m.request_vote_result.vote_granted = true;
    rig_receive(&rig, 2, &m);
    if (rig_last(&rig, RAFT_REQUEST_VOTE, &asked) && !asked.request_vote.pre_vote) {
        wrong = "it asks for votes before its own is durable";
    }
    rig_write_all(&rig);
    if (wrong == NULL &&
        (!rig_last(&rig, RAFT_REQUEST_VOTE, &asked) || asked.request_vote.pre_vote)) {
        wrong = "it does not ask for votes";
    }
    rig_release(&rig);
    return wrong;
}

/* A node that was removed goes on counting terms; it must not unseat a leader. */
static const char *results_come_from_members(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT};
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_elect(&rig);
    m.append_entries_result.term = 50;
    m.append_entries_result.rejected = 1;
    rig_receive(&rig, 9, &m);
    if (!driver_is_leader(rig.driver)) {
        wrong = "a node that is no member unseats the leader";
    }
    rig_release(&rig);
    return wrong;
}

/* One bad message must not use up the terms of a cluster. */
static const char *terms_do_not_jump(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m = {.type = RAFT_REQUEST_VOTE};
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    m.request_vote.term = UINT64_C(1) << 61;
    m.request_vote.candidate_id = 2;
    m.request_vote.last_log_index = 1;
    m.request_vote.last_log_term = 1;
    rig_receive(&rig, 2, &m);
    if (driver_term(rig.driver) != 1) {
        wrong = "a term that is absurdly far ahead is believed";
    }
    m.request_vote.term = 700000; /* far, and possible */
    rig_receive(&rig, 2, &m);
    if (wrong == NULL && driver_term(rig.driver) != 700000) {
        wrong = "a term that is possible is refused";
    }
    rig_release(&rig);
    return wrong;
}

/* The core would file the configuration under the index of the batch's first entry. */
static const char *configurations_stand_first(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m;
    struct raft_message got = {.type = RAFT_APPEND_ENTRIES_RESULT};
    const uint64_t terms[] = {1, 1, 1};
    const char *wrong = NULL;
    size_t i;

    rig_init(&rig, 1, 3, mutant);
    rig_entries(&rig, terms, 3, 3);
    rig_open(&rig);
    rig_elect(&rig);
    rig_forget_sent(&rig);
    got.append_entries_result.term = driver_term(rig.driver);
    got.append_entries_result.rejected = 4; /* "I have only the first" */
    got.append_entries_result.last_log_index = 1;
    rig_receive(&rig, 2, &got);
    for (i = 0; i < rig.n_sent && wrong == NULL; i++) {
        unsigned j;
        if (message_decode(rig.sent[i].data, rig.sent[i].len, &m, &rig.fault) != 0) {
            wrong = "it sends what can't be read";
            break;
        }
        for (j = 1; m.type == RAFT_APPEND_ENTRIES && j < m.append_entries.n_entries; j++) {
            if (m.append_entries.entries[j].type == RAFT_CHANGE) {
                wrong = "it sends a configuration in the middle of a batch";
            }
        }
        message_release(&m);
    }
    rig_release(&rig);
    return wrong;
}

static void result_from(struct rig *rig, uint64_t peer, uint64_t rejected, uint64_t last)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT};

    m.append_entries_result.term = driver_term(rig->driver);
    m.append_entries_result.rejected = rejected;
    m.append_entries_result.last_log_index = last;
    rig_receive(rig, peer, &m);
}

/* Peer 2 has acknowledged index 2 and was silent for a while, so that the core probes. Then comes
 * its old refusal of index 2. */
static const char *late_refusals_are_not_believed(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m;
    const char *wrong = NULL;
    uint64_t index;
    unsigned i;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_elect(&rig);
    for (i = 0; i < 2; i++) {
        driver_propose(rig.driver, rig.now_ms, LOG_COMMAND, (struct slice){"12345678", 8}, &index,
                       &rig.fault);
        rig_write_all(&rig);
        if (i == 0) {
            result_from(&rig, 2, 0, 2);
        }
    }
    for (i = 0; i < 30; i++) {
        rig_forget_sent(&rig);
        rig_pass(&rig, 100);
        result_from(&rig, 3, 0, 1);
    }
    result_from(&rig, 2, 2, 1);
    rig_forget_sent(&rig);
    rig_pass(&rig, 100);
    for (i = 0; i < rig.n_sent; i++) {
        if (rig.sent[i].peer == 2 &&
            message_decode(rig.sent[i].data, rig.sent[i].len, &m, &rig.fault) == 0) {
            wrong = m.type == RAFT_APPEND_ENTRIES && m.append_entries.n_entries > 0
                        ? NULL
                        : "a follower gets no entries any more";
            message_release(&m);
        }
    }
    rig_release(&rig);
    return wrong;
}

/* Votes take longer than the short time-outs, and less than the configured ones. */
static const char *elections_end_on_slow_days(enum mutant mutant)
{
    struct rig rig;
    struct raft_message asked;
    struct raft_message m = {.type = RAFT_REQUEST_VOTE_RESULT};
    const char *wrong = "a slow election is never won";
    unsigned i, since = 0;
    uint64_t term = 0;
    bool pre_vote = false;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    for (i = 0; i < 3000 && wrong != NULL; i++) {
        rig_pass(&rig, 10);
        rig_write_all(&rig);
        if (rig_last(&rig, RAFT_REQUEST_VOTE, &asked)) { /* a new question: the old one is void */
            rig_forget_sent(&rig);
            term = asked.request_vote.term;
            pre_vote = asked.request_vote.pre_vote;
            since = 0;
        }
        if (term != 0 && ++since == 60) { /* the answer comes 600 ms later */
            m.request_vote_result.term = term;
            m.request_vote_result.pre_vote = pre_vote;
            m.request_vote_result.vote_granted = true;
            rig_receive(&rig, 2, &m);
        }
        if (driver_is_leader(rig.driver)) {
            wrong = NULL;
        }
    }
    rig_release(&rig);
    return wrong;
}

static const char *first_entries_come_once(enum mutant mutant)
{
    struct rig rig;
    struct fault fault;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_append(&rig, 2, 1, 1, 1, 9, 1, 10);
    rig_write_all(&rig);
    if (driver_checkpointed(rig.driver, 10, (struct slice){"manifest", 8}, &fault) != 0) {
        wrong = "a checkpoint fails";
    }
    rig_write_all(&rig);
    if (driver_snapshot_index(rig.driver) != 10) {
        wrong = "the checkpoint is no snapshot";
    }
    rig_append(&rig, 2, 1, 0, 0, 3, 1, 10);
    if (wrong == NULL && rig_writes(&rig) > 0) {
        wrong = "entries that were cut from the log are written again";
    }
    rig_release(&rig);
    return wrong;
}

/* ---- guards without a mutant of their own: the core's own slips ---- */

/* The core answers a leader of an older term with a log index that it never set. */
static const char *answers_to_the_past_are_harmless(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m;
    const char *wrong = NULL;
    uint64_t previous;

    rig_init(&rig, 1, 3, mutant);
    rig_term(&rig, 7);
    rig_open(&rig);
    for (previous = 0; previous < 12 && wrong == NULL; previous++) {
        rig_forget_sent(&rig);
        rig_append(&rig, 2, 3, previous, previous == 0 ? 0 : 1, 0, 0, 1);
        if (!rig_last(&rig, RAFT_APPEND_ENTRIES_RESULT, &m)) {
            wrong = "a leader of an older term gets no answer that it can read";
        } else if (m.append_entries_result.term != 7 ||
                   m.append_entries_result.rejected != previous ||
                   m.append_entries_result.last_log_index != (previous == 0 ? 0 : previous - 1)) {
            wrong = "a leader of an older term is told an index that means nothing";
        }
    }
    rig_release(&rig);
    return wrong;
}

/* The core looks at a candidate's fields when a vote comes, candidate or not. */
static const char *late_votes_change_nothing(enum mutant mutant)
{
    struct rig rig;
    struct raft_message m = {.type = RAFT_REQUEST_VOTE_RESULT};
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_elect(&rig);
    m.request_vote_result.term = 9;
    m.request_vote_result.pre_vote = true;
    rig_receive(&rig, 3, &m);
    if (!driver_is_leader(rig.driver) || driver_term(rig.driver) != 2) {
        wrong = "a vote that comes late unseats the leader";
    }
    rig_release(&rig);
    return wrong;
}

/* ---- scripts of several nodes ---- */

/* Delivers everything that was sent, writes at once. */
static void exchange(struct rig *rigs, unsigned n)
{
    struct rig_frame frames[RIG_FRAMES_MAX];
    unsigned i;
    size_t j, count;

    for (i = 0; i < n; i++) {
        rig_write_all(&rigs[i]);
        count = rigs[i].n_sent;
        memcpy(frames, rigs[i].sent, count * sizeof frames[0]);
        rigs[i].n_sent = 0;
        for (j = 0; j < count; j++) {
            if (frames[j].peer <= n) {
                struct rig *to = &rigs[frames[j].peer - 1];
                driver_receive(to->driver, to->now_ms, rigs[i].id,
                               (struct slice){(const char *)frames[j].data, frames[j].len},
                               &to->fault);
            }
            free(frames[j].data);
        }
    }
}

/* Two of three are up. One has the longer log and an old term, the other the newer term: the first
 * gets no vote because of its term, and the second none because of its log. Only when the first
 * learns the term of the second does it ever end. */
static const char *pre_votes_end(enum mutant mutant)
{
    struct rig rigs[2];
    const uint64_t longer[] = {3, 3, 3, 3};
    const char *wrong = NULL;
    unsigned i;

    rig_init(&rigs[0], 1, 3, mutant);
    rig_entries(&rigs[0], longer, 4, 0);
    rig_term(&rigs[0], 3);
    rig_init(&rigs[1], 2, 3, mutant);
    rig_entries(&rigs[1], longer, 2, 0);
    rig_term(&rigs[1], 9);
    rig_open(&rigs[0]);
    rig_open(&rigs[1]);
    for (i = 0; i < 2000 && !driver_is_leader(rigs[0].driver); i++) {
        rig_pass(&rigs[0], 10);
        rig_pass(&rigs[1], 10);
        exchange(rigs, 2);
    }
    if (!driver_is_leader(rigs[0].driver)) {
        wrong = "two live nodes of three find no leader in twenty seconds";
    }
    rig_release(&rigs[0]);
    rig_release(&rigs[1]);
    return wrong;
}

/* ---- all of them ---- */

int guards_run(enum mutant mutant)
{
    static const struct guard scripts[] = {
        {"commit_never_goes_back", commit_never_goes_back},
        {"applicable_only_when_durable", applicable_only_when_durable},
        {"applicable_only_when_committed", applicable_only_when_committed},
        {"acknowledges_only_when_durable", acknowledges_only_when_durable},
        {"only_the_newest_write_counts", only_the_newest_write_counts},
        {"votes_are_durable_first", votes_are_durable_first},
        {"results_come_from_members", results_come_from_members},
        {"terms_do_not_jump", terms_do_not_jump},
        {"configurations_stand_first", configurations_stand_first},
        {"answers_to_the_past_are_harmless", answers_to_the_past_are_harmless},
        {"late_votes_change_nothing", late_votes_change_nothing},
        {"pre_votes_end", pre_votes_end},
        {"late_refusals_are_not_believed", late_refusals_are_not_believed},
        {"first_entries_come_once", first_entries_come_once},
        {"elections_end_on_slow_days", elections_end_on_slow_days},
    };
    size_t n = sizeof scripts / sizeof scripts[0];
    int failed = 0;
    size_t i;

    for (i = 0; i < n + n_guards_member; i++) {
        const struct guard *g = i < n ? &scripts[i] : &guards_member[i - n];
        const char *wrong = g->play(mutant);
        printf("guard %s %s%s\n", g->name,
               wrong == NULL ? "ok" : "FAILED: ", wrong == NULL ? "" : wrong);
        failed += wrong != NULL;
    }
    printf("%zu passed, %d failed\n", n + n_guards_member - (size_t)failed, failed);
    return failed;
}

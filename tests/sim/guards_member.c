/* Scripts of what the core must not be told, or left to do, when members change. */
#include <raft.h>
#include <stdlib.h>

#include "consensus/message.h"
#include "tests/sim/guards.h"
#include "tests/sim/rig.h"

/* Members 1, 2 and 3, of which 3 has this role, and perhaps a fourth. */
static void members(struct raft_buffer *out, int role_of_third, int role_of_fourth)
{
    static const char *const addresses[] = {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3",
                                            "127.0.0.1:4"};
    struct raft_configuration c;
    unsigned i;
    int rv = 0;

    raft_configuration_init(&c);
    for (i = 1; i <= 4 && rv == 0; i++) {
        int role = i == 3 ? role_of_third : i == 4 ? role_of_fourth : RAFT_VOTER;
        if (role >= 0) {
            rv = raft_configuration_add(&c, i, addresses[i - 1], role);
        }
    }
    if (rv != 0 || raft_configuration_encode(&c, out) != 0) {
        abort();
    }
    raft_configuration_close(&c);
}

/* One configuration from the leader `peer` of `term`, after `previous` of term 1; behind a command
 * when it is to stand inside. */
static void append_change(struct rig *rig, uint64_t peer, uint64_t term, uint64_t previous,
                          uint64_t commit, struct raft_buffer *change, bool inside)
{
    static const uint8_t command[8];
    struct raft_entry entries[2];
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES};
    unsigned n = 0;

    if (inside) {
        entries[n] = (struct raft_entry){.term = term, .type = RAFT_COMMAND};
        entries[n].buf.base = (void *)(uintptr_t)command;
        entries[n++].buf.len = sizeof command;
    }
    entries[n] = (struct raft_entry){.term = term, .type = RAFT_CHANGE, .buf = *change};
    n++;
    m.append_entries.term = term;
    m.append_entries.prev_log_index = previous;
    m.append_entries.prev_log_term = 1;
    m.append_entries.leader_commit = commit;
    m.append_entries.entries = entries;
    m.append_entries.n_entries = n;
    rig_receive(rig, peer, &m);
    rig_write_all(rig);
    raft_free(change->base);
}

static uint32_t count_members(const struct rig *rig)
{
    struct cluster_status status;

    memset(&status, 0, sizeof status);
    driver_status(rig->driver, &status);
    return status.n_members;
}

/* The second configuration was only proposed because the first was committed, whatever this node
 * knows of it. When the second is cut, the first must stand. */
static const char *a_change_before_another_is_committed(enum mutant mutant)
{
    struct rig rig;
    struct raft_buffer change;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    members(&change, RAFT_VOTER, RAFT_STANDBY);
    append_change(&rig, 2, 1, 1, 1, &change, false);
    members(&change, RAFT_VOTER, RAFT_VOTER);
    append_change(&rig, 2, 1, 2, 1, &change, false);
    rig_append(&rig, 3, 2, 2, 1, 1, 2, 1);
    rig_write_all(&rig);
    if (count_members(&rig) != 4) {
        wrong = "a committed configuration is taken back";
    }
    rig_release(&rig);
    return wrong;
}

/* The receiving side of configurations_stand_first. */
static const char *configurations_inside_are_refused(enum mutant mutant)
{
    struct rig rig;
    struct raft_buffer change;
    struct cluster_status status;
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    members(&change, RAFT_VOTER, RAFT_STANDBY);
    append_change(&rig, 2, 1, 1, 1, &change, true);
    memset(&status, 0, sizeof status);
    driver_status(rig.driver, &status);
    if (status.last_index != 1 || status.change_index != 0) {
        wrong = "a configuration in the middle of a batch is taken";
    }
    rig_release(&rig);
    return wrong;
}

/* Two leaders of two terms could else each commit a change without the other's knowing. */
static const char *no_change_before_the_own_term(enum mutant mutant)
{
    struct rig rig;
    struct raft_message got = {.type = RAFT_APPEND_ENTRIES_RESULT};
    const uint64_t terms[] = {1, 1};
    const char *wrong = NULL;

    rig_init(&rig, 1, 3, mutant);
    rig_entries(&rig, terms, 2, 0);
    rig_open(&rig);
    rig_elect(&rig);
    if (driver_may_change(rig.driver)) {
        wrong = "a leader may change members before it has committed anything";
    }
    got.append_entries_result.term = driver_term(rig.driver);
    got.append_entries_result.last_log_index = 4; /* with the barrier of the new term */
    rig_receive(&rig, 2, &got);
    if (wrong == NULL) {
        static const char zeros[8];
        uint64_t index;
        driver_propose(rig.driver, rig.now_ms, LOG_BARRIER, (struct slice){zeros, 8}, &index,
                       &rig.fault);
        rig_write_all(&rig);
        got.append_entries_result.last_log_index = index;
        rig_receive(&rig, 2, &got);
        wrong = driver_may_change(rig.driver) ? NULL : "a leader may never change members";
    }
    rig_release(&rig);
    return wrong;
}

/* Its stand-bys may have entries of the term that its last life led, which its own disk has not. */
static const char *the_only_voter_begins_a_new_term(enum mutant mutant)
{
    struct rig rig;
    const char *wrong = NULL;
    uint64_t term;

    rig_init(&rig, 1, 1, mutant);
    rig_open(&rig);
    rig_write_all(&rig);
    term = driver_term(rig.driver);
    rig_crash(&rig);
    rig_open(&rig);
    rig_write_all(&rig);
    if (!driver_is_leader(rig.driver) || driver_term(rig.driver) <= term) {
        wrong = "the only voter leads the same term in two lives";
    }
    rig_release(&rig);
    return wrong;
}

static bool asks(struct rig *rig, uint64_t peer, uint64_t term, uint64_t last, bool pre_vote)
{
    struct raft_message m = {.type = RAFT_REQUEST_VOTE};
    struct raft_message answer;

    m.request_vote.term = term;
    m.request_vote.candidate_id = peer;
    m.request_vote.last_log_index = last;
    m.request_vote.last_log_term = 1;
    m.request_vote.pre_vote = pre_vote;
    rig_forget_sent(rig);
    rig_receive(rig, peer, &m);
    rig_write_all(rig);
    return rig_last(rig, RAFT_REQUEST_VOTE_RESULT, &answer) &&
           answer.request_vote_result.vote_granted && answer.server_id == peer;
}

/* The promotion that would make it a voter may be in the candidate's log only. */
static const char *stand_bys_vote(enum mutant mutant)
{
    struct rig rig;
    struct raft_buffer change;
    const char *wrong = NULL;
    int i;

    rig_init(&rig, 3, 3, mutant);
    rig_open(&rig);
    members(&change, RAFT_STANDBY, -1);
    append_change(&rig, 2, 1, 1, 2, &change, false);
    if (asks(&rig, 1, 2, 2, true)) {
        wrong = "a stand-by gives a pre-vote while it hears its leader";
    }
    for (i = 0; i < 10; i++) { /* the leader is gone, or back and a candidate like any other */
        rig_pass(&rig, 500);
        asks(&rig, 2, 2, 1, true);
    }
    if (wrong == NULL && asks(&rig, 1, 2, 1, false)) {
        wrong = "a stand-by gives its vote for a log that is behind its own";
    } else if (wrong == NULL && !asks(&rig, 1, 3, 2, true)) {
        wrong = "a stand-by gives no pre-vote";
    } else if (wrong == NULL && !asks(&rig, 1, 3, 2, false)) {
        wrong = "a stand-by gives no vote";
    } else if (wrong == NULL && asks(&rig, 2, 3, 2, false)) {
        wrong = "a stand-by gives two votes in a term";
    }
    rig_crash(&rig);
    rig_open(&rig);
    if (wrong == NULL && asks(&rig, 2, 3, 2, false)) {
        wrong = "a stand-by forgets its vote";
    }
    rig_release(&rig);
    return wrong;
}

/* If the node that is demoted alone had that entry, nobody could ever lead again. */
static const char *a_demotion_is_committed_before_it_is_told(enum mutant mutant)
{
    static const struct configuration_member demoted[] = {{1, "127.0.0.1:1", MEMBER_VOTER},
                                                          {2, "127.0.0.1:2", MEMBER_VOTER},
                                                          {3, "127.0.0.1:3", MEMBER_STANDBY}};
    struct rig rig;
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT};
    const char *wrong = NULL;
    uint64_t index;
    size_t i;

    rig_init(&rig, 1, 3, mutant);
    rig_open(&rig);
    rig_elect(&rig);
    driver_propose(rig.driver, rig.now_ms, LOG_COMMAND, (struct slice){"12345678", 8}, &index,
                   &rig.fault);
    rig_write_all(&rig);
    m.append_entries_result.term = driver_term(rig.driver);
    m.append_entries_result.last_log_index = index;
    rig_receive(&rig, 2, &m);
    rig_receive(&rig, 3, &m);
    rig_forget_sent(&rig);
    driver_propose_members(rig.driver, rig.now_ms, demoted, 3, &index, &rig.fault);
    rig_write_all(&rig);
    for (i = 0; i < rig.n_sent; i++) {
        if (rig.sent[i].peer == 3 &&
            message_decode(rig.sent[i].data, rig.sent[i].len, &m, &rig.fault) == 0) {
            wrong = m.append_entries.n_entries > 0 ? "a node hears that it is demoted too early"
                                                   : wrong;
            message_release(&m);
        }
    }
    if (index == 0) {
        wrong = "the demotion is not proposed";
    }
    rig_release(&rig);
    return wrong;
}

const struct guard guards_member[] = {
    {"a_change_before_another_is_committed", a_change_before_another_is_committed},
    {"configurations_inside_are_refused", configurations_inside_are_refused},
    {"no_change_before_the_own_term", no_change_before_the_own_term},
    {"the_only_voter_begins_a_new_term", the_only_voter_begins_a_new_term},
    {"stand_bys_vote", stand_bys_vote},
    {"a_demotion_is_committed_before_it_is_told", a_demotion_is_committed_before_it_is_told},
};
const size_t n_guards_member = sizeof guards_member / sizeof guards_member[0];

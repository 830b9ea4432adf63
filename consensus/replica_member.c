/* Changes of members on the leader: each is judged by the members of now, and if it is neither done
 * already nor refused, proposed as one configuration entry.
 *
 *   waiting -> (an entry of this term is committed) -> judged -> proposed -> applied: OK
 *                     refused, or done already: answered  <-'
 *                     the leader itself is to go: leadership is handed over; the next leader judges
 *
 * Judging anew after every loss of leadership makes repeats safe: what an earlier try has brought
 * about is found done. */
#include "consensus/replica_private.h"

#include "consensus/configuration.h"

/* A leader that is to go tries so many successors before it gives up. */
enum { HANDOVERS_MAX = 3 };

/* A change and what it meets: the members of now, and those of after it. */
struct judgement {
    const struct member_change *change;
    struct cluster_status now;
    struct configuration_member members[STATUS_MEMBERS_MAX + 1]; /* addresses are borrowed */
    bool connected[STATUS_MEMBERS_MAX + 1];
    size_t n;
    size_t at; /* the member that the change is about; n: none */
    struct member_answer answer;
};

enum verdict { VERDICT_PROPOSE, VERDICT_DONE, VERDICT_REFUSED };

static enum verdict refuse(struct judgement *j, enum member_refusal reason)
{
    j->answer.reason = reason;
    return VERDICT_REFUSED;
}

static enum verdict judge_add(struct judgement *j)
{
    const struct member_change *c = j->change;
    size_t i;

    if (j->at < j->n) {
        return strcmp(j->members[j->at].address, c->address) == 0 ? VERDICT_DONE
                                                                  : refuse(j, MEMBER_EXISTS);
    }
    for (i = 0; i < j->n; i++) {
        if (strcmp(j->members[i].address, c->address) == 0) {
            return refuse(j, MEMBER_ADDRESS_TAKEN);
        }
    }
    if (c->id <= j->now.highest_member_id) {
        j->answer.highest_id = j->now.highest_member_id;
        return refuse(j, MEMBER_ID_USED);
    }
    if (j->n == STATUS_MEMBERS_MAX) {
        return refuse(j, MEMBER_TOO_MANY);
    }
    j->members[j->n++] = (struct configuration_member){c->id, c->address, MEMBER_STANDBY};
    return VERDICT_PROPOSE;
}

static enum verdict judge_promote(struct replica *r, struct judgement *j)
{
    uint64_t slack = r->options.driver.inflight; /* what is always on its way under load */

    if (j->members[j->at].role == MEMBER_VOTER) {
        return VERDICT_DONE;
    }
    /* Who lacks what the log does not hold any more needs the state first, however few entries
     * that may be. */
    if (j->now.members[j->at].match_index == 0 ||
        j->now.members[j->at].match_index + 1 < j->now.first_index ||
        j->now.members[j->at].match_index + slack < j->now.last_index ||
        !j->now.members[j->at].connected) {
        j->answer.match_index = j->now.members[j->at].match_index;
        j->answer.last_index = j->now.last_index;
        return refuse(j, MEMBER_NOT_CAUGHT_UP);
    }
    j->members[j->at].role = MEMBER_VOTER;
    return VERDICT_PROPOSE;
}

static void drop_member(struct judgement *j)
{
    size_t i;

    for (i = j->at + 1; i < j->n; i++) {
        j->members[i - 1] = j->members[i];
        j->connected[i - 1] = j->connected[i];
    }
    j->n--;
}

/* Whether the voters of after the change could elect and commit now. */
static enum verdict judge_quorum(struct judgement *j)
{
    size_t voters = 0;
    size_t reached = 0;
    size_t i;

    for (i = 0; i < j->n; i++) {
        if (j->members[i].role == MEMBER_VOTER) {
            voters++;
            reached += j->connected[i];
        }
    }
    if (voters == 0) {
        return refuse(j, MEMBER_LAST_VOTER);
    }
    return reached > voters / 2 ? VERDICT_PROPOSE : refuse(j, MEMBER_NO_QUORUM);
}

static enum verdict judge(struct replica *r, struct judgement *j)
{
    enum verdict verdict = VERDICT_PROPOSE;

    if (j->change->op == MEMBER_ADD) {
        return judge_add(j); /* a stand-by: no majority changes */
    }
    if (j->at == j->n) {
        return refuse(j, MEMBER_UNKNOWN);
    }
    switch (j->change->op) {
    case MEMBER_PROMOTE:
        verdict = judge_promote(r, j);
        break;
    case MEMBER_DEMOTE:
        if (j->members[j->at].role == MEMBER_STANDBY) {
            return VERDICT_DONE;
        }
        j->members[j->at].role = MEMBER_STANDBY;
        break;
    case MEMBER_REMOVE:
        drop_member(j);
        break;
    case MEMBER_ADD:
        break;
    }
    return verdict == VERDICT_PROPOSE ? judge_quorum(j) : verdict;
}

static void judgement_init(struct replica *r, struct judgement *j,
                           const struct member_change *change)
{
    memset(&j->answer, 0, sizeof j->answer);
    j->change = change;
    driver_status(r->driver, &j->now);
    j->n = j->now.n_members;
    j->at = j->n;
    for (size_t i = 0; i < j->n; i++) {
        j->members[i] = (struct configuration_member){
            j->now.members[i].id, j->now.members[i].address, j->now.members[i].role};
        j->connected[i] = j->now.members[i].connected;
        if (j->now.members[i].id == change->id) {
            j->at = i;
        }
    }
}

static void finish_refused(struct replica *r, struct work *w, const struct member_answer *answer)
{
    struct member_change change;
    struct fault fault;

    /* A removal that an earlier try has brought about finds nobody to remove. */
    if (answer->reason == MEMBER_UNKNOWN && w->maybe_logged &&
        member_change_decode(work_in(w), &change, &fault) == 0 && change.op == MEMBER_REMOVE) {
        work_finish(r, w, RESULT_OK);
        return;
    }
    bytes_clear(work_out(w));
    member_answer_encode(answer, work_out(w));
    work_finish(r, w, RESULT_REFUSED);
}

void replica_take_refusal(struct replica *r, struct work *w, struct slice answer)
{
    struct member_answer decoded;
    struct fault fault;

    if (member_answer_decode(answer, &decoded, &fault) != 0) {
        work_finish(r, w,
                    RESULT_UNKNOWN); /* a newer leader's reason: the outcome is to be looked at */
        return;
    }
    finish_refused(r, w, &decoded);
}

/* The voter that has most of the log, of those that can be reached. 0: none. */
static uint64_t successor(const struct judgement *j, uint64_t self)
{
    uint64_t best = 0;
    uint64_t match = 0;
    size_t i;

    for (i = 0; i < j->now.n_members; i++) {
        if (j->now.members[i].id != self && j->now.members[i].role == MEMBER_VOTER &&
            j->now.members[i].connected && (best == 0 || j->now.members[i].match_index > match)) {
            best = j->now.members[i].id;
            match = j->now.members[i].match_index;
        }
    }
    return best;
}

/* This leader is to be no voter any more. The work waits on: for the next leader, or for another
 * try. */
static int hand_over(struct replica *r, struct work *w, const struct judgement *before,
                     struct fault *fault)
{
    const struct member_answer none = {.reason = MEMBER_NO_SUCCESSOR};
    uint64_t target = successor(before, r->options.driver.id);
    bool accepted = false;

    if (target == 0 || w->handovers++ == HANDOVERS_MAX) {
        finish_refused(r, w, &none);
        return 0;
    }
    report(r->options.driver.reporter, LEVEL_INFO, "consensus",
           "this leader is to be no voter any more and hands over", "to=%llu request=%s",
           (unsigned long long)target, work_name(w));
    return driver_transfer(r->driver, replica_now_ms(r), target, &accepted, fault);
}

static int propose(struct replica *r, struct work *w, const struct judgement *j,
                   struct fault *fault)
{
    static const char *const names[] = {[MEMBER_ADD] = "add",
                                        [MEMBER_PROMOTE] = "promote",
                                        [MEMBER_DEMOTE] = "demote",
                                        [MEMBER_REMOVE] = "remove"};
    uint64_t index;

    if (!work_enter(r, w)) {
        return 0;
    }
    if (driver_propose_members(r->driver, replica_now_ms(r), j->members, j->n, &index, fault) !=
        0) {
        return -1;
    }
    if (index == 0) {
        return 0; /* not now: it waits on */
    }
    report(r->options.driver.reporter, LEVEL_INFO, "consensus", "changing the members, as asked",
           "change=%s id=%llu index=%llu request=%s", names[j->change->op],
           (unsigned long long)j->change->id, (unsigned long long)index, work_name(w));
    r->change = w;
    w->proposed = 1;
    w->wait_index = index;
    work_move(r, w, WORK_READING);
    return 0;
}

static int serve(struct replica *r, struct work *w, struct fault *fault)
{
    struct judgement before;
    struct judgement after;
    struct member_change change;
    struct fault why;
    bool leaves;

    if (member_change_decode(work_in(w), &change, &why) != 0) {
        work_finish(r, w, RESULT_MALFORMED);
        return 0;
    }
    judgement_init(r, &before, &change);
    judgement_init(r, &after, &change);
    if (driver_change(r->driver) != 0) {
        refuse(&after, MEMBER_BUSY);
        finish_refused(r, w, &after.answer);
        return 0;
    }
    leaves = change.id == r->options.driver.id &&
             (change.op == MEMBER_DEMOTE || change.op == MEMBER_REMOVE);
    switch (judge(r, &after)) {
    case VERDICT_DONE:
        work_finish(r, w, RESULT_OK);
        return 0;
    case VERDICT_REFUSED:
        finish_refused(r, w, &after.answer);
        return 0;
    case VERDICT_PROPOSE:
        break;
    }
    return leaves ? hand_over(r, w, &before, fault) : propose(r, w, &after, fault);
}

int replica_serve_changes(struct replica *r, struct fault *fault)
{
    struct work *w = r->places[WORK_WAITING].first;
    struct work *next;

    for (; w != NULL; w = next) {
        next = w->next;
        if (w->kind != TICKET_MEMBER || driver_transferring(r->driver) ||
            !driver_is_leader(r->driver)) {
            continue;
        }
        if (driver_may_change(r->driver)) {
            if (serve(r, w, fault) != 0) {
                return -1;
            }
        } else if (r->barrier_index <= r->applied) {
            return replica_propose_barrier(r, fault);
        }
    }
    return 0;
}

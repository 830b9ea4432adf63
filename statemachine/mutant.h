/* Deliberate bugs, compiled in only for the simulator's check of itself (-DFLORIN_MUTANTS): each is
 * one guard or rule left out, and the simulator must find it. Production code never has them. Those
 * of consensus/ and those of the state machine stand in one list: a run has one of them. */
#ifndef FLORIN_MUTANT_H
#define FLORIN_MUTANT_H

enum mutant {
    MUTANT_NONE = 0,
    MUTANT_PRE_VOTE_TERM,     /* a pre-vote refusal keeps the candidate's term */
    MUTANT_COMMIT_BACKWARDS,  /* believe a commit index that goes back */
    MUTANT_APPLY_BY_COMMIT,   /* apply from the core's commit index, not from our applied one */
    MUTANT_INSTALL_TERM,      /* install without checking what was loaded */
    MUTANT_SENDER_MEMBER,     /* take messages from anybody */
    MUTANT_TERM_JUMP,         /* take any term */
    MUTANT_FORGET_VOTE,       /* send before term and vote are durable */
    MUTANT_STALE_PERSISTED,   /* report entries as durable that were cut and written again */
    MUTANT_ACK_BEFORE_COMMIT, /* answer tickets when proposed */
    MUTANT_STALE_READ,        /* answer reads without a barrier */
    MUTANT_ACK_BEFORE_SYNC,   /* report entries as durable when submitted */
    MUTANT_CHANGE_IN_BATCH,   /* hand a configuration to the core in the middle of a batch */
    MUTANT_LATE_REFUSAL,      /* believe a refusal of what was acknowledged since */
    MUTANT_INSTALL_OLDER,     /* move in a state that ends before the one that is here */
    MUTANT_REQUEST_AGAIN,     /* number forwarded work from 1 in every life */
    MUTANT_HURRY_ON,          /* go on with short election time-outs for ever */
    MUTANT_CHANGE_EARLY,      /* change members before an entry of the own term is committed */
    MUTANT_CHANGE_UNSETTLED,  /* forget a configuration when the next one comes before its commit */
    MUTANT_MUTE_STANDBYS,     /* give no vote that the own log does not entitle to */
    MUTANT_SOLE_TERM,         /* let the only voter lead the same term again in its next life */
    MUTANT_FIRST_AGAIN,       /* take entries from the first one on into a log that was cut */
    MUTANT_CERTAIN_ANSWER,    /* say "certainly not applied" of what may be in a log */
    MUTANT_CLOCK_BACK,        /* stamp entries with the leader's own clock, whatever was before */
    MUTANT_IGNORE_SYNC,       /* go on after a sync of the log that failed */
    MUTANT_SKIP_DEDUPE,       /* decide an id that is known as if it were new */
    MUTANT_FORGET_FROZEN,     /* forget ids while a checkpoint with them is being written */
    MUTANT_LOSE_TOMBSTONE,    /* a rollback of something unknown leaves no mark */
    MUTANT_ROLLBACK_TWICE,    /* reverse what another rollback has reversed */
    MUTANT_APPLY_TWICE,       /* after a restart, apply entries that the checkpoint holds */
    MUTANT_SPEND_HELD,        /* let bets take what is held for a withdrawal */
    MUTANT_HALF_ATOMIC,       /* keep what the items before a refused one did */
    MUTANT_REQUEST_ANEW,      /* number forwarded work from 1 whenever the leader is asked anew */
    MUTANT_LOST_CERTAIN,      /* forget that the leader may have logged what it lost */
    MUTANT_FORWARD_LEAK,      /* never take answered forwarded work off the count */
    MUTANT_UNSAVED_CLOCK,     /* write no clock into a checkpoint */
    MUTANT_UNSAVED_MARK,      /* write no tombstone of something unknown into a checkpoint */
    MUTANT_OPEN_ROUND,        /* take bets of a round that is closed */
    MUTANT_OLD_SESSION,       /* take bets of a session that is over */
    MUTANT_BALANCE_BEFORE,    /* answer a repeat with the balance of the first time */
};

#ifdef FLORIN_MUTANTS
#define MUTANT(options, which) ((options)->mutant == (which))
#else
#define MUTANT(options, which) ((void)(options), 0)
#endif

#endif

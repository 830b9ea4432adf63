/* Questions about rounds, players, limits, keys and principals. */
#include "tests/scenarios/run.h"

enum { GOT_MAX = 512 };

/* Joins the words behind the equals sign and holds them against what was got. */
static bool same_words(struct run *r, const struct words *w, int from, const char *got)
{
    char expected[WORDS_TEXT_MAX] = "";
    int i;

    for (i = from; i < w->n_command; i++) {
        strcat(strcat(expected, i > from ? " " : ""), w->word[i]);
    }
    return strcmp(expected, got) == 0 || run_fail(r, "expected '%s', got '%s'", expected, got);
}

static void add(char got[GOT_MAX], const char *separator, struct slice text)
{
    size_t len = strlen(got);

    snprintf(got + len, GOT_MAX - len, "%s%.*s", len > 0 ? separator : "", (int)text.len,
             text.base);
}

static void add_number(char got[GOT_MAX], const char *separator, unsigned long long number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", number);
    add(got, separator, slice_of(text));
}

/* rounds PROVIDER PLAYER|all = PLAYER/ROUND/BETS ...: the open ones, fetched in pages of two */
bool run_ask_rounds(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_ROUNDS,
                      .principal = slice_of(w->word[1]),
                      .player = slice_of(strcmp(w->word[2], "all") == 0 ? NULL : w->word[2]),
                      .limit = 2};
    char got[GOT_MAX] = "", player[ID_MAX], round[ID_MAX];
    struct round_info info;
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    do {
        bytes_clear(&out);
        ok = run_ask(r, f, &q, &out, &a);
        while (ok && answer_next_round(&a, &info, &f->fault) == 1) {
            add(got, " ", info.player);
            add(got, "/", info.round);
            add_number(got, "/", info.bets);
        }
        if (ok && a.next_round.len > 0) {
            memcpy(player, a.next_player.base, a.next_player.len);
            memcpy(round, a.next_round.base, a.next_round.len);
            q.name = (struct slice){player, a.next_player.len};
            q.id = (struct slice){round, a.next_round.len};
        }
    } while (ok && a.next_round.len > 0);
    bytes_release(&out);
    return ok && same_words(r, w, 4, w->n_command == 5 && got[0] == '\0' ? "none" : got);
}

/* status PLAYER = STATE [until] [remind SECONDS] [password] */
bool run_ask_status(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_PLAYER, .player = slice_of(w->word[1])};
    char got[GOT_MAX] = "";
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    if (ok && a.verdict != VERDICT_APPLIED) {
        add(got, " ", slice_of(verdict_code(a.verdict)));
    } else if (ok) {
        add(got, " ", slice_of(player_status_name(a.status)));
        if (a.until_ms != 0) {
            add(got, " ", slice_of("until"));
        }
        if (a.reminder_s != 0) {
            add_number(got, " remind ", a.reminder_s);
        }
        if (a.has_password) {
            add(got, " ", slice_of("password"));
        }
    }
    bytes_release(&out);
    return ok && same_words(r, w, 3, got);
}

/* limit-of PLAYER KIND PERIOD CODE = AMOUNT used AMOUNT [then AMOUNT|none], or none */
bool run_ask_limit(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_PLAYER, .player = slice_of(w->word[1])};
    char got[GOT_MAX] = "", amount[AMOUNT_TEXT_MAX];
    struct answer a;
    struct bytes out;
    uint32_t i;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    for (i = 0; ok && i < a.n_limits; i++) {
        const struct limit_info *l = &a.limits[i];

        if (strcmp(limit_kind_name(l->kind), w->word[2]) != 0 ||
            strcmp(limit_period_name(l->period), w->word[3]) != 0 ||
            !slice_is(l->currency, w->word[4])) {
            continue;
        }
        money_format(l->amount_minor, l->scale, amount);
        add(got, "", slice_of(amount));
        money_format(l->used_minor, l->scale, amount);
        add(got, " used ", slice_of(amount));
        if (l->pending) {
            money_format(l->pending_minor, l->scale, amount);
            add(got, " then ", slice_of(l->pending_none ? "none" : amount));
        }
    }
    bytes_release(&out);
    return ok && same_words(r, w, 6, got[0] == '\0' ? "none" : got);
}

/* password-of PLAYER = HASH|unknown_player */
bool run_ask_password(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_PASSWORD, .player = slice_of(w->word[1])};
    char got[GOT_MAX] = "";
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    if (ok) {
        add(got, "",
            a.verdict == VERDICT_APPLIED ? a.password_hash : slice_of(verdict_code(a.verdict)));
    }
    bytes_release(&out);
    return ok && same_words(r, w, 3, got);
}

static void add_policy(char got[GOT_MAX], const struct answer *a)
{
    const struct policy *p = &a->policy;
    uint8_t i;

    add(got, " ", slice_of(shortfall_name(p->shortfall)));
    add_number(got, " rate ", p->rate_per_s);
    for (i = 0; i < p->n_currencies; i++) {
        add(got, i == 0 ? " currencies " : ",", p->currencies[i]);
    }
    for (i = 0; i < p->n_ip_allow; i++) {
        add(got, i == 0 ? " from " : ",", p->ip_allow[i]);
    }
    if (a->principal_disabled) {
        add(got, " ", slice_of("principal-disabled"));
    }
    if (p->ids_scope != IDS_PER_PRINCIPAL) {
        add(got, " ids ", slice_of(ids_scope_name(p->ids_scope)));
    }
}

/* principal NAME = ROLE SHORTFALL rate N [currencies A,B] [from CIDR,..] [principal-disabled] [ids
 * player] */
bool run_ask_principal(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_PRINCIPAL, .name = slice_of(w->word[1])};
    char got[GOT_MAX] = "";
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    if (ok && a.verdict == VERDICT_APPLIED) {
        add(got, "", slice_of(role_name(a.role)));
        add_policy(got, &a);
    } else if (ok) {
        add(got, "", slice_of(verdict_code(a.verdict)));
    }
    bytes_release(&out);
    return ok && same_words(r, w, 3, got);
}

/* key-of ID = KIND [sealed TEXT] PRINCIPAL ROLE SHORTFALL rate N ... [disabled] */
bool run_ask_key(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_KEY, .name = slice_of(w->word[1])};
    char got[GOT_MAX] = "";
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    if (ok && a.verdict == VERDICT_APPLIED) {
        add(got, "", slice_of(key_kind_name(a.key_kind)));
        if (a.key_kind == KEY_HMAC) {
            add(got, " sealed ", a.key_sealed);
        }
        add(got, " ", a.principal);
        add(got, " ", slice_of(role_name(a.role)));
        add_policy(got, &a);
        if (a.disabled) {
            add(got, " ", slice_of("disabled"));
        }
    } else if (ok) {
        add(got, "", slice_of(verdict_code(a.verdict)));
    }
    bytes_release(&out);
    return ok && same_words(r, w, 3, got);
}

/* session-of ID = PLAYER PROVIDER|none [closed] [authenticated] */
bool run_ask_session(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_SESSION, .name = slice_of(w->word[1])};
    char got[GOT_MAX] = "";
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    if (ok && a.verdict == VERDICT_APPLIED) {
        add(got, "", a.session.player);
        add(got, " ", a.session.provider.len > 0 ? a.session.provider : slice_of("none"));
        if (a.session.closed_at_ms != 0) {
            add(got, " ", slice_of("closed"));
        }
        if (a.session.authenticated_at_ms != 0) {
            add(got, " ", slice_of("authenticated"));
        }
    } else if (ok) {
        add(got, "", slice_of(verdict_code(a.verdict)));
    }
    bytes_release(&out);
    return ok && same_words(r, w, 3, got);
}

/* actions = N */
bool run_ask_actions(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_ACTIONS_BEFORE, .limit = 1};
    char got[GOT_MAX] = "";
    struct action action = {.number = 0};
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a) && answer_next_action(&a, &action, &f->fault) >= 0;
    add_number(got, "", action.number);
    bytes_release(&out);
    return ok && same_words(r, w, 2, got);
}

/* action N = CALL SUBJECT|- OUTCOME by PRINCIPAL at SEQ [DETAIL ...] */
bool run_ask_action(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_ACTIONS, .seq = strtoull(w->word[1], NULL, 10), .limit = 1};
    char got[GOT_MAX] = "";
    struct action action;
    struct answer a;
    struct bytes out;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a) &&
         (answer_next_action(&a, &action, &f->fault) == 1 || run_fail(r, "there is none"));
    if (ok) {
        add(got, "", action.call);
        add(got, " ", action.subject.len > 0 ? action.subject : slice_of("-"));
        add(got, " ", slice_of(action_outcome(&action)));
        add(got, " by ", action.by.principal);
        add_number(got, " at ", action.seq);
        if (action.detail.len > 0) {
            add(got, " ", action.detail);
        }
    }
    bytes_release(&out);
    return ok && same_words(r, w, 3, got);
}

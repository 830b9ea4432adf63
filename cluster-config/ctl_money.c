/* The commands that move money, and the reads of it. */
#include "cluster-config/ctl.h"

#include <string.h>

enum { PATH_MAX_BYTES = 512 };

/* Adds a member when the value was given. */
static void put(json_t *body, const char *key, const char *value)
{
    if (value != NULL) {
        json_object_set_new(body, key, json_string(value));
    }
}

static int finish(struct ctl *ctl, int rc, struct ctl_reply *reply)
{
    if (rc == CTL_OK && reply->body != NULL) {
        rc = ctl->options.json ? ctl_show_json(reply->body) : ctl_show_fields(reply->body);
    }
    ctl_reply_release(reply);
    return rc;
}

static int post(struct ctl *ctl, const char *path, json_t *body)
{
    struct ctl_reply reply = {0};

    return finish(ctl, ctl_call(ctl, path, body, &reply), &reply);
}

/* {id, player, currency} from the first three words. */
static json_t *transaction(char **args)
{
    json_t *body = json_object();

    put(body, "id", args[0]);
    put(body, "player", args[1]);
    put(body, "currency", args[2]);
    return body;
}

static void put_play(json_t *body, const struct ctl_options *o)
{
    put(body, "round", o->round);
    put(body, "game", o->game);
    put(body, "session", o->session);
}

int ctl_bet(struct ctl *ctl, char **args, int n_args)
{
    json_t *body = transaction(args);

    (void)n_args;
    put(body, "amount", args[3]);
    put_play(body, &ctl->options);
    return post(ctl, "/v1/bets", body);
}

int ctl_win(struct ctl *ctl, char **args, int n_args)
{
    json_t *body = transaction(args);

    (void)n_args;
    put(body, "amount", args[3]);
    put_play(body, &ctl->options);
    put(body, "bet", ctl->options.bet);
    put(body, "kind", ctl->options.kind);
    return post(ctl, "/v1/wins", body);
}

int ctl_rollback(struct ctl *ctl, char **args, int n_args)
{
    json_t *body = transaction(args);

    (void)n_args;
    put(body, "original", args[3]);
    return post(ctl, "/v1/rollbacks", body);
}

int ctl_deposit(struct ctl *ctl, char **args, int n_args)
{
    json_t *body = transaction(args);

    (void)n_args;
    put(body, "amount", args[3]);
    put(body, "gateway", args[4]);
    return post(ctl, "/v1/deposits", body);
}

int ctl_withdrawal_add(struct ctl *ctl, char **args, int n_args)
{
    json_t *body = transaction(args);

    (void)n_args;
    put(body, "amount", args[3]);
    put(body, "gateway", args[4]);
    return post(ctl, "/v1/withdrawals", body);
}

static int end_withdrawal(struct ctl *ctl, const char *id, const char *how, const char *amount)
{
    char path[PATH_MAX_BYTES];
    json_t *body;

    if (!ctl_id_ok("withdrawal", id)) {
        return CTL_USAGE;
    }
    snprintf(path, sizeof path, "/v1/withdrawals/%s/%s", id, how);
    body = json_object();
    put(body, "amount", amount);
    return post(ctl, path, body);
}

int ctl_withdrawal_confirm(struct ctl *ctl, char **args, int n_args)
{
    return end_withdrawal(ctl, args[0], "confirm", n_args == 2 ? args[1] : NULL);
}

int ctl_withdrawal_cancel(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return end_withdrawal(ctl, args[0], "cancel", NULL);
}

/* A read: the list under `member` as a table, or the whole as fields when member is NULL. */
static int show(struct ctl *ctl, char *path, const char *member, const char *const *columns)
{
    struct ctl_reply reply = {0};
    int rc;

    if (ctl->options.stale) {
        ctl_path_add(path, PATH_MAX_BYTES, "consistency", "stale");
    }
    rc = ctl_call(ctl, path, NULL, &reply);
    if (rc != CTL_OK || member == NULL || ctl->options.json) {
        return finish(ctl, rc, &reply);
    }
    json_t *list = json_object_get(reply.body, member);
    rc = json_is_array(list) ? ctl_show_rows(list, columns)
                             : ctl_fail(CTL_UNAVAILABLE, "the answer has no list \"%s\"", member);
    ctl_reply_release(&reply);
    return rc;
}

int ctl_balance(struct ctl *ctl, char **args, int n_args)
{
    static const char *const columns[] = {"currency", "balance", "available", NULL};
    char path[PATH_MAX_BYTES];

    (void)n_args;
    if (!ctl_id_ok("player", args[0])) {
        return CTL_USAGE;
    }
    snprintf(path, sizeof path, "/v1/players/%s/balances", args[0]);
    return show(ctl, path, "balances", columns);
}

int ctl_history(struct ctl *ctl, char **args, int n_args)
{
    static const char *const columns[] = {"seq",      "at",      "type",    "id", "amount",
                                          "currency", "balance", "outcome", NULL};
    char path[PATH_MAX_BYTES];

    (void)n_args;
    if (!ctl_id_ok("player", args[0])) {
        return CTL_USAGE;
    }
    snprintf(path, sizeof path, "/v1/players/%s/transactions", args[0]);
    if (ctl->options.limit != 0) {
        ctl_path_add_number(path, sizeof path, "limit", ctl->options.limit);
    }
    if (ctl->options.before != 0) {
        ctl_path_add_number(path, sizeof path, "before", ctl->options.before);
    }
    return show(ctl, path, "transactions", columns);
}

int ctl_transaction(struct ctl *ctl, char **args, int n_args)
{
    char path[PATH_MAX_BYTES];

    (void)n_args;
    if (!ctl_id_ok("transaction", args[0]) ||
        (ctl->options.player != NULL && !ctl_id_ok("player", ctl->options.player))) {
        return CTL_USAGE;
    }
    snprintf(path, sizeof path, "/v1/transactions/%s", args[0]);
    if (ctl->options.player != NULL) {
        ctl_path_add(path, sizeof path, "player", ctl->options.player);
    }
    return show(ctl, path, NULL, NULL);
}

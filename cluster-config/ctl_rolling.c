/* A rolling restart: one node after the other, so that the cluster never lacks more than one.
 *
 * Guarantees: no node is touched while another is not ready; a node counts as back when its process
 * is a new one, it answers linearizable reads, and it has applied all that was committed when it
 * came back; the leader hands over first and is the last one. It stops at the first node of which
 * that can't be said. How a node is restarted is the operator's command: this program knows
 * neither hosts nor service managers. Given again it begins anew, which only costs time. */
#include "cluster-config/ctl.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { LOOK_EVERY_MS = 200, MEMBERS_MAX = 16, COMMAND_MAX = 1024, TEXT_MAX = 160 };

/* One node's restart. */
struct restart {
    json_int_t id;
    char address[64];
    char started_at[32]; /* of the process that is to end */
    json_int_t goal;     /* the index to have applied; 0: not known yet */
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

static json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static bool is_ready(const json_t *row)
{
    return strcmp(text_of(row, "ready"), "yes") == 0;
}

/* --- before ------------------------------------------------------------------------------------
 */

/* What speaks against taking a node down now, or an empty text. */
static void objection(const struct ctl_view *v, char text[static TEXT_MAX])
{
    json_t *member;
    size_t i;

    text[0] = '\0';
    if (v->best == NULL) {
        snprintf(text, TEXT_MAX,
                 v->denied ? "the key may not see the cluster" : "no endpoint answers");
    } else if (!ctl_view_has_leader(v)) {
        snprintf(text, TEXT_MAX, "no endpoint's node leads");
    }
    json_array_foreach(json_object_get(v->best, "members"), i, member)
    {
        json_int_t id = number_of(member, "id");
        const json_t *row = ctl_view_node(v, id);

        if (text[0] != '\0') {
            return;
        }
        if (row == NULL) {
            snprintf(text, TEXT_MAX,
                     "none of the endpoints is node %" JSON_INTEGER_FORMAT "'s, or it is down", id);
        } else if (!is_ready(row)) {
            snprintf(text, TEXT_MAX, "node %" JSON_INTEGER_FORMAT " is not ready", id);
        }
    }
}

/* Waits until nothing speaks against it; fills `v` then, for the caller to release. */
static int wait_whole(struct ctl *ctl, struct ctl_view *v)
{
    uint64_t deadline = ctl_now_ms() + ctl->options.timeout_ms;
    char text[TEXT_MAX];

    for (;;) {
        ctl_view_take(ctl, v);
        objection(v, text);
        if (text[0] == '\0') {
            return CTL_OK;
        }
        bool denied = v->denied && v->best == NULL;
        ctl_view_release(v);
        if (denied || ctl_now_ms() >= deadline) {
            return ctl_fail(denied ? CTL_CREDENTIALS : CTL_UNAVAILABLE,
                            "no node is restarted while not all are ready: %s", text);
        }
        ctl_pause_ms(LOOK_EVERY_MS);
    }
}

/* The members' ids, the leader's last. */
static size_t order(const struct ctl_view *v, json_int_t ids[static MEMBERS_MAX])
{
    json_int_t leader = number_of(v->best, "leader");
    size_t n = 0, i;
    json_t *member;

    json_array_foreach(json_object_get(v->best, "members"), i, member)
    {
        json_int_t id = number_of(member, "id");

        if (id != leader && n < MEMBERS_MAX - 1) {
            ids[n++] = id;
        }
    }
    ids[n++] = leader;
    return n;
}

/* Leadership goes elsewhere, if it is here; several may stand by, whoever takes it is fine. */
static int hand_over(struct ctl *ctl, json_int_t id)
{
    uint64_t deadline = ctl_now_ms() + ctl->options.wait_ms;
    bool said = false;

    for (;;) {
        struct ctl_reply reply = {0};
        struct ctl_view v;
        int rc = wait_whole(ctl, &v);
        bool leads = rc == CTL_OK && number_of(v.best, "leader") == id;

        ctl_view_release(&v);
        if (rc != CTL_OK || !leads) {
            return rc;
        }
        if (ctl_now_ms() >= deadline) {
            return ctl_fail(CTL_UNAVAILABLE,
                            "node %" JSON_INTEGER_FORMAT " still leads; nothing was restarted", id);
        }
        if (!said) {
            ctl_say(ctl, "node %" JSON_INTEGER_FORMAT ": leads; handing over", id);
            said = true;
        }
        ctl->expected = "transfer_refused"; /* nobody took over in time: once more */
        rc = ctl_call(ctl, "/v1/cluster/transfer", json_object(), &reply);
        ctl->expected = NULL;
        if (rc != CTL_OK && !ctl_is_problem(&reply, "transfer_refused")) {
            ctl_reply_release(&reply);
            return rc;
        }
        ctl_reply_release(&reply);
        ctl_pause_ms(LOOK_EVERY_MS);
    }
}

/* --- the operator's command ---------------------------------------------------------------------
 */

/* An address comes from the cluster and goes into a shell: only what an address is made of. */
static bool is_address(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (!isalnum((unsigned char)*c) && strchr(".:-[]_", *c) == NULL) {
            return false;
        }
    }
    return text[0] != '\0';
}

/* The template with {id} and {address} filled in; false when it does not fit. */
static bool fill(const char *template, const struct restart *r, char out[static COMMAND_MAX])
{
    size_t len = 0;

    while (*template != '\0') {
        char piece[72] = {*template, '\0'};

        if (strncmp(template, "{id}", 4) == 0) {
            snprintf(piece, sizeof piece, "%" JSON_INTEGER_FORMAT, r->id);
            template += 4;
        } else if (strncmp(template, "{address}", 9) == 0) {
            snprintf(piece, sizeof piece, "%s", r->address);
            template += 9;
        } else {
            template ++;
        }
        if (len + strlen(piece) >= COMMAND_MAX) {
            return false;
        }
        len += (size_t)snprintf(out + len, COMMAND_MAX - len, "%s", piece);
    }
    out[len] = '\0';
    return len > 0;
}

static int run(struct ctl *ctl, const struct restart *r)
{
    char command[COMMAND_MAX];
    int status;

    if (!fill(ctl->options.restart_command, r, command)) {
        return ctl_fail(CTL_USAGE, "--restart-command is empty or too long");
    }
    ctl_say(ctl, "node %" JSON_INTEGER_FORMAT ": %s", r->id, command);
    status = system(command); /* NOLINT: a command of the operator's own is what is asked for */
    if (status == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return ctl_fail(CTL_REFUSED,
                        "node %" JSON_INTEGER_FORMAT ": the command ended with %s%d; look at the "
                        "node, then give this command again",
                        r->id, WIFSIGNALED(status) ? "signal " : "",
                        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return CTL_OK;
}

/* --- after --------------------------------------------------------------------------------------
 */

/* True when the node is back; else what it lacks. */
static bool is_back(const struct ctl_view *v, struct restart *r, char text[static TEXT_MAX])
{
    const json_t *row = ctl_view_node(v, r->id);

    if (row == NULL) {
        snprintf(text, TEXT_MAX, "does not answer");
    } else if (strcmp(text_of(row, "started_at"), r->started_at) == 0) {
        snprintf(text, TEXT_MAX, "still runs as the process that started at %s", r->started_at);
    } else if (!is_ready(row)) {
        snprintf(text, TEXT_MAX, "is up, and not ready");
    } else if (!ctl_view_has_leader(v)) {
        snprintf(text, TEXT_MAX, "is ready; no endpoint's node leads");
    } else {
        if (r->goal == 0) {
            r->goal = number_of(v->best, "commit_index");
        }
        snprintf(text, TEXT_MAX,
                 "has applied entry %" JSON_INTEGER_FORMAT "; %" JSON_INTEGER_FORMAT
                 " was committed when it came back",
                 number_of(row, "applied_index"), r->goal);
        return number_of(row, "applied_index") >= r->goal;
    }
    return false;
}

static int wait_back(struct ctl *ctl, struct restart *r)
{
    uint64_t deadline = ctl_now_ms() + ctl->options.wait_ms;
    struct ctl_progress progress = {0};

    for (;;) {
        char text[TEXT_MAX];
        struct ctl_view v;
        bool back;

        ctl_view_take(ctl, &v);
        back = is_back(&v, r, text);
        ctl_view_release(&v);
        if (back) {
            ctl_progress_end(&progress);
            ctl_say(ctl, "node %" JSON_INTEGER_FORMAT ": back, ready and caught up", r->id);
            return CTL_OK;
        }
        ctl_progress(&progress, "node %" JSON_INTEGER_FORMAT ": %s", r->id, text);
        if (ctl_now_ms() >= deadline) {
            ctl_progress_end(&progress);
            return ctl_fail(CTL_UNAVAILABLE,
                            "node %" JSON_INTEGER_FORMAT
                            " %s; no other is touched. Look at its log, then give this command "
                            "again",
                            r->id, text);
        }
        ctl_pause_ms(LOOK_EVERY_MS);
    }
}

static int restart_one(struct ctl *ctl, json_int_t id)
{
    struct restart r = {.id = id};
    struct ctl_view v;
    int rc = hand_over(ctl, id);

    if (rc == CTL_OK) {
        rc = wait_whole(ctl, &v);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    snprintf(r.address, sizeof r.address, "%s", text_of(ctl_view_member(&v, id), "address"));
    snprintf(r.started_at, sizeof r.started_at, "%s", text_of(ctl_view_node(&v, id), "started_at"));
    ctl_view_release(&v);
    if (r.started_at[0] == '\0' || !is_address(r.address)) {
        return ctl_fail(CTL_UNAVAILABLE,
                        "node %" JSON_INTEGER_FORMAT " is not a member any more, or does not say "
                        "since when it runs",
                        id);
    }
    rc = run(ctl, &r);
    return rc == CTL_OK ? wait_back(ctl, &r) : rc;
}

int ctl_cluster_rolling_restart(struct ctl *ctl, char **args, int n_args)
{
    json_int_t ids[MEMBERS_MAX];
    struct ctl_view v;
    size_t n = 0, i;
    int rc;

    (void)args;
    (void)n_args;
    if (ctl->options.restart_command == NULL) {
        return ctl_fail(CTL_USAGE,
                        "give --restart-command CMD, such as 'ssh host{id} systemctl restart "
                        "florin': it is run for each node, with {id} and {address} filled in");
    }
    rc = wait_whole(ctl, &v);
    if (rc == CTL_OK) {
        n = order(&v, ids);
        ctl_view_release(&v);
    }
    for (i = 0; rc == CTL_OK && i < n; i++) {
        rc = restart_one(ctl, ids[i]);
    }
    if (rc != CTL_OK) {
        return rc;
    }
    ctl_say(ctl, "%zu nodes restarted", n);
    return ctl->options.json ? ctl_members_show(ctl) : CTL_OK;
}

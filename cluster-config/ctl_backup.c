/* Backups: fetched from a node, checked whole before they get their name; and audits, of a file
 * here or of what a node has. */
#include "cluster-config/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "statemachine/backup.h"

enum { PATH_BYTES = 4096, HEX_BYTES = 2 * HASH_BYTES + 1, AUDIT_MS_MAX = 24 * 3600 * 1000 };

/* On a terminal: one line that changes. */
static void progress(void *context, uint64_t done, uint64_t all)
{
    (void)context;
    if (isatty(STDERR_FILENO) != 1) {
        return;
    }
    if (all == 0) {
        fprintf(stderr, "\r%" PRIu64 " MiB ", done >> 20);
    } else {
        fprintf(stderr, "\r%" PRIu64 " %% ", done * 100 / all);
    }
}

static void progress_end(void)
{
    if (isatty(STDERR_FILENO) == 1) {
        fputs("\r          \r", stderr);
    }
}

static void put_hash(json_t *object, const char *key, const uint8_t hash[HASH_BYTES])
{
    char hex[HEX_BYTES];

    sodium_bin2hex(hex, sizeof hex, hash, HASH_BYTES);
    json_object_set_new(object, key, json_string(hex));
}

static void put_number(json_t *object, const char *key, uint64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

/* ---- backup ---- */

static json_t *describe(const struct backup_seal *seal)
{
    json_t *o = json_object();

    json_object_set_new(o, "cluster", json_string(seal->cluster_id));
    put_number(o, "node", seal->node_id);
    put_number(o, "seq", seal->seq);
    put_hash(o, "hash", seal->chain);
    put_number(o, "applied_index", seal->applied_index);
    put_number(o, "bytes", seal->state_bytes + BACKUP_SEAL_BYTES);
    put_hash(o, "digest", seal->digest);
    return o;
}

static int sync_folder_of(const char *file)
{
    char path[PATH_BYTES];
    int rv, fd;

    snprintf(path, sizeof path, "%s", file);
    fd = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -1;
    }
    rv = fsync(fd);
    close(fd);
    return rv;
}

/* Another endpoint may do better: this one did not answer, is busy, or was cut off. */
static bool worth_another(enum ctl_try t, const struct ctl_reply *reply)
{
    return t != TRY_ANSWERED || reply->status == 429 || reply->status >= 500;
}

/* One endpoint's: CTL_OK with a whole and durable file of the partial name. */
static int fetch_from(struct ctl *ctl, unsigned endpoint, const char *partial,
                      struct backup_seal *seal, bool *another, struct fault *fault)
{
    const struct backup_watch watch = {progress, NULL};
    const char *path = ctl->options.stale ? "/v1/backup?consistency=stale" : "/v1/backup";
    struct ctl_reply reply = {0};
    enum ctl_try t;
    int rc = CTL_UNAVAILABLE;
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    *another = false;
    if (fd < 0 || fchmod(fd, 0600) != 0) {
        rc = CTL_USAGE;
        fault_set(fault, "can't write %s: %s", partial, strerror(errno));
        goto out;
    }
    t = ctl_download(ctl, endpoint, path, fd, progress, &reply, fault);
    *another = worth_another(t, &reply);
    if (t == TRY_ANSWERED && reply.status != 200) {
        const char *code = json_string_value(json_object_get(reply.body, "code"));
        const char *detail = json_string_value(json_object_get(reply.body, "detail"));
        rc = reply.status == 401 || reply.status == 403 ? CTL_CREDENTIALS : CTL_UNAVAILABLE;
        fault_set(fault, "%s: %s (%d)%s%s", ctl->endpoints[endpoint],
                  code != NULL ? code : "refused", reply.status, detail != NULL ? ": " : "",
                  detail != NULL ? detail : "");
    } else if (t == TRY_ANSWERED && fsync(fd) != 0) {
        fault_set(fault, "can't write %s: %s", partial, strerror(errno));
    } else if (t == TRY_ANSWERED) {
        *another = backup_check(partial, seal, &watch, fault) != 0;
        rc = *another ? CTL_UNAVAILABLE : CTL_OK;
    }
out:
    progress_end();
    if (fd >= 0) {
        close(fd);
    }
    ctl_reply_release(&reply);
    return rc;
}

static int fetch(struct ctl *ctl, const char *file, struct backup_seal *seal)
{
    char partial[PATH_BYTES];
    struct fault fault = {"no endpoint"};
    bool another = true;
    int rc = CTL_UNAVAILABLE;

    if (snprintf(partial, sizeof partial, "%s.partial", file) >= (int)sizeof partial) {
        return ctl_fail(CTL_USAGE, "the file's name is too long");
    }
    for (unsigned i = 0; another && i < ctl->n_endpoints; i++) {
        rc = fetch_from(ctl, i, partial, seal, &another, &fault);
        if (rc != CTL_OK && another && i + 1 < ctl->n_endpoints) {
            ctl_fail(rc, "%s; trying the next node", fault.text);
        }
    }
    if (rc != CTL_OK) {
        unlink(partial);
        return ctl_fail(rc, "no backup was made: %s", fault.text);
    }
    if (rename(partial, file) != 0 || sync_folder_of(file) != 0) {
        return ctl_fail(CTL_UNAVAILABLE, "can't rename %s: %s", partial, strerror(errno));
    }
    return CTL_OK;
}

int ctl_backup(struct ctl *ctl, char **args, int n_args)
{
    struct backup_seal seal;
    int rc;

    (void)n_args;
    if (!ctl->options.force && access(args[0], F_OK) == 0) {
        return ctl_fail(CTL_USAGE, "%s exists already; --force replaces it", args[0]);
    }
    rc = fetch(ctl, args[0], &seal);
    if (rc == CTL_OK) {
        json_t *o = describe(&seal);

        json_object_set_new(o, "file", json_string(args[0]));
        rc = ctl->options.json ? ctl_show_json(o) : ctl_show_fields(o);
        json_decref(o);
    }
    return rc;
}

/* ---- verify ---- */

/* What a node answers and what is found in a file look the same. */
static int show_verified(struct ctl *ctl, const json_t *o, const char *what)
{
    static const char *const columns[] = {"currency", "players", "providers", "gateways",
                                          "house",    "sum",     NULL};
    const char *breaks = json_string_value(json_object_get(o, "breaks"));
    json_t *fields;
    int rc;

    if (ctl->options.json) {
        rc = ctl_show_json(o);
    } else if (breaks == NULL) {
        fields = json_copy((json_t *)o);
        json_object_del(fields, "currencies");
        rc = ctl_show_fields(fields);
        json_decref(fields);
        if (rc == CTL_OK && json_array_size(json_object_get(o, "currencies")) > 0) {
            putchar('\n');
            rc = ctl_show_rows(json_object_get(o, "currencies"), columns);
        }
    } else {
        rc = CTL_OK;
    }
    return breaks == NULL ? rc : ctl_fail(CTL_REFUSED, "%s%s", what, breaks);
}

static json_t *totals_of(const struct audit_report *r)
{
    json_t *list = json_array();
    char text[AMOUNT_TEXT_MAX];
    size_t i, k;

    for (i = 0; i < r->n_totals; i++) {
        const struct audit_total *t = &r->totals[i];
        const struct {
            const char *name;
            int64_t minor;
        } sums[] = {{"players", t->players_minor},
                    {"providers", t->providers_minor},
                    {"gateways", t->gateways_minor},
                    {"house", t->house_minor},
                    {"sum", 0}};
        json_t *row = json_object();

        json_object_set_new(row, "currency", json_string(t->currency));
        for (k = t->fits ? 0 : 4; k < sizeof sums / sizeof *sums; k++) {
            money_format(sums[k].minor, t->scale, text);
            json_object_set_new(row, sums[k].name, json_string(text));
        }
        json_array_append_new(list, row);
    }
    return list;
}

static bool show_progress(void *context, uint64_t seq, uint64_t last_seq)
{
    progress(context, seq, last_seq);
    return true;
}

/* Digest first: only what is whole is opened. 0 and what was found, or -1 and the fault. */
static int audit_file(const char *file, json_t *found, struct fault *fault)
{
    const struct backup_watch watch = {progress, NULL};
    struct audit_report report = {.go_on = show_progress};
    struct backup_seal seal;
    uint8_t hash_key[16];
    struct machine *m;
    int rv;

    randombytes_buf(hash_key, sizeof hash_key);
    if (backup_check(file, &seal, &watch, fault) != 0 ||
        backup_open(file, &seal, hash_key, &m, fault) != 0) {
        return -1;
    }
    rv = machine_audit_report(m, &report, fault);
    if (rv == 0) {
        json_object_update_new(found, describe(&seal));
        put_number(found, "actions", report.actions);
        put_number(found, "players", report.players);
        put_number(found, "balances", report.balances);
        json_object_set_new(found, "currencies", totals_of(&report));
    }
    audit_report_release(&report);
    machine_close(m);
    return rv;
}

static int verify_file(struct ctl *ctl, const char *file)
{
    json_t *found = json_object();
    struct fault fault;
    int rc;

    json_object_set_new(found, "verified", json_true());
    if (audit_file(file, found, &fault) != 0) {
        json_object_set_new(found, "verified", json_false());
        json_object_set_new(found, "breaks", json_string(fault.text));
    }
    progress_end();
    rc = show_verified(ctl, found, "");
    json_decref(found);
    return rc;
}

/* A node takes as long as its ledger is long, so it is asked once, and waited for. */
static int verify_node(struct ctl *ctl)
{
    struct ctl_request request = {.method = "POST",
                                  .path = ctl->options.stale ? "/v1/verify?consistency=stale"
                                                             : "/v1/verify",
                                  .body = "{}"};
    struct ctl_reply reply = {0};
    struct fault fault = {"no endpoint"};
    enum ctl_try t = TRY_UNREACHED;
    int rc;

    for (unsigned i = 0; t != TRY_ANSWERED && i < ctl->n_endpoints; i++) {
        t = ctl_http_try(ctl, i, &request, AUDIT_MS_MAX, &reply, &fault);
    }
    if (t != TRY_ANSWERED) {
        return ctl_fail(CTL_UNAVAILABLE, "no node audited: %s", fault.text);
    }
    if (reply.status == 200) {
        rc = show_verified(ctl, reply.body, "the node's ledger does not verify: ");
    } else {
        const char *code = json_string_value(json_object_get(reply.body, "code"));
        const char *detail = json_string_value(json_object_get(reply.body, "detail"));
        rc =
            ctl_fail(reply.status == 401 || reply.status == 403 ? CTL_CREDENTIALS : CTL_UNAVAILABLE,
                     "%s (%d): %s", code != NULL ? code : "refused", reply.status,
                     detail != NULL ? detail : "");
    }
    ctl_reply_release(&reply);
    return rc;
}

int ctl_verify(struct ctl *ctl, char **args, int n_args)
{
    return n_args == 1 ? verify_file(ctl, args[0]) : verify_node(ctl);
}

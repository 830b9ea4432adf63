/* florinctl pki: the cluster's own authority, in a folder. No node is asked. */
#include "cluster-config/ctl.h"

#include <string.h>

#include "cluster-config/pki.h"
#include "cluster-config/value.h"
#include "statemachine/bytes.h"

static int number(const char *what, const char *text, uint64_t max, uint64_t *out)
{
    if (value_number(slice_of(text), out) != 0 || *out < 1 || *out > max) {
        return ctl_fail(CTL_USAGE, "%s is \"%s\"; expected a number from 1 to %llu", what, text,
                        (unsigned long long)max);
    }
    return CTL_OK;
}

static int show(struct ctl *ctl, const char *path)
{
    struct pki_info info;
    struct fault fault;
    json_t *o;
    int rc;

    if (pki_show(path, &info, &fault) != 0) {
        return ctl_fail(CTL_USAGE, "%s", fault.text);
    }
    o = json_object();
    json_object_set_new(o, "file", json_string(path));
    json_object_set_new(o, "subject", json_string(info.subject));
    if (info.cluster_id[0] != '\0') {
        json_object_set_new(o, "cluster", json_string(info.cluster_id));
    }
    if (info.node_id != 0) {
        json_object_set_new(o, "node", json_integer((json_int_t)info.node_id));
    }
    json_object_set_new(o, "hosts", json_string(info.hosts));
    json_object_set_new(o, "authority", json_boolean(info.authority));
    json_object_set_new(o, "not_before", json_string(info.not_before));
    json_object_set_new(o, "not_after", json_string(info.not_after));
    json_object_set_new(o, "days_left", json_integer(info.days_left));
    rc = ctl->options.json ? ctl_show_json(o) : ctl_show_fields(o);
    json_decref(o);
    return rc;
}

static int show_in(struct ctl *ctl, const char *dir, const char *name)
{
    char path[1200];

    snprintf(path, sizeof path, "%s/%s.crt", dir, name);
    return show(ctl, path);
}

int ctl_pki_init(struct ctl *ctl, char **args, int n_args)
{
    struct fault fault;

    (void)n_args;
    if (pki_init(args[0], args[1], ctl->options.force, &fault) != 0) {
        return ctl_fail(CTL_USAGE, "%s", fault.text);
    }
    return show_in(ctl, args[0], "ca");
}

int ctl_pki_issue(struct ctl *ctl, char **args, int n_args)
{
    struct pki_request r = {.hosts = (const char *const *)args + 2,
                            .n_hosts = (unsigned)(n_args - 2),
                            .force = ctl->options.force};
    char name[32];
    struct fault fault;
    uint64_t days = 0;

    if (value_number(slice_of(args[1]), &r.node_id) == 0 && r.node_id != 0) {
        snprintf(name, sizeof name, "node-%llu", (unsigned long long)r.node_id);
        r.name = name;
    } else {
        r.node_id = 0;
        r.name = args[1];
    }
    if (ctl->options.days != NULL &&
        number("--days", ctl->options.days, PKI_CA_DAYS, &days) != CTL_OK) {
        return CTL_USAGE;
    }
    r.days = (unsigned)days;
    if (pki_issue(args[0], &r, &fault) != 0) {
        return ctl_fail(CTL_USAGE, "%s", fault.text);
    }
    return show_in(ctl, args[0], r.name);
}

int ctl_pki_renew(struct ctl *ctl, char **args, int n_args)
{
    struct fault fault;
    uint64_t days = 0;

    (void)n_args;
    if (ctl->options.days != NULL &&
        number("--days", ctl->options.days, PKI_CA_DAYS, &days) != CTL_OK) {
        return CTL_USAGE;
    }
    if (pki_renew(args[0], args[1], (unsigned)days, &fault) != 0) {
        return ctl_fail(CTL_USAGE, "%s", fault.text);
    }
    return show_in(ctl, args[0], args[1]);
}

int ctl_pki_show(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return show(ctl, args[0]);
}

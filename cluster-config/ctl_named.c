/* The commands about one thing that is named by its id: players, sessions, principals, keys. Each
 * is one call, which says what is to be, so it may be made again. */
#include "cluster-config/ctl.h"

#include <string.h>

enum { PATH_BYTES = 128 };

/* One call at FOLDER/ID; takes over `body` (NULL: none). */
static int call(struct ctl *ctl, const char *method, const char *folder, const char *id,
                json_t *body)
{
    struct ctl_reply reply = {0};
    char path[PATH_BYTES];
    int rc;

    if (!ctl_id_ok("name", id)) {
        json_decref(body);
        return CTL_USAGE;
    }
    snprintf(path, sizeof path, "%s/%s", folder, id);
    rc = ctl_send(ctl, method, path, body, &reply);
    if (rc == CTL_OK && reply.status < 400 && reply.body != NULL) {
        rc = ctl->options.json ? ctl_show_json(reply.body) : ctl_show_fields(reply.body);
    }
    ctl_reply_release(&reply);
    return rc;
}

static int set_disabled(struct ctl *ctl, const char *folder, const char *id, bool disabled)
{
    json_t *body = json_object();

    json_object_set_new(body, "disabled", json_boolean(disabled));
    return call(ctl, "PATCH", folder, id, body);
}

int ctl_provider_show(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return call(ctl, "GET", "/v1/providers", args[0], NULL);
}

int ctl_provider_disable(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return set_disabled(ctl, "/v1/providers", args[0], true);
}

int ctl_provider_enable(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return set_disabled(ctl, "/v1/providers", args[0], false);
}

int ctl_gateway_show(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return call(ctl, "GET", "/v1/gateways", args[0], NULL);
}

int ctl_gateway_disable(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return set_disabled(ctl, "/v1/gateways", args[0], true);
}

int ctl_gateway_enable(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return set_disabled(ctl, "/v1/gateways", args[0], false);
}

int ctl_key_disable(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return set_disabled(ctl, "/v1/keys", args[0], true);
}

int ctl_key_enable(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return set_disabled(ctl, "/v1/keys", args[0], false);
}

int ctl_session_show(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return call(ctl, "GET", "/v1/sessions", args[0], NULL);
}

int ctl_session_close(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return call(ctl, "DELETE", "/v1/sessions", args[0], NULL);
}

int ctl_player_show(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return call(ctl, "GET", "/v1/players", args[0], NULL);
}

int ctl_player_status(struct ctl *ctl, char **args, int n_args)
{
    json_t *body = json_object();

    (void)n_args;
    json_object_set_new(body, "status", json_string(args[1]));
    if (ctl->options.until != NULL) {
        json_object_set_new(body, "until", json_string(ctl->options.until));
    }
    return call(ctl, "PATCH", "/v1/players", args[0], body);
}

/* PLAYER KIND PERIOD CURRENCY AMOUNT, where "none" is no limit. */
int ctl_player_limit(struct ctl *ctl, char **args, int n_args)
{
    json_t *limit = json_object();
    json_t *list = json_array();
    json_t *body = json_object();

    (void)n_args;
    json_object_set_new(limit, "kind", json_string(args[1]));
    json_object_set_new(limit, "period", json_string(args[2]));
    json_object_set_new(limit, "currency", json_string(args[3]));
    json_object_set_new(limit, "amount",
                        strcmp(args[4], "none") == 0 ? json_null() : json_string(args[4]));
    json_array_append_new(list, limit);
    json_object_set_new(body, "limits", list);
    return call(ctl, "PATCH", "/v1/players", args[0], body);
}

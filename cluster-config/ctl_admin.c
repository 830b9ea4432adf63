/* The commands that create: currencies, principals, keys, players. */
#include "cluster-config/ctl.h"

#include <string.h>

#include "cluster-config/secret.h"
#include "cluster-config/value.h"
#include "statemachine/money.h"

enum { PATH_BYTES = 256 };

static int create(struct ctl *ctl, const char *path, json_t *body)
{
    struct ctl_reply reply = {0};
    int rc = ctl_call(ctl, path, body, &reply);

    if (rc == CTL_OK && reply.status >= 400) {
        /* It was there before, and --if-missing was given. */
        rc = ctl->options.json ? ctl_show_json(reply.body) : (puts("already there"), CTL_OK);
    } else if (rc == CTL_OK && reply.body != NULL) {
        rc = ctl->options.json ? ctl_show_json(reply.body) : ctl_show_fields(reply.body);
    }
    ctl_reply_release(&reply);
    return rc;
}

static json_t *with(const char *key, const char *value)
{
    json_t *body = json_object();

    json_object_set_new(body, key, json_string(value));
    return body;
}

int ctl_currency_add(struct ctl *ctl, char **args, int n_args)
{
    uint64_t scale;
    json_t *body;

    if (n_args == 2 && (value_number(slice_of(args[1]), &scale) != 0 || scale > SCALE_MAX)) {
        return ctl_fail(CTL_USAGE, "the scale is a number from 0 to %d", SCALE_MAX);
    }
    body = with("code", args[0]);
    if (n_args == 2) {
        json_object_set_new(body, "scale", json_integer((json_int_t)scale));
    }
    return create(ctl, "/v1/currencies", body);
}

/* A set-up that runs again may find what it asks for; but a scope can't be changed, so another one
 * that is there already must not look like success. */
static int check_scope(struct ctl *ctl, const char *path, const char *id)
{
    char of_id[PATH_BYTES];
    struct ctl_reply reply = {0};
    const char *scope;
    int rc;

    snprintf(of_id, sizeof of_id, "%s/%s", path, id);
    rc = ctl_call(ctl, of_id, NULL, &reply);
    scope = json_string_value(json_object_get(reply.body, "ids_scope"));
    if (rc == CTL_OK && (scope == NULL || strcmp(scope, ctl->options.ids_scope) != 0)) {
        rc = ctl_fail(CTL_REFUSED, "%s is there, but the scope of its ids is %s, for ever", id,
                      scope == NULL ? "unknown" : scope);
    }
    ctl_reply_release(&reply);
    return rc;
}

static int principal_add(struct ctl *ctl, const char *path, const char *id)
{
    json_t *body = with("id", id);
    int rc;

    if (ctl->options.ids_scope != NULL) {
        json_object_set_new(body, "ids_scope", json_string(ctl->options.ids_scope));
    }
    rc = create(ctl, path, body);
    return rc == CTL_OK && ctl->options.if_missing && ctl->options.ids_scope != NULL
               ? check_scope(ctl, path, id)
               : rc;
}

int ctl_provider_add(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return principal_add(ctl, "/v1/providers", args[0]);
}

int ctl_gateway_add(struct ctl *ctl, char **args, int n_args)
{
    (void)n_args;
    return principal_add(ctl, "/v1/gateways", args[0]);
}

int ctl_player_add(struct ctl *ctl, char **args, int n_args)
{
    json_t *body = with("id", args[0]);

    if (n_args > 1) {
        json_t *list = json_array();

        for (int i = 1; i < n_args; i++) {
            json_array_append_new(list, json_string(args[i]));
        }
        json_object_set_new(body, "currencies", list);
    }
    return create(ctl, "/v1/players", body);
}

int ctl_key_add(struct ctl *ctl, char **args, int n_args)
{
    struct credential_text credential;
    struct fault fault;
    json_t *body;

    (void)n_args;
    body = with("principal", args[0]);
    json_object_set_new(body, "role", json_string(args[1]));
    if (ctl->options.credential_file != NULL) {
        if (config_read_credential_file(ctl->options.credential_file, &credential, &fault) != 0) {
            json_decref(body);
            return ctl_fail(CTL_CREDENTIALS, "%s", fault.text);
        }
        json_object_set_new(body, "key", json_string(credential.key));
        json_object_set_new(body, "secret", json_string(credential.secret));
    }
    return create(ctl, "/v1/keys", body);
}

/* Endpoints and credentials: from the command line, then the environment; nothing is guessed. */
#include "cluster-config/ctl.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster-config/secret.h"
#include "statemachine/command.h"

#define DEMO_ENV "run/demo.env"

static const char *const role_variables[CTL_ROLES] = {
    [CTL_PROVIDER] = "FLORIN_PROVIDER_KEY",
    [CTL_PLATFORM] = "FLORIN_PLATFORM_KEY",
    [CTL_OPERATOR] = "FLORIN_OPERATOR_KEY",
};
static const char *const role_words[CTL_ROLES] = {"provider", "platform", "operator"};

int ctl_fail(int code, const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *c = line; *c != '\0'; c++) {
        if (iscntrl((unsigned char)*c)) {
            *c = '?';
        }
    }
    fprintf(stderr, "florinctl: %s\n", line);
    return code;
}

bool ctl_id_ok(const char *what, const char *id)
{
    if (!id_valid(slice_of(id))) {
        ctl_fail(CTL_USAGE,
                 "the %s is not an id; expected 1 to 64 characters of "
                 "A-Z a-z 0-9 . _ : -",
                 what);
        return false;
    }
    return true;
}

static const char *hint(void)
{
    return access(DEMO_ENV, R_OK) == 0 ? "; for the cluster of `make up`: `. " DEMO_ENV "` first"
                                       : "";
}

static int endpoint_add(struct ctl *ctl, const char *text, size_t len)
{
    bool scheme = strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;

    while (len > 0 && text[len - 1] == '/') {
        len--;
    }
    if (len == 0 || len + 8 > CTL_ENDPOINT_LENGTH_MAX) {
        return ctl_fail(CTL_USAGE, "an endpoint is empty or too long; expected "
                                   "http://HOST:PORT[,http://HOST:PORT...]");
    }
    if (ctl->n_endpoints == CTL_ENDPOINTS_MAX) {
        return ctl_fail(CTL_USAGE, "more than %d endpoints", CTL_ENDPOINTS_MAX);
    }
    snprintf(ctl->endpoints[ctl->n_endpoints++], CTL_ENDPOINT_LENGTH_MAX, "%s%.*s",
             scheme ? "" : "http://", (int)len, text);
    return CTL_OK;
}

int ctl_endpoints_resolve(struct ctl *ctl)
{
    const char *list = ctl->options.endpoints;

    if (list == NULL) {
        list = getenv("FLORIN_ENDPOINTS");
    }
    if (ctl->options.ca == NULL) {
        ctl->options.ca = getenv("FLORIN_CA");
    }
    if (ctl->options.ca != NULL && ctl->options.ca[0] == '\0') {
        ctl->options.ca = NULL;
    }
    if (ctl->options.ca != NULL && access(ctl->options.ca, R_OK) != 0) {
        return ctl_fail(CTL_USAGE, "%s: the authority's certificate can't be read: %s",
                        ctl->options.ca, strerror(errno));
    }
    if (list == NULL || list[0] == '\0') {
        return ctl_fail(CTL_USAGE, "no endpoints: give --endpoints or set FLORIN_ENDPOINTS%s",
                        hint());
    }
    for (;;) {
        size_t len = strcspn(list, ",");
        int rc = endpoint_add(ctl, list, len);

        if (rc != CTL_OK || list[len] == '\0') {
            return rc;
        }
        list += len + 1;
    }
}

static int key_set(struct ctl *ctl, const char *text, const char *from)
{
    struct credential_text parts;

    if (credential_parse(slice_of(text), &parts) != 0) {
        return ctl_fail(CTL_CREDENTIALS, "%s does not hold KEYID.SECRET", from);
    }
    snprintf(ctl->key, sizeof ctl->key, "%s.%s", parts.key, parts.secret);
    return CTL_OK;
}

static int key_from_file(struct ctl *ctl)
{
    struct credential_text parts;
    struct fault fault;

    if (config_read_credential_file(ctl->options.key_file, &parts, &fault) != 0) {
        return ctl_fail(CTL_CREDENTIALS, "%s", fault.text);
    }
    snprintf(ctl->key, sizeof ctl->key, "%s.%s", parts.key, parts.secret);
    return CTL_OK;
}

int ctl_key_resolve(struct ctl *ctl, enum ctl_role role)
{
    const char *from = "FLORIN_KEY";
    const char *text;

    if (ctl->options.key != NULL) {
        return key_set(ctl, ctl->options.key, "--key");
    }
    if (ctl->options.key_file != NULL) {
        return key_from_file(ctl);
    }
    if (ctl->options.as != NULL) {
        for (role = CTL_PROVIDER; role < CTL_ROLES; role++) {
            if (strcmp(ctl->options.as, role_words[role]) == 0) {
                break;
            }
        }
        if (role == CTL_ROLES) {
            return ctl_fail(CTL_USAGE, "--as is one of provider, platform, operator");
        }
    }
    text = ctl->options.as == NULL ? getenv(from) : NULL;
    if (text == NULL || text[0] == '\0') {
        from = role_variables[role];
        text = getenv(from);
    }
    if (text == NULL || text[0] == '\0') {
        return ctl_fail(CTL_CREDENTIALS,
                        "no credentials: give --key KEYID.SECRET or --key-file FILE, or set "
                        "FLORIN_KEY or %s%s",
                        from, hint());
    }
    return key_set(ctl, text, from);
}

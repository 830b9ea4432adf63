#include "api/body.h"

#include <strings.h>

/* True when the header's value is this type, alone or with parameters after it. */
static bool is_type(const char *value, const char *type)
{
    size_t len = strlen(type);

    return strncasecmp(value, type, len) == 0 && strchr(" \t;", value[len]) != NULL;
}

int body_form(const char *content_type, enum form *form)
{
    if (content_type == NULL || is_type(content_type, "application/json")) {
        *form = FORM_JSON;
        return 0;
    }
    if (is_type(content_type, "application/msgpack") ||
        is_type(content_type, "application/x-msgpack")) {
        *form = FORM_MSGPACK;
        return 0;
    }
    return -1;
}

/* Counts brackets outside of texts. Whether they match is the parser's business. */
static bool too_deep(struct slice body)
{
    bool in_text = false;
    int depth = 0;
    size_t i;

    for (i = 0; i < body.len; i++) {
        char c = body.base[i];

        if (in_text) {
            i += c == '\\'; /* whatever is escaped does not end the text */
            in_text = c != '"';
        } else if (c == '"') {
            in_text = true;
        } else if ((c == '{' || c == '[') && ++depth > BODY_DEPTH_MAX) {
            return true;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

static json_t *parse_json(struct slice body, struct problem *problem)
{
    json_error_t error;
    json_t *json;

    if (too_deep(body)) {
        problem_set(problem, PROBLEM_MALFORMED, "The body is nested too deeply.");
        return NULL;
    }
    json = json_loadb(body.base, body.len, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        problem_set(problem, PROBLEM_MALFORMED, "The body is not JSON: line %d, column %d: %s",
                    error.line, error.column, error.text);
    }
    return json;
}

json_t *body_parse(struct slice body, enum form form, struct problem *problem)
{
    json_t *json;

    if (body.len == 0) {
        problem_set(problem, PROBLEM_MALFORMED, "The body is empty.");
        return NULL;
    }
    json = form == FORM_MSGPACK ? body_unpack(body, problem) : parse_json(body, problem);
    if (json != NULL && !json_is_object(json)) {
        problem_set(problem, PROBLEM_MALFORMED, "The body is not an object.");
        json_decref(json);
        return NULL;
    }
    return json;
}

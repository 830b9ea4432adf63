#include "api/fields.h"

enum { SECRET_MIN = 16, SECRET_MAX = 128, QUOTE_MAX = 64 };

static int wrong_kind(const struct field *f, const char *expected, struct problem *problem)
{
    return problem_set(problem, PROBLEM_MALFORMED, "%s: expected %s", f->name, expected);
}

static struct slice text_of(json_t *value)
{
    return (struct slice){json_string_value(value), json_string_length(value)};
}

static int read_id(const char *name, json_t *value, struct slice *out, struct problem *problem)
{
    if (!json_is_string(value)) {
        return problem_set(problem, PROBLEM_MALFORMED, "%s: expected a text", name);
    }
    if (!id_valid(text_of(value))) {
        return problem_set(problem, PROBLEM_BAD_ID, "%s is not a valid id", name);
    }
    *out = text_of(value);
    return 0;
}

static int read_secret(const struct field *f, json_t *value, struct slice *out,
                       struct problem *problem)
{
    static const char expected[] = "a text of 16 to 128 printable characters";
    struct slice text = text_of(value);
    size_t i;

    if (!json_is_string(value) || text.len < SECRET_MIN || text.len > SECRET_MAX) {
        return wrong_kind(f, expected, problem);
    }
    for (i = 0; i < text.len; i++) {
        if (text.base[i] <= ' ' || text.base[i] > '~') {
            return wrong_kind(f, expected, problem);
        }
    }
    *out = text;
    return 0;
}

static int read_amount(const struct field *f, json_t *value, struct decimal *out,
                       struct problem *problem)
{
    if (json_is_number(value)) {
        return problem_set(problem, PROBLEM_BAD_AMOUNT,
                           "%s is a number; an amount is a text, such as \"12.50\"", f->name);
    }
    if (!json_is_string(value)) {
        return wrong_kind(f, "a decimal in a text, such as \"12.50\"", problem);
    }
    if (decimal_parse(text_of(value), out) != 0) {
        return problem_set(problem, PROBLEM_BAD_AMOUNT,
                           "%s: expected digits with at most %d after a point, up to "
                           "9223372036854775807 without the point",
                           f->name, SCALE_MAX);
    }
    if (out->digits == 0 && f->kind == FIELD_AMOUNT) {
        return problem_set(problem, PROBLEM_BAD_AMOUNT, "%s is zero", f->name);
    }
    return 0;
}

static int read_currencies(const struct field *f, json_t *value, struct command *c,
                           struct problem *problem)
{
    json_t *item;
    size_t i, j;

    if (!json_is_array(value) || json_array_size(value) > CURRENCIES_PER_PLAYER) {
        return problem_set(problem, PROBLEM_MALFORMED,
                           "%s: expected a list of at most %d currencies", f->name,
                           CURRENCIES_PER_PLAYER);
    }
    json_array_foreach(value, i, item)
    {
        if (read_id(f->name, item, &c->currencies[i], problem) != 0) {
            return -1;
        }
        for (j = 0; j < i; j++) {
            if (slice_equal(c->currencies[j], c->currencies[i])) {
                return problem_set(problem, PROBLEM_MALFORMED, "%s: one comes twice", f->name);
            }
        }
    }
    c->n_currencies = (uint8_t)json_array_size(value);
    return 0;
}

static int read_number(const struct field *f, json_t *value, json_int_t least, json_int_t most,
                       json_int_t *out, struct problem *problem)
{
    if (!json_is_integer(value) || json_integer_value(value) < least ||
        json_integer_value(value) > most) {
        return problem_set(problem, PROBLEM_MALFORMED,
                           "%s: expected a whole number from %lld to %lld", f->name,
                           (long long)least, (long long)most);
    }
    *out = json_integer_value(value);
    return 0;
}

static int read_word(const struct field *f, json_t *value, void *out, struct problem *problem)
{
    if (f->kind == FIELD_ROLE) {
        if (!json_is_string(value) || role_parse(text_of(value), out) != 0) {
            return wrong_kind(f, "provider, gateway, platform, operator or auditor", problem);
        }
    } else if (!json_is_string(value) || win_kind_parse(text_of(value), out) != 0) {
        return wrong_kind(f, "win, jackpot, promo or freespin", problem);
    }
    return 0;
}

static int read_field(const struct field *f, json_t *value, void *target, struct problem *problem)
{
    void *out = (char *)target + f->offset;
    json_int_t number = 0;

    switch (f->kind) {
    case FIELD_ID:
        return read_id(f->name, value, out, problem);
    case FIELD_SECRET:
        return read_secret(f, value, out, problem);
    case FIELD_AMOUNT:
    case FIELD_AMOUNT_OR_ZERO:
        return read_amount(f, value, out, problem);
    case FIELD_WIN_KIND:
    case FIELD_ROLE:
        return read_word(f, value, out, problem);
    case FIELD_SCALE:
        if (read_number(f, value, 0, SCALE_MAX, &number, problem) != 0) {
            return -1;
        }
        *(uint8_t *)out = (uint8_t)number;
        return 0;
    case FIELD_NODE:
        if (read_number(f, value, 1, INT64_MAX, &number, problem) != 0) {
            return -1;
        }
        *(uint64_t *)out = (uint64_t)number;
        return 0;
    case FIELD_CURRENCIES:
        return read_currencies(f, value, target, problem);
    case FIELD_LIST:
        if (!json_is_array(value)) {
            return wrong_kind(f, "a list", problem);
        }
        *(json_t **)out = value;
        return 0;
    case FIELD_SKIP:
        return 0;
    }
    return -1;
}

int fields_read(json_t *object, const struct field *fields, size_t n, void *target,
                struct problem *problem)
{
    const char *key;
    json_t *value;
    size_t i;

    json_object_foreach(object, key, value)
    {
        for (i = 0; i < n && strcmp(fields[i].name, key) != 0; i++) {
        }
        if (i == n) {
            return problem_set(problem, PROBLEM_UNKNOWN_FIELD, "unknown field: %.*s", QUOTE_MAX,
                               key);
        }
        if (read_field(&fields[i], value, target, problem) != 0) {
            return -1;
        }
    }
    for (i = 0; i < n; i++) {
        if (fields[i].required && json_object_get(object, fields[i].name) == NULL) {
            return problem_set(problem, PROBLEM_MALFORMED, "missing field: %s", fields[i].name);
        }
    }
    return 0;
}

#include "api/fields.h"

#include <assert.h>

#include "api/passwords.h"
#include "api/time.h"

enum { SECRET_MIN = 16, SECRET_MAX = 128, QUOTE_MAX = 64 };

int field_wrong(const struct field *f, const char *expected, struct problem *problem)
{
    return problem_set(problem, PROBLEM_MALFORMED, "%s: expected %s", f->name, expected);
}

int field_read_id(const char *name, const struct value *value, struct slice *out,
                  struct problem *problem)
{
    if (!value_is(value, VALUE_TEXT)) {
        return problem_set(problem, PROBLEM_MALFORMED, "%s: expected a text", name);
    }
    if (!id_valid(value_text(value))) {
        return problem_set(problem, PROBLEM_BAD_ID, "%s is not a valid id", name);
    }
    *out = value_text(value);
    return 0;
}

/* Printable ASCII without spaces. */
static int read_printable(const struct field *f, const struct value *value, size_t least,
                          struct slice *out, struct problem *problem)
{
    const char *expected = f->kind == FIELD_SECRET ? "a text of 16 to 128 printable characters"
                                                   : "a text of 1 to 128 printable characters";
    struct slice text = value_text(value);
    size_t i;

    if (!value_is(value, VALUE_TEXT) || text.len < least || text.len > SECRET_MAX) {
        return field_wrong(f, expected, problem);
    }
    for (i = 0; i < text.len; i++) {
        if (text.base[i] <= ' ' || text.base[i] > '~') {
            return field_wrong(f, expected, problem);
        }
    }
    *out = text;
    return 0;
}

static int read_password(const struct field *f, const struct value *value, struct slice *out,
                         struct problem *problem)
{
    struct slice text = value_text(value);

    if (!value_is(value, VALUE_TEXT) || text.len < PASSWORD_MIN || text.len > PASSWORD_MAX) {
        return field_wrong(f, "a text of 8 to 128 bytes", problem);
    }
    *out = text;
    return 0;
}

int field_read_amount(const struct field *f, const struct value *value, struct decimal *out,
                      struct problem *problem)
{
    if (value_is(value, VALUE_INTEGER) || value_is(value, VALUE_REAL)) {
        return problem_set(problem, PROBLEM_BAD_AMOUNT,
                           "%s is a number; an amount is a text, such as \"12.50\"", f->name);
    }
    if (!value_is(value, VALUE_TEXT)) {
        return field_wrong(f, "a decimal in a text, such as \"12.50\"", problem);
    }
    if (decimal_parse(value_text(value), out) != 0) {
        return problem_set(problem, PROBLEM_BAD_AMOUNT,
                           "%s: expected digits with at most %d after a point, up to "
                           "9223372036854775807 without the point",
                           f->name, SCALE_MAX);
    }
    if (out->digits == 0 && (f->kind == FIELD_AMOUNT || f->kind == FIELD_SIGNED_AMOUNT)) {
        return problem_set(problem, PROBLEM_BAD_AMOUNT, "%s is zero", f->name);
    }
    return 0;
}

static int read_number(const struct field *f, const struct value *value, int64_t least,
                       int64_t most, int64_t *out, struct problem *problem)
{
    if (!value_is(value, VALUE_INTEGER) || value->integer < least || value->integer > most) {
        return problem_set(problem, PROBLEM_MALFORMED,
                           "%s: expected a whole number from %lld to %lld", f->name,
                           (long long)least, (long long)most);
    }
    *out = value->integer;
    return 0;
}

static int read_word(const struct field *f, const struct value *value, void *out,
                     struct problem *problem)
{
    struct slice text = value_is(value, VALUE_TEXT) ? value_text(value) : (struct slice){"", 0};

    switch (f->kind) {
    case FIELD_ROLE:
        return role_parse(text, out) == 0
                   ? 0
                   : field_wrong(f, "provider, gateway, platform, operator or auditor", problem);
    case FIELD_WIN_KIND:
        return win_kind_parse(text, out) == 0
                   ? 0
                   : field_wrong(f, "win, jackpot, promo or freespin", problem);
    case FIELD_KEY_KIND:
        return key_kind_parse(text, out) == 0 ? 0 : field_wrong(f, "bearer or hmac", problem);
    case FIELD_STATUS:
        return player_status_parse(text, out) == 0
                   ? 0
                   : field_wrong(f, "active, blocked or self_excluded", problem);
    case FIELD_SHORTFALL:
        return shortfall_parse(text, out) == 0 ? 0 : field_wrong(f, "clamp or reject", problem);
    case FIELD_IDS_SCOPE:
        return ids_scope_parse(text, out) == 0 ? 0 : field_wrong(f, "provider or player", problem);
    case FIELD_LIMIT_KIND:
        return limit_kind_parse(text, out) == 0 ? 0
                                                : field_wrong(f, "deposit, stake or loss", problem);
    case FIELD_LIMIT_PERIOD:
        return limit_period_parse(text, out) == 0 ? 0
                                                  : field_wrong(f, "day, week or month", problem);
    default:
        return field_wrong(f, "another kind", problem);
    }
}

static int read_seconds(const struct field *f, const struct value *value, uint32_t *out,
                        struct problem *problem)
{
    int64_t least = f->kind == FIELD_TTL || f->kind == FIELD_EXPIRES ? 1 : 0;
    int64_t most = f->kind == FIELD_TTL       ? SESSION_TTL_S_MAX
                   : f->kind == FIELD_EXPIRES ? HOLD_EXPIRES_S_MAX
                   : f->kind == FIELD_RATE    ? RATE_PER_S_MAX
                                              : REMINDER_S_MAX;
    int64_t number = 0;

    if (read_number(f, value, least, most, &number, problem) != 0) {
        return -1;
    }
    *out = (uint32_t)number;
    return 0;
}

static int read_time(const struct field *f, const struct value *value, uint64_t *out,
                     struct problem *problem)
{
    if (!value_is(value, VALUE_TEXT) || time_parse(value_text(value), out) != 0) {
        return field_wrong(f, "a time in UTC such as 2026-12-31T23:59:59.000Z", problem);
    }
    if (*out == 0) { /* a command's zero is no time: "without end" */
        return field_wrong(f, "a time after 1970-01-01T00:00:00.000Z", problem);
    }
    return 0;
}

static int read_plain(const struct field *f, const struct value *value, void *out,
                      struct problem *problem)
{
    int64_t number = 0;

    switch (f->kind) {
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
    case FIELD_BOOL:
        if (!value_is(value, VALUE_BOOL)) {
            return field_wrong(f, "true or false", problem);
        }
        *(bool *)out = value->boolean;
        return 0;
    case FIELD_LIST:
        if (!value_is(value, VALUE_LIST)) {
            return field_wrong(f, "a list", problem);
        }
        *(const struct value **)out = value;
        return 0;
    default:
        return 0;
    }
}

static int read_field(const struct field *f, const struct value *value, void *target,
                      struct problem *problem)
{
    void *out = (char *)target + f->offset;

    switch (f->kind) {
    case FIELD_ID:
        return field_read_id(f->name, value, out, problem);
    case FIELD_SECRET:
    case FIELD_TOKEN:
        return read_printable(f, value, f->kind == FIELD_SECRET ? SECRET_MIN : 1, out, problem);
    case FIELD_PASSWORD:
        return read_password(f, value, out, problem);
    case FIELD_AMOUNT:
    case FIELD_AMOUNT_OR_ZERO:
        return field_read_amount(f, value, out, problem);
    case FIELD_WIN_KIND:
    case FIELD_ROLE:
    case FIELD_KEY_KIND:
    case FIELD_STATUS:
    case FIELD_SHORTFALL:
    case FIELD_IDS_SCOPE:
    case FIELD_LIMIT_KIND:
    case FIELD_LIMIT_PERIOD:
        return read_word(f, value, out, problem);
    case FIELD_TTL:
    case FIELD_EXPIRES:
    case FIELD_REMINDER:
    case FIELD_RATE:
        return read_seconds(f, value, out, problem);
    case FIELD_TIME:
        return read_time(f, value, out, problem);
    case FIELD_SCALE:
    case FIELD_NODE:
    case FIELD_BOOL:
    case FIELD_LIST:
    case FIELD_SKIP:
        return read_plain(f, value, out, problem);
    case FIELD_CURRENCIES:
    case FIELD_IP_ALLOW:
    case FIELD_LIMITS:
    case FIELD_ITEMS:
    case FIELD_SIGNED_AMOUNT:
    case FIELD_LIMIT_AMOUNT:
        return field_read_many(f, value, target, problem);
    }
    return -1;
}

/* The field of this name, or n. */
static size_t find_field(const struct field *fields, size_t n, struct slice name)
{
    size_t i = 0;

    while (i < n && (name.len == 0 || fields[i].name[0] != name.base[0] ||
                     !slice_is(name, fields[i].name))) {
        i++;
    }
    return i;
}

int fields_read(const struct value *object, const struct field *fields, size_t n, void *target,
                struct problem *problem)
{
    const struct value *value;
    uint32_t seen = 0;
    size_t i;

    assert(n <= 32);
    for (value = value_first(object); value != NULL; value = value->next) {
        i = find_field(fields, n, value->key);
        if (i == n) {
            return problem_set(problem, PROBLEM_UNKNOWN_FIELD, "unknown field: %.*s",
                               value->key.len < QUOTE_MAX ? (int)value->key.len : QUOTE_MAX,
                               value->key.base);
        }
        if (read_field(&fields[i], value, target, problem) != 0) {
            return -1;
        }
        seen |= UINT32_C(1) << i;
    }
    for (i = 0; i < n; i++) {
        if (fields[i].required && (seen & UINT32_C(1) << i) == 0) {
            return problem_set(problem, PROBLEM_MALFORMED, "missing field: %s", fields[i].name);
        }
    }
    return 0;
}

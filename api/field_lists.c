/* The fields that fill more than one place: lists, and amounts with something beside them. */
#include "api/fields.h"
#include "api/network.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* An array of at most `most`; 0 and its length. */
static int read_length(const struct field *f, const struct value *value, size_t most,
                       const char *of, uint8_t *length, struct problem *problem)
{
    if (!value_is(value, VALUE_LIST) || value->n > most) {
        return problem_set(problem, PROBLEM_MALFORMED, "%s: expected a list of at most %zu %s",
                           f->name, most, of);
    }
    *length = (uint8_t)value->n;
    return 0;
}

static int read_currencies(const struct field *f, const struct value *value, struct command *c,
                           struct problem *problem)
{
    const struct value *item;
    size_t i = 0;
    size_t j;

    if (read_length(f, value, CURRENCIES_PER_PLAYER, "currencies", &c->n_currencies, problem) !=
        0) {
        return -1;
    }
    for (item = value->first; item != NULL; item = item->next, i++) {
        if (field_read_id(f->name, item, &c->currencies[i], problem) != 0) {
            return -1;
        }
        for (j = 0; j < i; j++) {
            if (slice_equal(c->currencies[j], c->currencies[i])) {
                return problem_set(problem, PROBLEM_MALFORMED, "%s: one comes twice", f->name);
            }
        }
    }
    return 0;
}

static int read_ip_allow(const struct field *f, const struct value *value, struct command *c,
                         struct problem *problem)
{
    struct network network;
    const struct value *item;
    size_t i = 0;

    if (read_length(f, value, IP_ALLOW_MAX, "networks", &c->n_ip_allow, problem) != 0) {
        return -1;
    }
    for (item = value->first; item != NULL; item = item->next, i++) {
        struct slice text = value_text(item);

        if (!value_is(item, VALUE_TEXT) || network_parse(text, &network) != 0 ||
            !cidr_valid(text)) {
            return problem_set(problem, PROBLEM_MALFORMED,
                               "%s: expected addresses and networks such as 192.0.2.7, "
                               "192.0.2.0/24 or 2001:db8::/32, with no bits set behind the prefix",
                               f->name);
        }
        c->ip_allow[i] = text;
    }
    return 0;
}

static int read_limits(const struct field *f, const struct value *value, struct command *c,
                       struct problem *problem)
{
    static const struct field fields[] = {
        {"kind", FIELD_LIMIT_KIND, offsetof(struct limit_change, kind), true},
        {"period", FIELD_LIMIT_PERIOD, offsetof(struct limit_change, period), true},
        {"currency", FIELD_ID, offsetof(struct limit_change, currency), true},
        {"amount", FIELD_LIMIT_AMOUNT, 0, true},
    };
    const struct value *item;
    size_t i = 0;

    if (read_length(f, value, LIMIT_CHANGES_MAX, "limits", &c->n_limits, problem) != 0) {
        return -1;
    }
    for (item = value->first; item != NULL; item = item->next, i++) {
        c->limits[i] = (struct limit_change){.kind = LIMIT_DEPOSIT};
        if (!value_is(item, VALUE_MAP)) {
            return field_wrong(f, "objects of kind, period, currency and amount", problem);
        }
        if (fields_read(item, fields, COUNT(fields), &c->limits[i], problem) != 0) {
            return -1;
        }
    }
    return 0;
}

/* null: the limit goes. */
static int read_limit_amount(const struct field *f, const struct value *value,
                             struct limit_change *change, struct problem *problem)
{
    change->none = value_is(value, VALUE_NULL);
    return change->none ? 0 : field_read_amount(f, value, &change->amount, problem);
}

static int read_signed_amount(const struct field *f, const struct value *value,
                              struct command_item *item, struct problem *problem)
{
    struct slice text = value_text(value);
    struct value positive;

    item->negative = text.len > 0 && text.base[0] == '-';
    if (!item->negative) {
        return field_read_amount(f, value, &item->amount, problem);
    }
    positive = (struct value){.kind = VALUE_TEXT, .text = text.base + 1, .n = value->n - 1};
    return field_read_amount(f, &positive, &item->amount, problem);
}

#define ITEM_FIELDS                                                                                \
    {"type", FIELD_SKIP, 0, true},                                                                 \
    {                                                                                              \
        "id", FIELD_ID, offsetof(struct command_item, id), true                                    \
    }

static const struct field bet_item[] = {
    ITEM_FIELDS,
    {"amount", FIELD_AMOUNT, offsetof(struct command_item, amount), true},
};

static const struct field win_item[] = {
    ITEM_FIELDS,
    {"amount", FIELD_AMOUNT_OR_ZERO, offsetof(struct command_item, amount), true},
    {"bet", FIELD_ID, offsetof(struct command_item, bet), false},
    {"kind", FIELD_WIN_KIND, offsetof(struct command_item, win_kind), false},
};

static const struct field rollback_item[] = {
    ITEM_FIELDS,
    {"original", FIELD_ID, offsetof(struct command_item, original), true},
};

static const struct field adjust_item[] = {
    ITEM_FIELDS,
    {"amount", FIELD_SIGNED_AMOUNT, 0, true},
};

static const struct {
    enum command_type type;
    const struct field *fields;
    size_t n;
} item_types[] = {
    {COMMAND_BET, bet_item, COUNT(bet_item)},
    {COMMAND_WIN, win_item, COUNT(win_item)},
    {COMMAND_ROLLBACK, rollback_item, COUNT(rollback_item)},
    {COMMAND_ADJUST, adjust_item, COUNT(adjust_item)},
};

static int read_item(const struct field *f, const struct value *object, struct command_item *item,
                     struct problem *problem)
{
    struct slice type = value_text(value_get(object, "type"));
    size_t i;

    *item = (struct command_item){.type = COMMAND_BET};
    for (i = 0; i < COUNT(item_types); i++) {
        if (slice_is(type, command_type_name(item_types[i].type))) {
            item->type = item_types[i].type;
            return fields_read(object, item_types[i].fields, item_types[i].n, item, problem);
        }
    }
    return problem_set(problem, PROBLEM_MALFORMED,
                       "%s: expected objects with a type: bet, win, rollback or adjust", f->name);
}

static int read_items(const struct field *f, const struct value *value, struct command *c,
                      struct problem *problem)
{
    const struct value *item;
    size_t i = 0;
    size_t j;

    if (read_length(f, value, ITEMS_MAX, "items", &c->n_items, problem) != 0) {
        return -1;
    }
    if (c->n_items == 0) {
        return field_wrong(f, "at least one item", problem);
    }
    for (item = value->first; item != NULL; item = item->next, i++) {
        if (read_item(f, item, &c->items[i], problem) != 0) {
            problem->has_item = true;
            problem->item = (unsigned)i;
            return -1;
        }
        for (j = 0; j < i; j++) {
            if (slice_equal(c->items[j].id, c->items[i].id)) {
                problem_set(problem, PROBLEM_MALFORMED, "%s: an id comes twice", f->name);
                problem->has_item = true;
                problem->item = (unsigned)i;
                return -1;
            }
        }
    }
    return 0;
}

int field_read_many(const struct field *f, const struct value *value, void *target,
                    struct problem *problem)
{
    switch (f->kind) {
    case FIELD_CURRENCIES:
        return read_currencies(f, value, target, problem);
    case FIELD_IP_ALLOW:
        return read_ip_allow(f, value, target, problem);
    case FIELD_LIMITS:
        return read_limits(f, value, target, problem);
    case FIELD_ITEMS:
        return read_items(f, value, target, problem);
    case FIELD_SIGNED_AMOUNT:
        return read_signed_amount(f, value, target, problem);
    case FIELD_LIMIT_AMOUNT:
        return read_limit_amount(f, value, target, problem);
    default:
        return -1;
    }
}

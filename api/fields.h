/* Reads a request's fields strictly, by a table: which there may be, of what kind, which must be.
 *
 * Anything that the table does not name is refused (`unknown_field`), so that a misspelt optional
 * field is never silently ignored. Texts are borrowed from the values. Pure; any thread. */
#ifndef FLORIN_FIELDS_H
#define FLORIN_FIELDS_H

#include "api/problem.h"
#include "api/value.h"
#include "statemachine/command.h"

enum field_kind {
    FIELD_ID,             /* struct slice: a valid id */
    FIELD_SECRET,         /* struct slice: 16 to 128 printable characters without spaces */
    FIELD_TOKEN,          /* struct slice: 1 to 128 printable characters without spaces */
    FIELD_PASSWORD,       /* struct slice: PASSWORD_MIN to PASSWORD_MAX bytes */
    FIELD_AMOUNT,         /* struct decimal above zero */
    FIELD_AMOUNT_OR_ZERO, /* struct decimal */
    FIELD_WIN_KIND,       /* enum win_kind */
    FIELD_ROLE,           /* enum role */
    FIELD_KEY_KIND,       /* enum key_kind */
    FIELD_STATUS,         /* enum player_status */
    FIELD_SHORTFALL,      /* enum shortfall */
    FIELD_IDS_SCOPE,      /* enum ids_scope */
    FIELD_LIMIT_KIND,     /* enum limit_kind */
    FIELD_LIMIT_PERIOD,   /* enum limit_period */
    FIELD_SCALE,          /* uint8_t, 0 to SCALE_MAX */
    FIELD_TTL,            /* uint32_t: a session's seconds */
    FIELD_EXPIRES,        /* uint32_t: a hold's seconds */
    FIELD_REMINDER,       /* uint32_t: seconds, 0: none */
    FIELD_RATE,           /* uint32_t: calls a second, 0: any */
    FIELD_NODE,           /* uint64_t above zero */
    FIELD_TIME,           /* uint64_t: Unix ms, of a time as RFC 3339 has it */
    FIELD_BOOL,           /* bool */
    FIELD_LIST,           /* const struct value *: a list, borrowed */
    FIELD_SKIP,           /* read by somebody else */

    /* These fill their places in a struct command, which the target must begin with. */
    FIELD_CURRENCIES,
    FIELD_IP_ALLOW,
    FIELD_LIMITS,
    FIELD_ITEMS,

    /* The amount and the sign of a struct command_item, which the target must begin with. */
    FIELD_SIGNED_AMOUNT,
    /* The amount, or null for none, of a struct limit_change, likewise. */
    FIELD_LIMIT_AMOUNT,
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset; /* into the target */
    bool required;
};

enum { REMINDER_S_MAX = 86400 };

/* Fills `target` with the fields of `object`; absent ones are left alone. 0, or -1 and the problem
 * of the first wrong one. */
int fields_read(const struct value *object, const struct field *fields, size_t n, void *target,
                struct problem *problem);

/* The value of a field is not what it should be: `malformed`; -1. */
int field_wrong(const struct field *f, const char *expected, struct problem *problem);

/* An id under any name. 0, or -1 and the problem. */
int field_read_id(const char *name, const struct value *value, struct slice *out,
                  struct problem *problem);

/* A decimal in a text; zero only where the kind allows it. 0, or -1 and the problem. */
int field_read_amount(const struct field *f, const struct value *value, struct decimal *out,
                      struct problem *problem);

/* field_lists.c: the kinds that fill more than one place. 0, or -1 and the problem. */
int field_read_many(const struct field *f, const struct value *value, void *target,
                    struct problem *problem);

#endif

/* Reads a request's fields strictly, by a table: which there may be, of what kind, which must be.
 *
 * Anything that the table does not name is refused (`unknown_field`), so that a misspelt optional
 * field is never silently ignored. Texts are borrowed from the JSON values. Pure; any thread. */
#ifndef FLORIN_FIELDS_H
#define FLORIN_FIELDS_H

#include <jansson.h>

#include "api/problem.h"
#include "statemachine/command.h"

enum field_kind {
    FIELD_ID,             /* struct slice: a valid id */
    FIELD_SECRET,         /* struct slice: 16 to 128 printable characters without spaces */
    FIELD_AMOUNT,         /* struct decimal above zero */
    FIELD_AMOUNT_OR_ZERO, /* struct decimal */
    FIELD_WIN_KIND,       /* enum win_kind */
    FIELD_ROLE,           /* enum role */
    FIELD_SCALE,          /* uint8_t, 0 to SCALE_MAX */
    FIELD_NODE,           /* uint64_t above zero */
    FIELD_CURRENCIES,     /* struct command: its currencies and their count */
    FIELD_LIST,           /* json_t *: an array, borrowed */
    FIELD_SKIP,           /* read by somebody else */
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t offset; /* into the target */
    bool required;
};

/* Fills `target` with the fields of `object`; absent ones are left alone. 0, or -1 and the problem
 * of the first wrong one. */
int fields_read(json_t *object, const struct field *fields, size_t n, void *target,
                struct problem *problem);

#endif

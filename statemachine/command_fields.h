/* The fields of a command, an item and a limit as a table, shared by command.c (what is well
 * formed) and command_codec.c (bytes). */
#ifndef FLORIN_COMMAND_FIELDS_H
#define FLORIN_COMMAND_FIELDS_H

#include "statemachine/command.h"

/* Keys of the msgpack maps. They are in the log: never renumber, only add. */
enum field_key {
    KEY_TYPE = 0,
    KEY_ORIGIN = 1,
    KEY_PRINCIPAL = 2,
    KEY_ID = 3,
    KEY_PLAYER = 4,
    KEY_CURRENCY = 5,
    KEY_AMOUNT = 6, /* array: digits, how many of them after the point */
    KEY_ROUND = 7,
    KEY_GAME = 8,
    KEY_SESSION = 9,
    KEY_BET = 10,
    KEY_ORIGINAL = 11,
    KEY_GATEWAY = 12,
    KEY_WIN_KIND = 13,
    KEY_NEGATIVE = 14,
    KEY_ITEMS = 15, /* array of maps */
    KEY_CLOSE_ROUND = 16,
    KEY_DRY_RUN = 17,
    KEY_EXPIRES_S = 18,
    KEY_NAME = 32,
    KEY_SCALE = 33,
    KEY_ROLE = 34,
    KEY_SECRET_HASH = 35,
    KEY_CURRENCIES = 36,
    KEY_TOKEN_HASH = 37,
    KEY_PARENT_HASH = 38,
    KEY_TTL_S = 39,
    KEY_STATUS = 40,
    KEY_UNTIL_MS = 41,
    KEY_REMINDER_S = 42,
    KEY_LIMITS = 43, /* array of maps */
    KEY_SETS = 44,
    KEY_DISABLED = 45,
    KEY_SHORTFALL = 46,
    KEY_RATE_PER_S = 47,
    KEY_IP_ALLOW = 48,
    KEY_KEY_KIND = 49,
    KEY_SEALED = 50,
    KEY_PASSWORD_HASH = 51,
    KEY_LIMIT_KIND = 52,
    KEY_LIMIT_PERIOD = 53,
    KEY_LIMIT_NONE = 54,
    KEY_IDS_SCOPE = 55,
    KEY_BY = 56, /* array of maps, in which KEY_NAME is the key's and KEY_ID the request's */
    KEY_NOTE = 57,
    KEY_ADDRESS = 58,
    KEY_NODE = 59,
    KEY_COUNT = 60,
};

#define BIT(key) (UINT64_C(1) << (key))

enum field_form {
    FORM_TEXT = 1, /* struct slice: an id */
    FORM_BLOB,     /* struct slice of up to `max` bytes */
    FORM_HASH,     /* const uint8_t *: SECRET_HASH_BYTES */
    FORM_NUMBER,   /* unsigned, enum or bool of `size` bytes, up to `max` */
    FORM_AMOUNT,   /* struct decimal */
    FORM_TEXTS,    /* struct slice[max], with a uint8_t count at count_offset */
    FORM_ITEMS,
    FORM_LIMITS,
    FORM_ACTORS,
};

struct field {
    const char *name; /* NULL: there is no such key in this table */
    uint8_t form;
    uint8_t size;
    uint16_t offset;
    uint16_t count_offset;
    uint64_t max;
};

/* Tables by key. */
extern const struct field command_fields[KEY_COUNT];
extern const struct field item_fields[KEY_COUNT];
extern const struct field limit_fields[KEY_COUNT];
extern const struct field actor_fields[KEY_COUNT];

/* The keys that the struct at `base` has: those in `always`, and whatever is not zero or empty. */
uint64_t fields_present(const void *base, const struct field *table, uint64_t always);
/* Of one field: is it there, and its value by form. */
bool field_is_set(const void *base, const struct field *f);
uint64_t field_number(const void *base, const struct field *f);
struct slice field_slice(const void *base, const struct field *f);

/* A value by itself; and each of those under `keys`. */
int field_check(const void *base, const struct field *f, struct fault *fault);
int fields_check(const void *base, const struct field *table, uint64_t keys, struct fault *fault);
/* The keys together: what the type needs is there, and nothing else. */
int command_check_shape(const struct command *c, uint64_t keys, struct fault *fault);

/* Numbers that are there even when they are zero: a zero win, scale 0, an origin. */
uint64_t command_always(const struct command *c);
uint64_t item_always(const struct command_item *item);
uint64_t limit_always(const struct limit_change *limit);
uint64_t actor_always(void); /* all that there is */

#endif

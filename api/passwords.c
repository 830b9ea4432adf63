#include "api/passwords.h"

#include <sodium.h>
#include <stdlib.h>

#include "api/turns.h"

enum { AT_ONCE = 4 };

_Static_assert(PASSWORD_TEXT_MAX == crypto_pwhash_STRBYTES, "room for a hash");

/* Nobody's: of the same cost as those that passwords_hash makes, with a salt and a result that came
 * from a random generator. */
static const char dummy[PASSWORD_TEXT_MAX] = "$argon2id$v=19$m=65536,t=2,p=1$q8yxsm8N0Zb0rT3uJ0kXUQ"
                                             "$T3bRk0fQ2mW5s1n7yXcLhVd9aEoPzUiGj4K6tB8qMvw";

struct passwords {
    struct turns turns;
};

struct passwords *passwords_new(void)
{
    struct passwords *p = calloc(1, sizeof *p);

    if (p == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    /* One that can't be read, or costs less, would tell by the time who does not exist. */
    if (crypto_pwhash_str_needs_rehash(dummy, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                       crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        abort();
    }
    turns_init(&p->turns, AT_ONCE);
    return p;
}

void passwords_free(struct passwords *p)
{
    turns_release(&p->turns);
    free(p);
}

int passwords_hash(struct passwords *p, struct slice password, unsigned timeout_ms,
                   char hash[static PASSWORD_TEXT_MAX])
{
    int rv;

    if (turns_take(&p->turns, timeout_ms) != 0) {
        return -1;
    }
    rv = crypto_pwhash_str(hash, password.base, password.len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                           crypto_pwhash_MEMLIMIT_INTERACTIVE);
    turns_end(&p->turns);
    return rv; /* -1: no memory for it, which is as if no turn had come */
}

int passwords_verify(struct passwords *p, struct slice password, struct slice hash,
                     unsigned timeout_ms)
{
    char text[PASSWORD_TEXT_MAX] = {0};
    bool somebody = hash.len > 0 && hash.len < sizeof text;
    int right;

    memcpy(text, somebody ? hash.base : dummy, somebody ? hash.len : sizeof dummy);
    if (turns_take(&p->turns, timeout_ms) != 0) {
        return -1;
    }
    right = crypto_pwhash_str_verify(text, password.base, password.len) == 0;
    turns_end(&p->turns);
    return somebody && right;
}

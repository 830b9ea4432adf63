/* Creation of players, currencies, providers, gateways and keys. Each answers 201 once; the name is
 * taken from then on (409 `already_exists`). */
#include <sodium.h>

#include "api/commands.h"
#include "api/handlers.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Applies the command; 0 with the answer's map open. */
static int create(struct exchange *x, struct command *c)
{
    struct outcome outcome;
    struct ticket *held;

    if (commands_run(x, c, &held, &outcome) != 0) {
        return -1;
    }
    ticket_release(held);
    x->status = 201;
    writer_open_map(&x->w);
    return 0;
}

int handle_player_create(struct exchange *x)
{
    static const struct field fields[] = {
        {"id", FIELD_ID, offsetof(struct command, player), true},
        {"currencies", FIELD_CURRENCIES, 0, false},
    };
    struct command c = {.type = COMMAND_PLAYER_CREATE};
    size_t i;

    if (fields_read(x->tree.root, fields, COUNT(fields), &c, &x->problem) != 0 ||
        create(x, &c) != 0) {
        return -1;
    }
    writer_put_text(&x->w, "id", c.player);
    writer_key(&x->w, "currencies");
    writer_open_list(&x->w);
    for (i = 0; i < c.n_currencies; i++) {
        writer_text(&x->w, c.currencies[i]);
    }
    writer_close_list(&x->w);
    writer_close_map(&x->w);
    return 0;
}

int handle_currency_create(struct exchange *x)
{
    static const struct field fields[] = {
        {"code", FIELD_ID, offsetof(struct command, name), true},
        {"scale", FIELD_SCALE, offsetof(struct command, scale), false},
    };
    struct command c = {.type = COMMAND_CURRENCY_CREATE, .scale = SCALE_DEFAULT};

    if (fields_read(x->tree.root, fields, COUNT(fields), &c, &x->problem) != 0) {
        return -1;
    }
    if (c.name.len > CURRENCY_CODE_MAX) {
        return problem_set(&x->problem, PROBLEM_BAD_ID,
                           "a currency's code has at most %d characters", CURRENCY_CODE_MAX);
    }
    if (create(x, &c) != 0) {
        return -1;
    }
    writer_put_text(&x->w, "code", c.name);
    writer_put_u64(&x->w, "scale", c.scale);
    writer_close_map(&x->w);
    return 0;
}

static int create_principal(struct exchange *x, enum role role)
{
    static const struct field fields[] = {
        {"id", FIELD_ID, offsetof(struct command, name), true},
        {"ids_scope", FIELD_IDS_SCOPE, offsetof(struct command, ids_scope), false},
    };
    struct command c = {.type = COMMAND_PRINCIPAL_CREATE, .role = role};

    if (fields_read(x->tree.root, fields, COUNT(fields), &c, &x->problem) != 0 ||
        create(x, &c) != 0) {
        return -1;
    }
    writer_put_text(&x->w, "id", c.name);
    writer_put_string(&x->w, "role", role_name(role));
    writer_put_string(&x->w, "ids_scope", ids_scope_name(c.ids_scope));
    writer_close_map(&x->w);
    return 0;
}

int handle_provider_create(struct exchange *x)
{
    return create_principal(x, ROLE_PROVIDER);
}

int handle_gateway_create(struct exchange *x)
{
    return create_principal(x, ROLE_GATEWAY);
}

enum { KEY_RANDOM_BYTES = 8, SECRET_RANDOM_BYTES = 32 };

struct key_request {
    struct command command;
    struct slice secret;
    uint8_t hash[SECRET_HASH_BYTES];
    uint8_t sealed[SEALED_MAX];
};

static void write_credential(struct exchange *x, const struct key_request *k)
{
    struct bytes credential;

    bytes_init(&credential);
    bytes_append(&credential, k->command.name.base, k->command.name.len);
    bytes_append_u8(&credential, '.');
    bytes_append(&credential, k->secret.base, k->secret.len);
    writer_put_text(&x->w, "credential",
                    (struct slice){(const char *)credential.base, credential.len});
    bytes_release(&credential);
}

static void write_key(struct exchange *x, const struct key_request *k)
{
    writer_put_text(&x->w, "key", k->command.name);
    writer_put_text(&x->w, "principal", k->command.principal);
    writer_put_string(&x->w, "role", role_name(k->command.role));
    writer_put_string(&x->w, "kind", key_kind_name(k->command.key_kind));
    writer_put_text(&x->w, "secret", k->secret);
    if (k->command.key_kind == KEY_BEARER) { /* an hmac key's secret is never sent */
        write_credential(x, k);
    }
    writer_close_map(&x->w);
}

/* A bearer key's secret is kept as its hash, an hmac key's sealed. */
static int keep_secret(struct exchange *x, struct key_request *k)
{
    if (k->command.key_kind == KEY_BEARER) {
        credential_hash(k->secret, k->hash);
        k->command.secret_hash = k->hash;
        return 0;
    }
    if (x->api->box_key == NULL) {
        return problem_set(&x->problem, PROBLEM_UNAVAILABLE,
                           "This node can't keep an hmac key's secret: it has no secret_box_file.");
    }
    if (k->secret.len > SIGNED_SECRET_MAX) {
        return problem_set(&x->problem, PROBLEM_MALFORMED,
                           "secret: an hmac key's has at most %d characters", SIGNED_SECRET_MAX);
    }
    k->command.sealed = (struct slice){(const char *)k->sealed,
                                       signature_seal(x->api->box_key, k->secret, k->sealed)};
    return 0;
}

/* The secret is answered this once. A client may bring both parts itself,
 * so that a set-up that is run twice ends with the keys that it has in its files. */
int handle_key_create(struct exchange *x)
{
    static const struct field fields[] = {
        {"principal", FIELD_ID, offsetof(struct key_request, command.principal), true},
        {"role", FIELD_ROLE, offsetof(struct key_request, command.role), true},
        {"key", FIELD_ID, offsetof(struct key_request, command.name), false},
        {"secret", FIELD_SECRET, offsetof(struct key_request, secret), false},
        {"kind", FIELD_KEY_KIND, offsetof(struct key_request, command.key_kind), false},
    };
    uint8_t random[KEY_RANDOM_BYTES + SECRET_RANDOM_BYTES];
    char key_text[2 * KEY_RANDOM_BYTES + 1];
    char secret_text[2 * SECRET_RANDOM_BYTES + 1];
    struct key_request k = {.command = {.type = COMMAND_KEY_CREATE}};

    if (fields_read(x->tree.root, fields, COUNT(fields), &k, &x->problem) != 0) {
        return -1;
    }
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(key_text, sizeof key_text, random, KEY_RANDOM_BYTES);
    sodium_bin2hex(secret_text, sizeof secret_text, random + KEY_RANDOM_BYTES, SECRET_RANDOM_BYTES);
    if (k.command.name.len == 0) {
        k.command.name = slice_of(key_text);
    }
    if (k.secret.len == 0) {
        k.secret = slice_of(secret_text);
    }
    /* In a credential the first point ends the key's id. */
    if (memchr(k.command.name.base, '.', k.command.name.len) != NULL) {
        return problem_set(&x->problem, PROBLEM_BAD_ID, "key: an id with a point can't be a key's");
    }
    if (keep_secret(x, &k) != 0 || create(x, &k.command) != 0) {
        return -1;
    }
    write_key(x, &k);
    return 0;
}

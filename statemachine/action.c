#include "statemachine/action.h"

#include <assert.h>
#include <stdio.h>

#include "statemachine/texts.h"

enum { ACTION_VERSION = 1, BIT_ASKED = 1 };

/* ---- what a command asks for, in words ---- */

static void put(struct bytes *out, const char *name, struct slice value)
{
    if (out->len > 0) {
        bytes_append_u8(out, ' ');
    }
    bytes_append(out, name, strlen(name));
    bytes_append_u8(out, '=');
    bytes_append(out, value.base, value.len);
}

static void put_word(struct bytes *out, const char *name, const char *value)
{
    put(out, name, slice_of(value));
}

static void put_number(struct bytes *out, const char *name, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put_word(out, name, text);
}

static void put_list(struct bytes *out, const char *name, const struct slice *list, uint8_t n)
{
    uint8_t i;

    put_word(out, name, n == 0 ? "any" : "");
    for (i = 0; i < n; i++) {
        if (i > 0) {
            bytes_append_u8(out, ',');
        }
        bytes_append(out, list[i].base, list[i].len);
    }
}

/* limit=deposit/day/EUR:100.00 */
static void put_limits(struct bytes *out, const struct command *c)
{
    char amount[AMOUNT_TEXT_MAX];
    char text[ID_MAX + AMOUNT_TEXT_MAX + 32];
    uint8_t i;

    for (i = 0; i < c->n_limits; i++) {
        const struct limit_change *l = &c->limits[i];

        money_format(l->amount.digits, l->amount.after_point, amount);
        snprintf(text, sizeof text, "%s/%s/%.*s:%s", limit_kind_name(l->kind),
                 limit_period_name(l->period), (int)l->currency.len, l->currency.base,
                 l->none ? "none" : amount);
        put_word(out, "limit", text);
    }
}

static void describe_player(const struct command *c, struct bytes *out)
{
    if (c->sets & SET_STATUS) {
        put_word(out, "status", player_status_name(c->status));
        if (c->until_ms != 0) {
            put_number(out, "until_ms", c->until_ms);
        }
    }
    if (c->sets & SET_REMINDER) {
        put_number(out, "reminder_s", c->reminder_s);
    }
    put_limits(out, c);
}

static void describe_principal(const struct command *c, struct bytes *out)
{
    put_word(out, "role", role_name(c->role));
    if (c->sets & SET_DISABLED) {
        put_word(out, "disabled", c->disabled ? "true" : "false");
    }
    if (c->sets & SET_SHORTFALL) {
        put_word(out, "shortfall", shortfall_name(c->shortfall));
    }
    if (c->sets & SET_RATE) {
        put_number(out, "rate_per_s", c->rate_per_s);
    }
    if (c->sets & SET_IP_ALLOW) {
        put_list(out, "ip_allow", c->ip_allow, c->n_ip_allow);
    }
    if (c->sets & SET_CURRENCIES) {
        put_list(out, "currencies", c->currencies, c->n_currencies);
    }
    if (c->type == COMMAND_PRINCIPAL_CREATE || (c->sets & SET_IDS_SCOPE)) {
        put_word(out, "ids_scope", ids_scope_name(c->ids_scope));
    }
}

void action_describe(const struct command *c, struct bytes *out)
{
    assert(out->len == 0);
    switch (c->type) {
    case COMMAND_CURRENCY_CREATE:
        put_number(out, "scale", c->scale);
        break;
    case COMMAND_PRINCIPAL_CREATE:
    case COMMAND_PRINCIPAL_UPDATE:
        describe_principal(c, out);
        break;
    case COMMAND_KEY_CREATE:
        put_word(out, "role", role_name(c->role));
        put(out, "principal", c->principal);
        put_word(out, "kind", key_kind_name(c->key_kind));
        break;
    case COMMAND_KEY_UPDATE:
        put_word(out, "disabled", c->disabled ? "true" : "false");
        break;
    case COMMAND_PLAYER_CREATE:
        put_list(out, "currencies", c->currencies, c->n_currencies);
        break;
    case COMMAND_PLAYER_UPDATE:
        describe_player(c, out);
        break;
    default: /* a password has nothing to say */
        bytes_append(out, c->note.base, c->note.len);
    }
    assert(out->len <= ACTION_DETAIL_MAX);
}

struct slice action_subject(const struct command *c)
{
    return c->name.len > 0 ? c->name : c->player;
}

const char *action_outcome(const struct action *a)
{
    return a->asked ? "asked" : verdict_code(a->verdict);
}

/* ---- bytes ---- */

void action_encode(const struct action *a, struct bytes *out)
{
    bytes_append_u8(out, ACTION_VERSION);
    bytes_append_u64(out, a->number);
    bytes_append_u64(out, a->at_ms);
    bytes_append_u64(out, a->seq);
    bytes_append(out, a->head, HASH_BYTES);
    bytes_append_u16(out, (uint16_t)a->verdict);
    bytes_append_u8(out, a->asked ? BIT_ASKED : 0);
    bytes_append_u8(out, (uint8_t)a->by.role);
    bytes_append_u64(out, a->by.node);
    text_append(out, a->by.principal);
    text_append(out, a->by.key);
    text_append(out, a->by.address);
    text_append(out, a->by.request);
    text_append(out, a->call);
    text_append(out, a->subject);
    assert(a->detail.len <= ACTION_DETAIL_MAX);
    bytes_append_u16(out, (uint16_t)a->detail.len);
    bytes_append(out, a->detail.base, a->detail.len);
}

void action_seal(const struct action *a, struct bytes *out)
{
    action_encode(a, out);
    bytes_append(out, a->prev_hash, HASH_BYTES);
    bytes_append(out, a->hash, HASH_BYTES);
}

static void take_hash(struct cursor *in, uint8_t hash[HASH_BYTES])
{
    const uint8_t *at = cursor_take(in, HASH_BYTES);

    if (at != NULL) {
        memcpy(hash, at, HASH_BYTES);
    }
}

static struct slice take_detail(struct cursor *in)
{
    size_t len = cursor_u16(in);
    const uint8_t *at = cursor_take(in, len);
    size_t i;

    for (i = 0; at != NULL && i < len; i++) {
        in->failed = in->failed || at[i] < ' ' || at[i] > '~';
    }
    in->failed = in->failed || len > ACTION_DETAIL_MAX;
    return (struct slice){(const char *)at, at == NULL ? 0 : len};
}

static bool complete(const struct action *a)
{
    return a->number > 0 && a->by.role >= ROLE_PROVIDER && a->by.role <= ROLE_AUDITOR &&
           a->by.principal.len > 0 && a->by.key.len > 0 && a->by.address.len > 0 &&
           a->by.request.len > 0 && a->call.len > 0 && (!a->asked || a->verdict == VERDICT_APPLIED);
}

int action_unseal(const void *data, size_t len, struct action *a, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    uint8_t version = cursor_u8(&in);
    unsigned verdict, bits;

    *a = (struct action){.number = 0};
    if (!in.failed && version != ACTION_VERSION) {
        return fault_set(fault, "action: version %u is not %d: written by a newer florind", version,
                         ACTION_VERSION);
    }
    a->number = cursor_u64(&in);
    a->at_ms = cursor_u64(&in);
    a->seq = cursor_u64(&in);
    take_hash(&in, a->head);
    verdict = cursor_u16(&in);
    bits = cursor_u8(&in);
    a->by.role = cursor_u8(&in);
    a->by.node = cursor_u64(&in);
    a->by.principal = text_take_id(&in);
    a->by.key = text_take_id(&in);
    a->by.address = text_take_id(&in);
    a->by.request = text_take_id(&in);
    a->call = text_take_id(&in);
    a->subject = text_take_id(&in);
    a->detail = take_detail(&in);
    take_hash(&in, a->prev_hash);
    take_hash(&in, a->hash);
    a->asked = bits == BIT_ASKED;
    if (in.failed || in.left > 0 || bits > BIT_ASKED || !verdict_known(verdict)) {
        return fault_set(fault, "action: cut short, overlong or out of range");
    }
    a->verdict = (enum verdict)verdict;
    return complete(a) ? 0 : fault_set(fault, "action: something is missing in it");
}

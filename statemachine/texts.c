#include "statemachine/texts.h"

#include <assert.h>

void text_append(struct bytes *out, struct slice text)
{
    assert(text.len <= UINT8_MAX);
    bytes_append_u8(out, (uint8_t)text.len);
    bytes_append(out, text.base, text.len);
}

struct slice text_take(struct cursor *in)
{
    size_t len = cursor_u8(in);
    const uint8_t *at = cursor_take(in, len);

    return (struct slice){(const char *)at, at == NULL ? 0 : len};
}

struct slice text_take_id(struct cursor *in)
{
    struct slice text = text_take(in);

    if (text.len > 0 && !id_valid(text)) {
        in->failed = true;
    }
    return text;
}

void session_info_append(const struct session_info *s, struct bytes *out)
{
    text_append(out, s->id);
    text_append(out, s->player);
    text_append(out, s->provider);
    text_append(out, s->game);
    bytes_append_u64(out, s->opened_at_ms);
    bytes_append_u64(out, s->expires_at_ms);
    bytes_append_u64(out, s->closed_at_ms);
    bytes_append_u64(out, s->authenticated_at_ms);
    bytes_append_u32(out, s->reminder_s);
}

int session_info_take(struct cursor *in, struct session_info *s)
{
    s->id = text_take_id(in);
    s->player = text_take_id(in);
    s->provider = text_take_id(in);
    s->game = text_take_id(in);
    s->opened_at_ms = cursor_u64(in);
    s->expires_at_ms = cursor_u64(in);
    s->closed_at_ms = cursor_u64(in);
    s->authenticated_at_ms = cursor_u64(in);
    s->reminder_s = cursor_u32(in);
    return in->failed ? -1 : 0;
}

static void list_append(const struct slice *list, uint8_t n, struct bytes *out)
{
    uint8_t i;

    bytes_append_u8(out, n);
    for (i = 0; i < n; i++) {
        text_append(out, list[i]);
    }
}

static uint8_t list_take(struct cursor *in, struct slice *list, uint8_t most,
                         bool (*valid)(struct slice))
{
    uint8_t n = cursor_u8(in);
    uint8_t i;

    if (n > most) {
        in->failed = true;
        return 0;
    }
    for (i = 0; i < n; i++) {
        list[i] = text_take(in);
        if (!valid(list[i])) {
            in->failed = true;
        }
    }
    return n;
}

enum { POLICY_REJECT = 1, POLICY_IDS_PER_PLAYER = 2 };

void policy_append(const struct policy *p, struct bytes *out)
{
    bytes_append_u8(out, (uint8_t)((p->shortfall == SHORTFALL_REJECT ? POLICY_REJECT : 0) |
                                   (p->ids_scope == IDS_PER_PLAYER ? POLICY_IDS_PER_PLAYER : 0)));
    bytes_append_u32(out, p->rate_per_s);
    list_append(p->currencies, p->n_currencies, out);
    list_append(p->ip_allow, p->n_ip_allow, out);
}

int policy_take(struct cursor *in, struct policy *p)
{
    uint8_t bits = cursor_u8(in);

    p->rate_per_s = cursor_u32(in);
    p->n_currencies = list_take(in, p->currencies, CURRENCIES_PER_PLAYER, id_valid);
    p->n_ip_allow = list_take(in, p->ip_allow, IP_ALLOW_MAX, cidr_valid);
    if ((bits & ~(POLICY_REJECT | POLICY_IDS_PER_PLAYER)) != 0) {
        in->failed = true;
    }
    p->shortfall = bits & POLICY_REJECT ? SHORTFALL_REJECT : SHORTFALL_CLAMP;
    p->ids_scope = bits & POLICY_IDS_PER_PLAYER ? IDS_PER_PLAYER : IDS_PER_PRINCIPAL;
    return in->failed ? -1 : 0;
}

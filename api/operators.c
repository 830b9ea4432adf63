/* What operators change of what exists: providers, gateways, keys. */
#include "api/commands.h"
#include "api/handlers.h"
#include "api/render.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static int write_principal(struct exchange *x, enum ticket_kind kind, enum role role)
{
    const struct query q = {.type = QUERY_PRINCIPAL, .name = slice_of(x->ids[0])};
    struct ticket *held;
    struct answer a;
    int result = 0;

    if (reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    if (a.role == role) {
        writer_open_map(&x->w);
        render_principal(&x->w, q.name, &a);
        writer_close_map(&x->w);
    } else {
        problem_of_verdict(&x->problem, role == ROLE_GATEWAY ? VERDICT_UNKNOWN_GATEWAY
                                                             : VERDICT_UNKNOWN_PROVIDER);
        result = -1;
    }
    ticket_release(held);
    return result;
}

static int read_principal(struct exchange *x, enum role role)
{
    enum ticket_kind kind = TICKET_QUERY;

    return reads_consistency(x, &kind) != 0 ? -1 : write_principal(x, kind, role);
}

int handle_provider(struct exchange *x)
{
    return read_principal(x, ROLE_PROVIDER);
}

int handle_gateway(struct exchange *x)
{
    return read_principal(x, ROLE_GATEWAY);
}

static int update_principal(struct exchange *x, enum role role)
{
    static const struct field fields[] = {
        {"disabled", FIELD_BOOL, offsetof(struct command, disabled), false},
        {"shortfall", FIELD_SHORTFALL, offsetof(struct command, shortfall), false},
        {"rate_per_s", FIELD_RATE, offsetof(struct command, rate_per_s), false},
        {"ip_allow", FIELD_IP_ALLOW, 0, false},
        {"currencies", FIELD_CURRENCIES, 0, false},
        {"ids_scope", FIELD_IDS_SCOPE, offsetof(struct command, ids_scope), false},
    };
    static const enum update_field bits[] = {SET_DISABLED, SET_SHORTFALL,  SET_RATE,
                                             SET_IP_ALLOW, SET_CURRENCIES, SET_IDS_SCOPE};
    struct command c;
    struct outcome o;
    struct ticket *held;
    size_t i;

    command_init(&c);
    c.type = COMMAND_PRINCIPAL_UPDATE;
    c.name = slice_of(x->ids[0]);
    c.role = role;
    if (fields_read(x->tree.root, fields, COUNT(fields), &c, &x->problem) != 0) {
        return -1;
    }
    for (i = 0; i < COUNT(fields); i++) {
        c.sets |= value_get(x->tree.root, fields[i].name) != NULL ? (unsigned)bits[i] : 0U;
    }
    if (c.sets == 0) {
        return problem_set(&x->problem, PROBLEM_MALFORMED,
                           "expected at least one of disabled, shortfall, rate_per_s, ip_allow, "
                           "currencies, ids_scope");
    }
    if (commands_run(x, &c, &held, &o) != 0) {
        return -1;
    }
    ticket_release(held);
    return write_principal(x, TICKET_QUERY, role);
}

int handle_provider_update(struct exchange *x)
{
    return update_principal(x, ROLE_PROVIDER);
}

int handle_gateway_update(struct exchange *x)
{
    return update_principal(x, ROLE_GATEWAY);
}

int handle_key_update(struct exchange *x)
{
    static const struct field fields[] = {
        {"disabled", FIELD_BOOL, offsetof(struct command, disabled), true},
    };
    struct command c;
    struct outcome o;
    struct ticket *held;

    command_init(&c);
    c.type = COMMAND_KEY_UPDATE;
    c.name = slice_of(x->ids[0]);
    if (fields_read(x->tree.root, fields, 1, &c, &x->problem) != 0 ||
        commands_run(x, &c, &held, &o) != 0) {
        return -1;
    }
    ticket_release(held);
    writer_open_map(&x->w);
    writer_put_text(&x->w, "key", c.name);
    writer_put_bool(&x->w, "disabled", c.disabled);
    writer_close_map(&x->w);
    return 0;
}

/* Who belongs to the cluster and who leads it: what operators change. Each call asks for a state of
 * things, so it may be made again. */
#include <stdio.h>
#include <stdlib.h>

#include "api/audit.h"
#include "api/fields.h"
#include "api/handlers.h"
#include "api/render.h"

static int record_change(struct exchange *x, const struct member_change *change)
{
    static const char *const calls[] = {[MEMBER_ADD] = "member_add",
                                        [MEMBER_PROMOTE] = "member_promote",
                                        [MEMBER_DEMOTE] = "member_demote",
                                        [MEMBER_REMOVE] = "member_remove"};
    char id[24];
    char note[MEMBER_ADDRESS_MAX + 16] = "";

    snprintf(id, sizeof id, "%llu", (unsigned long long)change->id);
    if (change->op == MEMBER_ADD) {
        snprintf(note, sizeof note, "address=%s", change->address);
    }
    return audit_record(x, calls[change->op], slice_of(id), slice_of(note));
}

/* Hands the change in, once it is recorded. 0, or -1 and the problem. */
static int change_members(struct exchange *x, const struct member_change *change)
{
    struct ticket *t = ticket_new(TICKET_MEMBER);
    struct member_change checked;
    struct fault fault;
    int result = -1;

    member_change_encode(change, &t->in);
    ticket_name(t, x->request_id);
    if (member_change_decode((struct slice){(const char *)t->in.base, t->in.len}, &checked,
                             &fault) != 0) {
        problem_set(&x->problem, PROBLEM_MALFORMED, "%s", fault.text);
    } else if (record_change(x, &checked) == 0) {
        result = ask_submit(x->api->gate, t, x->timeout_ms, &x->problem);
    }
    ticket_release(t);
    return result;
}

struct add_request {
    uint64_t id;
    struct slice address;
};

int handle_member_add(struct exchange *x)
{
    static const struct field fields[] = {
        {"id", FIELD_NODE, offsetof(struct add_request, id), true},
        {"address", FIELD_TOKEN, offsetof(struct add_request, address), true},
    };
    struct add_request request = {0};
    struct member_change change = {.op = MEMBER_ADD};

    if (fields_read(x->tree.root, fields, 2, &request, &x->problem) != 0) {
        return -1;
    }
    if (request.address.len >= sizeof change.address) {
        return problem_set(&x->problem, PROBLEM_MALFORMED, "address: at most %zu characters",
                           sizeof change.address - 1);
    }
    change.id = request.id;
    memcpy(change.address, request.address.base, request.address.len);
    if (change_members(x, &change) != 0) {
        return -1;
    }
    writer_open_map(&x->w);
    writer_put_u64(&x->w, "id", change.id);
    writer_put_string(&x->w, "address", change.address);
    writer_close_map(&x->w);
    return 0;
}

/* Changes the member that the path names; 0 with the answer's map open and its id in it. */
static int change_named(struct exchange *x, enum member_op op)
{
    const char *text = x->ids[0];
    struct member_change change = {.op = op};
    size_t len = strlen(text);

    /* 18 digits fit a uint64 and any number that JSON takes. */
    if (len > 18 || strspn(text, "0123456789") != len ||
        (change.id = strtoull(text, NULL, 10)) == 0) {
        return problem_set(&x->problem, PROBLEM_BAD_ID, "a member's id is a number from 1 on");
    }
    if (change_members(x, &change) != 0) {
        return -1;
    }
    writer_open_map(&x->w);
    writer_put_u64(&x->w, "id", change.id);
    return 0;
}

int handle_member_promote(struct exchange *x)
{
    if (change_named(x, MEMBER_PROMOTE) != 0) {
        return -1;
    }
    writer_put_string(&x->w, "role", "voter");
    writer_close_map(&x->w);
    return 0;
}

int handle_member_demote(struct exchange *x)
{
    if (change_named(x, MEMBER_DEMOTE) != 0) {
        return -1;
    }
    writer_put_string(&x->w, "role", "standby");
    writer_close_map(&x->w);
    return 0;
}

int handle_member_remove(struct exchange *x)
{
    if (change_named(x, MEMBER_REMOVE) != 0) {
        return -1;
    }
    writer_put_bool(&x->w, "removed", true);
    writer_close_map(&x->w);
    return 0;
}

int handle_transfer(struct exchange *x)
{
    static const struct field fields[] = {{"to", FIELD_NODE, 0, false}};
    struct gate_view view;
    struct ticket *t;
    uint64_t to = 0;
    char id[24];
    int result;

    if (x->tree.root != NULL && fields_read(x->tree.root, fields, 1, &to, &x->problem) != 0) {
        return -1;
    }
    snprintf(id, sizeof id, "%llu", (unsigned long long)to);
    if (audit_record(x, "transfer", slice_of(to == 0 ? "" : id), slice_of("")) != 0) {
        return -1;
    }
    t = ticket_new(TICKET_TRANSFER);
    t->target = to;
    ticket_name(t, x->request_id);
    result = ask_submit(x->api->gate, t, x->timeout_ms, &x->problem);
    ticket_release(t);
    if (result == 0) {
        gate_view(x->api->gate, &view);
        writer_open_map(&x->w);
        render_node(&x->w, "leader", view.leader_id);
        writer_close_map(&x->w);
    }
    return result;
}

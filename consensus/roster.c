#include "consensus/roster.h"

#include <stdio.h>

enum {
    ROSTER_VERSION = 1,
    GUEST_MS = 5000, /* long enough to connect and be told, twice */
    AGAIN_MS = 1000, /* between two rounds of telling while nobody leads */
};

/* ---- lists ---- */

static const struct roster_member *find(const struct roster_list *l, uint64_t id)
{
    size_t i;

    for (i = 0; i < l->n; i++) {
        if (l->list[i].id == id) {
            return &l->list[i];
        }
    }
    return NULL;
}

static struct roster_peer *find_peer(struct roster *r, uint64_t id)
{
    size_t i;

    for (i = 0; i < r->n_peers; i++) {
        if (r->peers[i].who.id == id) {
            return &r->peers[i];
        }
    }
    return NULL;
}

/* ---- the frame ---- */

void roster_news_encode(const struct roster_news *news, struct bytes *out)
{
    size_t i;

    bytes_append_u8(out, ROSTER_VERSION);
    bytes_append_u64(out, news->index);
    bytes_append_u64(out, news->highest);
    bytes_append_u8(out, (uint8_t)news->members.n);
    for (i = 0; i < news->members.n; i++) {
        const struct roster_member *m = &news->members.list[i];
        size_t len = strnlen(m->address, sizeof m->address);
        bytes_append_u64(out, m->id);
        bytes_append_u8(out, (uint8_t)len);
        bytes_append(out, m->address, len);
    }
    bytes_append_u8(out, (uint8_t)strnlen(news->sender, sizeof news->sender));
    bytes_append(out, news->sender, strnlen(news->sender, sizeof news->sender));
}

static bool take_sender(struct cursor *c, char sender[MEMBER_ADDRESS_MAX])
{
    uint8_t len = cursor_u8(c);
    const uint8_t *address = cursor_take(c, len);

    memset(sender, 0, MEMBER_ADDRESS_MAX);
    if (c->failed || len >= MEMBER_ADDRESS_MAX || (len > 0 && memchr(address, 0, len) != NULL)) {
        return false;
    }
    if (len > 0) {
        memcpy(sender, address, len);
    }
    return c->left == 0;
}

static bool take_member(struct cursor *c, struct roster_list *l)
{
    struct roster_member *m = &l->list[l->n];
    const uint8_t *address;
    uint8_t len;

    memset(m, 0, sizeof *m);
    m->id = cursor_u64(c);
    len = cursor_u8(c);
    address = cursor_take(c, len);
    if (c->failed || m->id == 0 || len == 0 || len >= sizeof m->address ||
        memchr(address, 0, len) != NULL || find(l, m->id) != NULL) {
        return false;
    }
    memcpy(m->address, address, len);
    l->n++;
    return true;
}

int roster_news_decode(struct slice in, struct roster_news *news, struct fault *fault)
{
    struct cursor c = cursor_of(in.base, in.len);
    uint8_t version = cursor_u8(&c);
    uint8_t count;

    if (!c.failed && version != ROSTER_VERSION) {
        return fault_set(fault, "its list of members has format %u, this program knows %d", version,
                         ROSTER_VERSION);
    }
    news->index = cursor_u64(&c);
    news->highest = cursor_u64(&c);
    news->members.n = 0;
    count = cursor_u8(&c);
    if (c.failed || news->index == 0 || count == 0 || count > STATUS_MEMBERS_MAX) {
        return fault_set(fault, "its list of members is malformed");
    }
    while (news->members.n < count) {
        if (!take_member(&c, &news->members)) {
            return fault_set(fault, "its list of members is malformed");
        }
        if (news->members.list[news->members.n - 1].id > news->highest) {
            return fault_set(fault, "its list of members has an id above the highest");
        }
    }
    return take_sender(&c, news->sender) ? 0 : fault_set(fault, "its list of members ends badly");
}

/* ---- what this node's log says ---- */

void roster_init(struct roster *r, uint64_t id, const char *address, struct transport transport,
                 struct reporter *reporter)
{
    memset(r, 0, sizeof *r);
    snprintf(r->address, sizeof r->address, "%s", address);
    r->id = id;
    r->transport = transport;
    r->reporter = reporter;
}

void roster_used(struct roster *r, uint64_t id)
{
    r->own.highest = id > r->own.highest ? id : r->own.highest;
}

/* Whether these news mean that this node is no member any more, and can't be one again. */
static void judge(struct roster *r, const struct roster_news *news)
{
    if (find(&news->members, r->id) == NULL && news->highest >= r->id && news->index > r->removed) {
        r->removed = news->index;
    }
}

void roster_committed(struct roster *r, uint64_t index, const struct roster_list *members)
{
    size_t i;

    for (i = 0; i < members->n; i++) {
        roster_used(r, members->list[i].id);
    }
    r->own.index = index;
    r->own.members = *members;
    r->rebuild = r->tell = true;
    judge(r, &r->own);
}

void roster_current(struct roster *r, const struct roster_list *members)
{
    r->current = *members;
    r->rebuild = true;
}

bool roster_knows(const struct roster *r, uint64_t peer)
{
    return r->own.index == 0 || find(&r->own.members, peer) != NULL ||
           find(&r->current, peer) != NULL ||
           (r->heard.index > r->own.index && find(&r->heard.members, peer) != NULL);
}

/* ---- what others say ---- */

static struct roster_peer *add_peer(struct roster *r, const struct roster_member *who)
{
    struct roster_peer *p;

    if (r->n_peers == ROSTER_PEERS_MAX) {
        return NULL;
    }
    p = &r->peers[r->n_peers++];
    *p = (struct roster_peer){.who = *who};
    return p;
}

/* It is no member as far as this node knows, and knows less: it is to be told. */
static void invite(struct roster *r, uint64_t now_ms, const struct roster_member *who)
{
    struct roster_peer *p = find_peer(r, who->id);

    if (p == NULL) {
        p = add_peer(r, who);
        r->rebuild = true;
    }
    if (p != NULL) {
        p->guest_until_ms = now_ms + GUEST_MS;
        p->told = 0;
        r->tell = true;
    }
}

int roster_heard(struct roster *r, uint64_t now_ms, uint64_t peer, struct slice frame,
                 struct fault *fault)
{
    struct roster_news news;
    const struct roster_member *self;
    struct roster_member sender = {.id = peer};

    if (roster_news_decode(frame, &news, fault) != 0) {
        return -1;
    }
    if (news.index > r->own.index) {
        if (news.index > r->heard.index) {
            r->heard = news;
            r->rebuild = true;
        }
        judge(r, &news);
        return 0;
    }
    self = find(&news.members, peer);
    if (self == NULL && news.sender[0] != '\0') {
        memcpy(sender.address, news.sender, sizeof sender.address);
        self = &sender;
    }
    if (!roster_knows(r, peer) && self != NULL) {
        invite(r, now_ms, self);
    }
    return 0;
}

void roster_link(struct roster *r, uint64_t peer, bool up)
{
    struct roster_peer *p = find_peer(r, peer);

    if (p != NULL) {
        p->told = 0;
        r->tell = r->tell || up;
    }
}

/* ---- the transport's peers ---- */

static void keep(struct roster *r, const struct roster_list *l)
{
    size_t i;

    for (i = 0; i < l->n; i++) {
        struct roster_peer *p;
        if (l->list[i].id == r->id) {
            continue;
        }
        p = find_peer(r, l->list[i].id);
        if (p == NULL) {
            p = add_peer(r, &l->list[i]);
        }
        if (p != NULL) {
            p->who = l->list[i];
            p->member = true;
        }
    }
}

/* Members of any list are peers; who was one a moment ago is a guest, to be told. */
static void rebuild(struct roster *r, uint64_t now_ms)
{
    uint64_t ids[ROSTER_PEERS_MAX];
    const char *addresses[ROSTER_PEERS_MAX];
    size_t i;
    size_t n = 0;

    for (i = 0; i < r->n_peers; i++) {
        if (r->peers[i].member) {
            r->peers[i].member = false;
            r->peers[i].guest_until_ms = now_ms + GUEST_MS;
        }
    }
    if (r->heard.index > r->own.index) {
        keep(r, &r->heard.members);
    }
    keep(r, &r->own.members);
    keep(r, &r->current);
    for (i = 0; i < r->n_peers; i++) {
        if (r->peers[i].member || r->peers[i].guest_until_ms > now_ms) {
            r->peers[n++] = r->peers[i];
        }
    }
    r->n_peers = n;
    for (i = 0; i < n; i++) {
        ids[i] = r->peers[i].who.id;
        addresses[i] = r->peers[i].who.address;
    }
    r->rebuild = false;
    r->tell = true;
    r->transport.set_peers(r->transport.impl, ids, addresses, n);
}

/* The newest that it knows, also by hearsay. */
static void tell_all(struct roster *r)
{
    struct roster_news *news = r->heard.index > r->own.index ? &r->heard : &r->own;
    struct bytes frame;
    size_t i;

    r->tell = false;
    if (news->index == 0) {
        return;
    }
    bytes_init(&frame);
    memcpy(news->sender, r->address, sizeof news->sender);
    roster_news_encode(news, &frame);
    for (i = 0; i < r->n_peers; i++) {
        struct roster_peer *p = &r->peers[i];
        if (p->told == news->index || !r->transport.connected(r->transport.impl, p->who.id)) {
            continue; /* its link will say when it is up */
        }
        if (r->transport.send(r->transport.impl, p->who.id, FRAME_MEMBERS,
                              (struct slice){(const char *)frame.base, frame.len})) {
            p->told = news->index;
        } else {
            r->tell = true;
        }
    }
    bytes_release(&frame);
}

static bool guests_leave(const struct roster *r, uint64_t now_ms)
{
    size_t i;

    for (i = 0; i < r->n_peers; i++) {
        if (!r->peers[i].member && r->peers[i].guest_until_ms <= now_ms) {
            return true;
        }
    }
    return false;
}

void roster_tick(struct roster *r, uint64_t now_ms, bool has_leader)
{
    size_t i;

    if (has_leader) {
        r->again_at_ms = now_ms + AGAIN_MS;
    } else if (now_ms >= r->again_at_ms) {
        /* Perhaps nobody takes this node for a member any more, and does not know where it is. */
        r->again_at_ms = now_ms + AGAIN_MS;
        for (i = 0; i < r->n_peers; i++) {
            r->peers[i].told = 0;
        }
        r->tell = true;
    }
    if (r->rebuild || guests_leave(r, now_ms)) {
        rebuild(r, now_ms);
    }
    if (r->tell) {
        tell_all(r);
    }
}

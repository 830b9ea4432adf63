/* Fuzzes what one node forwards to another, what comes back, and the members that nodes tell each
 * other. The first byte chooses which. Built for libFuzzer. */
#include <stdlib.h>
#include <string.h>

#include "consensus/forward.h"
#include "consensus/roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool inside(struct slice s, const uint8_t *data, size_t size)
{
    return s.len == 0 ||
           ((const uint8_t *)s.base >= data && (const uint8_t *)s.base + s.len <= data + size);
}

/* What is taken as commands can be walked to its end, and holds what it says. */
static void look_at(const struct forward *f)
{
    struct cursor c = cursor_of(f->bytes.base, f->bytes.len);
    struct slice command;
    uint32_t n = 0;

    if (f->kind != TICKET_COMMANDS) {
        return;
    }
    while (frame_next(&c, &command)) {
        must(command.len > 0);
        n++;
    }
    must(!c.failed && n == f->n_commands);
}

/* News that are taken give the same bytes again. */
static void take_news(const uint8_t *data, size_t size)
{
    struct roster_news news;
    struct fault fault;
    struct bytes again;

    if (roster_news_decode((struct slice){(const char *)data, size}, &news, &fault) != 0) {
        return;
    }
    bytes_init(&again);
    roster_news_encode(&news, &again);
    must(again.len == size && memcmp(again.base, data, size) == 0);
    bytes_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool results = size > 0 && (data[0] & 1) != 0;
    struct forward_result r;
    struct forward f;
    struct cursor c, names = {0};
    struct fault fault;
    uint32_t count;

    if (size == 0) {
        return 0;
    }
    if (data[0] == 2) {
        take_news(data + 1, size - 1);
        return 0;
    }
    data++;
    size--;
    if (forward_begin((struct slice){(const char *)data, size}, &c, &count, &fault) != 0) {
        return 0;
    }
    if (!results) {
        forward_names(&c, count, &names);
    }
    while (count-- > 0) {
        if (results) {
            if (forward_result_next(&c, &r, &fault) != 1) {
                return 0;
            }
            must(inside(r.bytes, data, size) && r.status <= FORWARD_NO_ROOM);
        } else {
            if (forward_next(&c, &names, &f, &fault) != 1) {
                return 0;
            }
            must(inside(f.bytes, data, size) && inside(f.name, data, size) &&
                 f.name.len <= TICKET_NAME_MAX && f.timeout_ms <= FORWARD_TIMEOUT_MAX_MS);
            look_at(&f);
        }
    }
    return 0;
}

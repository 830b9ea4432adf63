#include "api/writer.h"

#include <assert.h>
#include <msgpack.h>
#include <stdio.h>

void writer_init(struct writer *w, struct bytes *out, enum form form)
{
    *w = (struct writer){.out = out, .form = form};
}

static int append(void *data, const char *base, size_t len)
{
    bytes_append(data, base, len);
    return 0;
}

static msgpack_packer packer(struct writer *w)
{
    msgpack_packer p;

    msgpack_packer_init(&p, w->out, append);
    return p;
}

/* Before each value: the comma, and its place in the list around it. */
static void begin_value(struct writer *w)
{
    if (w->form == FORM_JSON && w->comma) {
        bytes_append(w->out, ",", 1);
    }
    w->comma = true;
    if (w->depth > 0 && !w->open[w->depth - 1].is_map) {
        w->open[w->depth - 1].members++;
    }
}

static void open_level(struct writer *w, bool is_map)
{
    /* MessagePack's map16 and array16; the length is filled in by close_level. */
    const uint8_t head[3] = {is_map ? 0xde : 0xdc, 0, 0};

    begin_value(w);
    assert(w->depth < WRITER_DEPTH_MAX);
    w->open[w->depth].at = w->out->len + 1;
    w->open[w->depth].members = 0;
    w->open[w->depth].is_map = is_map;
    w->depth++;
    if (w->form == FORM_JSON) {
        bytes_append(w->out, is_map ? "{" : "[", 1);
        w->comma = false;
    } else {
        bytes_append(w->out, head, sizeof head);
    }
}

static void close_level(struct writer *w, bool is_map)
{
    uint32_t members;
    size_t at;

    assert(w->depth > 0 && w->open[w->depth - 1].is_map == is_map);
    w->depth--;
    if (w->form == FORM_JSON) {
        bytes_append(w->out, is_map ? "}" : "]", 1);
        w->comma = true;
        return;
    }
    members = w->open[w->depth].members;
    at = w->open[w->depth].at;
    assert(members <= UINT16_MAX);
    w->out->base[at] = (uint8_t)(members >> 8);
    w->out->base[at + 1] = (uint8_t)members;
}

void writer_open_map(struct writer *w)
{
    open_level(w, true);
}

void writer_close_map(struct writer *w)
{
    close_level(w, true);
}

void writer_open_list(struct writer *w)
{
    open_level(w, false);
}

void writer_close_list(struct writer *w)
{
    close_level(w, false);
}

void writer_written(struct writer *w, struct slice value)
{
    begin_value(w);
    bytes_append(w->out, value.base, value.len);
}

static void pack_text(struct writer *w, struct slice text)
{
    msgpack_packer p = packer(w);

    msgpack_pack_str(&p, text.len);
    msgpack_pack_str_body(&p, text.base, text.len);
}

/* How much of the text may stand in JSON as it is: all but quotes, backslashes and control
 * characters. */
static size_t plain_length(struct slice text)
{
    static const uint8_t plain[256] = {
        [0x20 ... '"' - 1] = 1,
        ['"' + 1 ... '\\' - 1] = 1,
        ['\\' + 1 ... 0xff] = 1,
    };
    const uint8_t *at = (const uint8_t *)text.base;
    size_t i = 0;

    while (text.len - i >= 4 &&
           plain[at[i]] & plain[at[i + 1]] & plain[at[i + 2]] & plain[at[i + 3]]) {
        i += 4;
    }
    while (i < text.len && plain[at[i]]) {
        i++;
    }
    return i;
}

static void write_escape(struct bytes *out, unsigned char c)
{
    char escape[8];
    int len = snprintf(escape, sizeof escape, c >= 0x20 ? "\\%c" : "\\u%04x", c);

    bytes_append(out, escape, (size_t)len);
}

static void write_json_text(struct bytes *out, struct slice text)
{
    bytes_append(out, "\"", 1);
    for (;;) {
        size_t len = plain_length(text);

        bytes_append(out, text.base, len);
        if (len == text.len) {
            break;
        }
        write_escape(out, (unsigned char)text.base[len]);
        text = (struct slice){text.base + len + 1, text.len - len - 1};
    }
    bytes_append(out, "\"", 1);
}

void writer_key(struct writer *w, const char *key)
{
    struct slice text = slice_of(key);

    assert(w->depth > 0 && w->open[w->depth - 1].is_map);
    w->open[w->depth - 1].members++;
    if (w->form == FORM_MSGPACK) {
        pack_text(w, text);
        return;
    }
    if (w->comma) {
        bytes_append(w->out, ",", 1);
    }
    bytes_append(w->out, "\"", 1);
    bytes_append(w->out, text.base, text.len);
    bytes_append(w->out, "\":", 2);
    w->comma = false;
}

void writer_text(struct writer *w, struct slice text)
{
    begin_value(w);
    if (w->form == FORM_MSGPACK) {
        pack_text(w, text);
    } else {
        write_json_text(w->out, text);
    }
}

void writer_u64(struct writer *w, uint64_t v)
{
    begin_value(w);
    if (w->form == FORM_MSGPACK) {
        msgpack_packer p = packer(w);
        msgpack_pack_uint64(&p, v);
    } else {
        bytes_append_decimal(w->out, v);
    }
}

void writer_bool(struct writer *w, bool v)
{
    struct slice text = slice_of(v ? "true" : "false");

    begin_value(w);
    if (w->form == FORM_MSGPACK) {
        bytes_append_u8(w->out, v ? 0xc3 : 0xc2);
    } else {
        bytes_append(w->out, text.base, text.len);
    }
}

void writer_null(struct writer *w)
{
    begin_value(w);
    if (w->form == FORM_MSGPACK) {
        bytes_append_u8(w->out, 0xc0);
    } else {
        bytes_append(w->out, "null", 4);
    }
}

void writer_put_text(struct writer *w, const char *key, struct slice text)
{
    writer_key(w, key);
    writer_text(w, text);
}

void writer_put_string(struct writer *w, const char *key, const char *text)
{
    writer_put_text(w, key, slice_of(text));
}

void writer_put_u64(struct writer *w, const char *key, uint64_t v)
{
    writer_key(w, key);
    writer_u64(w, v);
}

void writer_put_bool(struct writer *w, const char *key, bool v)
{
    writer_key(w, key);
    writer_bool(w, v);
}

void writer_put_given(struct writer *w, const char *key, struct slice text)
{
    if (text.len > 0) {
        writer_put_text(w, key, text);
    }
}

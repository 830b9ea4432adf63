#include "consensus/segment.h"

#include <assert.h>
#include <stdio.h>

#include "statemachine/crc32c.h"

static const uint8_t segment_magic[8] = {'F', 'L', 'O', 'R', 'S', 'E', 'G', '\n'};

enum {
    RECORD_MAGIC = 0x63724c46, /* "FLrc" */
    RECORD_CRC_AT = SEGMENT_RECORD_HEADER - 4,
    SEGMENT_CRC_AT = SEGMENT_HEADER - 4,
};

static uint32_t u32_at(const uint8_t *at)
{
    struct cursor c = cursor_of(at, 4);

    return cursor_u32(&c);
}

bool segment_zeros(const uint8_t *data, size_t len)
{
    /* Each byte equals the one before it, and the first is zero: memcmp does this fast. */
    return len == 0 || (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

void segment_name(uint64_t number, char name[static DISK_NAME_MAX])
{
    snprintf(name, DISK_NAME_MAX, "%016llx.seg", (unsigned long long)number);
}

bool segment_name_parse(const char *name, uint64_t *number)
{
    char back[DISK_NAME_MAX];
    uint64_t v = 0;
    int i;

    for (i = 0; i < 16; i++) {
        char c = name[i];
        if (c >= '0' && c <= '9') {
            v = v << 4 | (uint64_t)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            v = v << 4 | (uint64_t)(c - 'a' + 10);
        } else {
            return false;
        }
    }
    segment_name(v, back);
    *number = v;
    return v != 0 && strcmp(name, back) == 0;
}

void segment_header_encode(const struct segment_header *h, uint8_t out[static SEGMENT_HEADER])
{
    struct bytes b;

    bytes_init(&b);
    bytes_append(&b, segment_magic, sizeof segment_magic);
    bytes_append_u32(&b, SEGMENT_VERSION);
    bytes_append_u32(&b, h->restart ? 1 : 0);
    bytes_append_u64(&b, h->number);
    bytes_append_u64(&b, h->next_index);
    bytes_append_u32(&b, h->previous_end);
    memset(out, 0, SEGMENT_HEADER);
    memcpy(out, b.base, b.len);
    bytes_clear(&b);
    bytes_append_u32(&b, crc32c(0, out, SEGMENT_CRC_AT));
    memcpy(out + SEGMENT_CRC_AT, b.base, 4);
    bytes_release(&b);
}

enum segment_check segment_header_decode(const uint8_t in[static SEGMENT_HEADER],
                                         struct segment_header *h)
{
    struct cursor c = cursor_of(in, SEGMENT_HEADER);
    uint32_t version, restart;

    if (segment_zeros(in, SEGMENT_HEADER)) {
        return SEGMENT_EMPTY;
    }
    if (memcmp(cursor_take(&c, sizeof segment_magic), segment_magic, sizeof segment_magic) != 0 ||
        crc32c(0, in, SEGMENT_CRC_AT) != u32_at(in + SEGMENT_CRC_AT)) {
        return SEGMENT_BAD;
    }
    version = cursor_u32(&c);
    if (version != SEGMENT_VERSION) {
        return version > SEGMENT_VERSION ? SEGMENT_NEWER : SEGMENT_BAD;
    }
    restart = cursor_u32(&c);
    h->restart = restart == 1;
    h->number = cursor_u64(&c);
    h->next_index = cursor_u64(&c);
    h->previous_end = cursor_u32(&c);
    return restart > 1 || h->number == 0 || h->next_index == 0 ? SEGMENT_BAD : SEGMENT_OK;
}

uint32_t segment_place(uint32_t end)
{
    uint32_t in_sector = end % SEGMENT_SECTOR;

    return in_sector + SEGMENT_RECORD_HEADER > SEGMENT_SECTOR ? end - in_sector + SEGMENT_SECTOR
                                                              : end;
}

uint64_t segment_end_after(uint32_t end, size_t len)
{
    return (uint64_t)segment_place(end) + SEGMENT_RECORD_HEADER + len;
}

/* Counts the payload's sectors, from the first that begins inside it, that are all zeros. The part
 * that shares the header's sector arrived with the header. */
static uint32_t zero_parts(uint32_t offset, const uint8_t *payload, size_t len)
{
    size_t start = offset + SEGMENT_RECORD_HEADER;
    size_t at = (SEGMENT_SECTOR - start % SEGMENT_SECTOR) % SEGMENT_SECTOR;
    uint32_t n = 0;

    while (at < len) {
        size_t part = len - at < SEGMENT_SECTOR ? len - at : SEGMENT_SECTOR;
        if (segment_zeros(payload + at, part)) {
            n++;
        }
        at += part;
    }
    return n;
}

uint32_t segment_record_append(struct bytes *out, uint64_t number, uint32_t end,
                               const struct log_entry *entry, uint32_t synced)
{
    static const uint8_t zeros[SEGMENT_RECORD_HEADER];
    uint32_t offset = segment_place(end);
    size_t header_at;

    assert(end % 8 == 0 && entry->len % 8 == 0 && entry->len > 0 && entry->len <= LOG_ENTRY_MAX);
    bytes_append(out, zeros, offset - end);
    header_at = out->len;
    bytes_append_u32(out, RECORD_MAGIC);
    bytes_append_u32(out, (uint32_t)entry->len);
    bytes_append_u64(out, entry->index);
    bytes_append_u64(out, entry->term);
    bytes_append_u32(out, (uint32_t)number);
    bytes_append_u32(out, offset);
    bytes_append_u32(out, synced);
    bytes_append_u16(out, (uint16_t)zero_parts(offset, entry->data, entry->len));
    bytes_append_u16(out, (uint16_t)entry->type);
    bytes_append_u32(out, crc32c(0, entry->data, entry->len));
    bytes_append_u32(out, crc32c(0, out->base + header_at, RECORD_CRC_AT));
    bytes_append(out, entry->data, entry->len);
    return offset;
}

enum segment_check segment_record_decode(const uint8_t in[static SEGMENT_RECORD_HEADER],
                                         uint64_t number, uint32_t offset, struct segment_record *r)
{
    struct cursor c = cursor_of(in, SEGMENT_RECORD_HEADER);
    uint32_t magic = cursor_u32(&c);
    uint32_t segment, type;

    if (magic != RECORD_MAGIC) {
        return segment_zeros(in, SEGMENT_RECORD_HEADER) ? SEGMENT_EMPTY : SEGMENT_BAD;
    }
    r->len = cursor_u32(&c);
    r->index = cursor_u64(&c);
    r->term = cursor_u64(&c);
    segment = cursor_u32(&c);
    r->offset = cursor_u32(&c);
    r->synced = cursor_u32(&c);
    r->zero_parts = cursor_u16(&c);
    type = cursor_u16(&c);
    r->payload_crc = cursor_u32(&c);
    if (cursor_u32(&c) != crc32c(0, in, RECORD_CRC_AT)) {
        return SEGMENT_BAD;
    }
    if (segment != (uint32_t)number || r->offset != offset || r->synced > offset ||
        r->synced < SEGMENT_HEADER || r->len == 0 || r->len % 8 != 0 || r->len > LOG_ENTRY_MAX ||
        type < LOG_COMMAND || type > LOG_CHANGE || r->index == 0 || r->index == UINT64_MAX) {
        return SEGMENT_BAD;
    }
    r->type = (enum log_entry_type)type;
    return SEGMENT_OK;
}

bool segment_payload_ok(const struct segment_record *r, const uint8_t *payload)
{
    return crc32c(0, payload, r->len) == r->payload_crc;
}

bool segment_payload_torn(const struct segment_record *r, const uint8_t *payload)
{
    return zero_parts(r->offset, payload, r->len) > r->zero_parts;
}

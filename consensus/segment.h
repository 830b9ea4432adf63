/* The format of a log segment, byte by byte: names, the segment's header, records. Pure functions
 * over buffers; the files themselves are read by segment_scan.c and written by log.c.
 *
 * A segment is a file of zeros that is filled from the front, once, by one life of the process.
 * Nothing in it is ever written over with other bytes. Recovery rests on three rules:
 *  - A disk writes a sector (512 bytes) whole or not at all, so a sector that never arrived is
 *    zeros. The segment's header is one sector and a record's header never straddles two: each of
 *    them is either there, whole, or zeros. Anything else was damaged later.
 *  - A record's header counts the sectors of its payload that are zeros by themselves. A payload
 *    whose checksum is wrong lost a sector in a power cut only if there are more of them now.
 *  - A record says how far this segment was synced when it was written; a segment's header says
 *    where the previous one ended, which was synced before. What is bad below is damage. */
#ifndef FLORIN_SEGMENT_H
#define FLORIN_SEGMENT_H

#include <stdbool.h>

#include "consensus/log.h"

enum {
    SEGMENT_SECTOR = 512,
    SEGMENT_HEADER = SEGMENT_SECTOR, /* bytes before the first record */
    SEGMENT_RECORD_HEADER = 48,
    SEGMENT_VERSION = 1,
    SEGMENT_BYTES_MIN = 4096,
    SEGMENT_BYTES_DEFAULT = 64 << 20,
    SEGMENT_BYTES_MAX = 1 << 30,
};

/* What a look at a header finds. */
enum segment_check {
    SEGMENT_OK,
    SEGMENT_EMPTY, /* zeros: never written, or never arrived */
    SEGMENT_BAD,   /* neither: damaged */
    SEGMENT_NEWER, /* a format this program doesn't know */
};

struct segment_header {
    uint64_t number;       /* 1, 2, 3 ... in the order of creation; never used again */
    uint64_t next_index;   /* the log's last index + 1 when it was created */
    uint32_t previous_end; /* where the previous segment's last record ends; 0: nothing before */
    bool restart;          /* begins a log after an installed snapshot */
};

struct segment_record {
    uint64_t index;
    uint64_t term;
    enum log_entry_type type;
    uint32_t len;        /* payload bytes */
    uint32_t offset;     /* its own place in the file */
    uint32_t synced;     /* the segment was synced up to here when this was written */
    uint32_t zero_parts; /* sectors of the payload that are zeros by themselves */
    uint32_t payload_crc;
};

/* "0000000000000001.seg". parse returns false for every other kind of name. */
void segment_name(uint64_t number, char name[static DISK_NAME_MAX]);
bool segment_name_parse(const char *name, uint64_t *number);

void segment_header_encode(const struct segment_header *h, uint8_t out[static SEGMENT_HEADER]);
enum segment_check segment_header_decode(const uint8_t in[static SEGMENT_HEADER],
                                         struct segment_header *h);

/* Where the header of a record that follows `end` stands: `end`, or the next sector. */
uint32_t segment_place(uint32_t end);

/* Where the file would end after one more record with `len` payload bytes. */
uint64_t segment_end_after(uint32_t end, size_t len);

/* Appends the record (and zeros up to its place) to `out`, whose next byte stands at `end` in the
 * file. Returns the offset of its header. */
uint32_t segment_record_append(struct bytes *out, uint64_t number, uint32_t end,
                               const struct log_entry *entry, uint32_t synced);

/* Checks a header found at `offset` of segment `number`; everything but the payload. */
enum segment_check segment_record_decode(const uint8_t in[static SEGMENT_RECORD_HEADER],
                                         uint64_t number, uint32_t offset,
                                         struct segment_record *r);

bool segment_payload_ok(const struct segment_record *r, const uint8_t *payload);

/* For a payload that is not ok: true when sectors of it never arrived, false when it was damaged.
 */
bool segment_payload_torn(const struct segment_record *r, const uint8_t *payload);

/* True when all bytes are zero. */
bool segment_zeros(const uint8_t *data, size_t len);

#endif

/* Reading segment files: a buffered window over one, the scan that log_open makes of each, and the
 * judgement that matters most: is a bad record a torn write (never promised: cut) or damage (was
 * promised: refuse)? The rules are in segment.h; this file applies them. Writer's thread. */
#ifndef FLORIN_SEGMENT_SCAN_H
#define FLORIN_SEGMENT_SCAN_H

#include "consensus/segment.h"

/* A file being read front to back with few large reads. Plain data; borrows disk and name. */
struct segment_window {
    struct disk *disk;
    int handle;
    const char *name;
    uint64_t size;   /* of the file */
    uint64_t offset; /* of the first buffered byte */
    struct bytes buffer;
};

/* Asks the file for its size. 0, or -1 with the fault (then nothing has to be released). */
int segment_window_init(struct segment_window *w, struct disk *disk, int handle, const char *name,
                        struct fault *fault);
void segment_window_release(struct segment_window *w);

/* Points *data at `len` bytes from `offset`, valid until the next call; the range must lie inside
 * the file. 0, or -1 with the fault. */
int segment_window_get(struct segment_window *w, uint64_t offset, size_t len, const uint8_t **data,
                       struct fault *fault);

struct segment_scan {
    /* The question. */
    struct segment_window *window;
    uint64_t number;
    bool sealed;     /* a later segment or the manifest tells where it ends: */
    uint32_t end;    /* then this is where; the answer otherwise */
    uint32_t proven; /* known synced up to here; raised by what the records say */
    /* Every good record, in the order of the file; -1 with the fault stops the scan. */
    int (*each)(void *context, const struct segment_record *r, const uint8_t *payload,
                struct fault *fault);
    void *context;

    /* The rest of the answer: what lies beyond the end of one that is not sealed. */
    uint64_t torn_bytes;
    uint64_t torn_entries;
};

/* Goes through the records. -1 with the fault when something that was synced is bad. */
int segment_scan(struct segment_scan *scan, struct fault *fault);

#endif

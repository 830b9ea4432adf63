/* Writes an answer's body, as JSON or as MessagePack, straight into bytes.
 *
 * Handlers say what an answer holds once, in order; the writer knows the two forms. It builds no
 * tree: a batch's answer has over a hundred thousand values.
 *
 * Plain data; one thread at a time. A map's and a list's length stands before its content in
 * MessagePack, so both are written with a 16-bit length that is filled in when they close: at most
 * 65,535 members (the largest list we answer has 8,192). */
#ifndef FLORIN_WRITER_H
#define FLORIN_WRITER_H

#include "statemachine/bytes.h"

enum form { FORM_JSON, FORM_MSGPACK };

enum { WRITER_DEPTH_MAX = 8 };

struct writer {
    struct bytes *out; /* borrowed */
    enum form form;
    bool comma; /* JSON: something stands before, on this level */
    unsigned depth;
    struct {
        size_t at; /* MessagePack: where the length goes */
        uint32_t members;
        bool is_map;
    } open[WRITER_DEPTH_MAX];
};

void writer_init(struct writer *w, struct bytes *out, enum form form);

void writer_open_map(struct writer *w);
void writer_close_map(struct writer *w);
void writer_open_list(struct writer *w);
void writer_close_list(struct writer *w);

/* In a map, a key goes before each value. Keys are our own: printable ASCII without quotes. */
void writer_key(struct writer *w, const char *key);

void writer_text(struct writer *w, struct slice text); /* UTF-8; escaped as JSON needs */
void writer_u64(struct writer *w, uint64_t v);
void writer_bool(struct writer *w, bool v);
void writer_null(struct writer *w);

/* A value that another writer of the same form has written. */
void writer_written(struct writer *w, struct slice value);

/* A key and its value. */
void writer_put_text(struct writer *w, const char *key, struct slice text);
void writer_put_string(struct writer *w, const char *key, const char *text);
void writer_put_u64(struct writer *w, const char *key, uint64_t v);
void writer_put_bool(struct writer *w, const char *key, bool v);
/* ... only when the text is not empty. */
void writer_put_given(struct writer *w, const char *key, struct slice text);

#endif

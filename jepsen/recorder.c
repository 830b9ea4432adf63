#include "jepsen/recorder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void append_text(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

static void append_string(struct bytes *out, const char *text)
{
    append_text(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            append_text(out, "\\");
        }
        bytes_append_u8(out, (unsigned char)*text < ' ' ? ' ' : (uint8_t)*text);
    }
    append_text(out, "\"");
}

static void append_keyword(struct bytes *out, const char *name)
{
    append_text(out, ":");
    for (; *name != '\0'; name++) {
        bytes_append_u8(out, *name == '_' ? '-' : (uint8_t)*name);
    }
}

static void append_integer(struct bytes *out, json_int_t integer)
{
    char number[32];

    snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, integer);
    append_text(out, number);
}

static void append_map(struct bytes *out, const json_t *value)
{
    const char *between = "";
    const char *key;
    json_t *item;

    append_text(out, "{");
    json_object_foreach((json_t *)value, key, item)
    {
        append_text(out, between);
        append_keyword(out, key);
        append_text(out, " ");
        edn_append(out, key, item);
        between = " ";
    }
    append_text(out, "}");
}

void edn_append(struct bytes *out, const char *name, const json_t *value)
{
    const char *between = "";
    json_t *item;
    size_t i;

    if (json_is_object(value)) {
        append_map(out, value);
    } else if (json_is_array(value)) {
        append_text(out, "[");
        json_array_foreach(value, i, item)
        {
            append_text(out, between);
            edn_append(out, NULL, item);
            between = " ";
        }
        append_text(out, "]");
    } else if (json_is_string(value) && name != NULL && strcmp(name, "type") == 0) {
        append_keyword(out, json_string_value(value));
    } else if (json_is_string(value)) {
        append_string(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        append_integer(out, json_integer_value(value));
    } else {
        append_text(out, json_is_true(value) ? "true" : json_is_false(value) ? "false" : "nil");
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int recorder_open(struct recorder *r, const char *path)
{
    *r = (struct recorder){.file = fopen(path, "we"), .began_ns = now_ns()};
    pthread_mutex_init(&r->lock, NULL);
    return r->file == NULL ? -1 : 0;
}

int recorder_close(struct recorder *r)
{
    int failed = ferror(r->file);

    pthread_mutex_destroy(&r->lock);
    return fclose(r->file) != 0 || failed ? -1 : 0;
}

uint64_t recorder_now_ns(const struct recorder *r)
{
    return now_ns() - r->began_ns;
}

static void put_line(struct recorder *r, uint64_t time_ns, const char *process, const char *type,
                     const char *f, const json_t *value)
{
    struct bytes text;

    bytes_init(&text);
    edn_append(&text, NULL, value);
    pthread_mutex_lock(&r->lock);
    fprintf(r->file,
            "{:type :%s, :f :%s, :value %.*s, :process %s, :time %" PRIu64 ", :index %" PRIu64
            "}\n",
            type, f, (int)text.len, (const char *)text.base, process, time_ns, r->index++);
    pthread_mutex_unlock(&r->lock);
    bytes_release(&text);
}

void recorder_line(struct recorder *r, uint64_t time_ns, uint64_t process, const char *type,
                   const char *f, const json_t *value)
{
    char number[24];

    snprintf(number, sizeof number, "%" PRIu64, process);
    put_line(r, time_ns, number, type, f, value);
}

void recorder_event(struct recorder *r, const char *f, json_t *value)
{
    put_line(r, recorder_now_ns(r), ":nemesis", "info", f, value);
    json_decref(value);
}

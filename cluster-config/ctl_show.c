/* Output for people: columns as wide as their widest cell, numbers and amounts to the right. What
 * came from a node is shown with control characters replaced: a terminal must not obey it. */
#include "cluster-config/ctl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CELL_MAX = 256, COLUMNS_MAX = 16, PROGRESS_EVERY_MS = 1000 };

static int flushed(void)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return ctl_fail(CTL_UNAVAILABLE, "the output could not be written");
    }
    return CTL_OK;
}

int ctl_show_json(const json_t *body)
{
    if (json_dumpf(body, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY) != 0) {
        return ctl_fail(CTL_UNAVAILABLE, "the output could not be written");
    }
    putchar('\n');
    return flushed();
}

static void make_harmless(char *text)
{
    for (char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?';
        }
    }
}

static void cell(const json_t *value, char out[static CELL_MAX])
{
    char *dumped = NULL;
    const char *text = "-";

    if (json_is_string(value)) {
        text = json_string_value(value);
    } else if (value != NULL && !json_is_null(value)) {
        dumped = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        text = dumped != NULL ? dumped : "-";
    }
    snprintf(out, CELL_MAX, "%s", text);
    free(dumped);
    make_harmless(out);
}

int ctl_show_fields(const json_t *object)
{
    char text[CELL_MAX];
    size_t width = 0;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        width = strlen(key) > width ? strlen(key) : width;
    }
    json_object_foreach((json_t *)object, key, value)
    {
        cell(value, text);
        printf("%-*s  %s\n", (int)width, key, text);
    }
    return flushed();
}

/* Amounts and numbers line up at their right end. */
static bool to_the_right(const char *text)
{
    return strcmp(text, "-") != 0 && strspn(text, "0123456789.-") == strlen(text);
}

int ctl_show_rows(const json_t *list, const char *const *columns)
{
    size_t width[COLUMNS_MAX];
    char text[CELL_MAX];
    size_t n = 0;
    size_t i;
    json_t *row;

    for (; columns[n] != NULL && n < COLUMNS_MAX; n++) {
        width[n] = strlen(columns[n]);
    }
    json_array_foreach(list, i, row)
    {
        for (size_t c = 0; c < n; c++) {
            cell(json_object_get(row, columns[c]), text);
            width[c] = strlen(text) > width[c] ? strlen(text) : width[c];
        }
    }
    for (size_t c = 0; c < n; c++) {
        printf("%-*s%s", c + 1 < n ? (int)width[c] : 0, columns[c], c + 1 < n ? "  " : "\n");
    }
    json_array_foreach(list, i, row)
    {
        for (size_t c = 0; c < n; c++) {
            cell(json_object_get(row, columns[c]), text);
            int w = to_the_right(text) ? (int)width[c] : -(int)width[c];
            printf("%*s%s", c + 1 < n || w > 0 ? w : 0, text, c + 1 < n ? "  " : "\n");
        }
    }
    return flushed();
}

void ctl_say(const struct ctl *ctl, const char *format, ...)
{
    FILE *to = ctl->options.json ? stderr : stdout;
    char text[1280];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    make_harmless(text);
    fprintf(to, "%s\n", text);
    fflush(to); /* who watches wants it now, not at the end */
}

void ctl_progress(struct ctl_progress *p, const char *format, ...)
{
    bool terminal = isatty(STDERR_FILENO) == 1;
    uint64_t now = ctl_now_ms();
    char text[sizeof p->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    make_harmless(text);
    if (strcmp(text, p->text) == 0 ||
        (!terminal && p->said_ms != 0 && now - p->said_ms < PROGRESS_EVERY_MS)) {
        return;
    }
    memcpy(p->text, text, sizeof text);
    p->said_ms = now;
    fprintf(stderr, terminal ? "\r%s\033[K" : "%s\n", text);
}

void ctl_progress_end(struct ctl_progress *p)
{
    if (p->said_ms != 0 && isatty(STDERR_FILENO) == 1) {
        fputc('\n', stderr);
    }
    *p = (struct ctl_progress){0};
}

void ctl_path_add(char *path, size_t cap, const char *key, const char *value)
{
    size_t len = strlen(path);

    snprintf(path + len, cap - len, "%c%s=%s", strchr(path, '?') == NULL ? '?' : '&', key, value);
}

void ctl_path_add_number(char *path, size_t cap, const char *key, uint64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, value);
    ctl_path_add(path, cap, key, text);
}

#include "node/logfmt.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 2048 };

static const char *level_name(enum level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    return names[level];
}

static void put(const char *level, const char *room, const char *message, const char *fields)
{
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm tm;
    size_t len;
    int n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    len = strftime(line, sizeof line, "time=%Y-%m-%dT%H:%M:%S", &tm);
    n = snprintf(line + len, sizeof line - len, ".%03ldZ level=%s room=%s msg=\"%s\"%s%s\n",
                 now.tv_nsec / 1000000, level, room, message, fields[0] == '\0' ? "" : " ", fields);
    len += n < 0 ? 0 : (size_t)n;
    if (len >= sizeof line) {
        len = sizeof line;
        line[len - 1] = '\n';
    }
    if (write(STDERR_FILENO, line, len) < 0) {
        return; /* a log that can't be written is nobody's to tell */
    }
}

static void line(struct reporter *r, enum level level, const char *room, const char *message,
                 const char *fields)
{
    (void)r;
    put(level_name(level), room, message, fields);
}

void logfmt_init(struct reporter *r, enum level least)
{
    r->line = line;
    r->least = least;
}

void logfmt_fatal(const char *room, const struct fault *fault)
{
    put("fatal", room, fault->text, "");
}

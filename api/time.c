/* timegm */
#define _GNU_SOURCE

#include "api/time.h"

#include <stdio.h>
#include <time.h>

int time_render(uint64_t unix_ms, char text[static TIME_TEXT_MAX])
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm tm;
    size_t len;

    if (unix_ms / 1000 > UINT64_C(253402300799) || gmtime_r(&seconds, &tm) == NULL) {
        seconds = 0; /* beyond the year 9999 RFC 3339 ends, and no clock of ours gets there */
        gmtime_r(&seconds, &tm);
    }
    len = strftime(text, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    return (int)len +
           snprintf(text + len, TIME_TEXT_MAX - len, ".%03uZ", (unsigned)(unix_ms % 1000));
}

/* `digits` digits at `at`, and then this character. */
static bool take(struct slice text, size_t at, size_t digits, char then, int *out)
{
    size_t i;

    *out = 0;
    for (i = at; i < at + digits; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return false;
        }
        *out = *out * 10 + (text.base[i] - '0');
    }
    return text.base[i] == then;
}

/* From what stands between the seconds and the Z. */
static int parse_fraction(struct slice text, unsigned *ms)
{
    unsigned scale = 100;
    size_t i;

    *ms = 0;
    if (text.len == 0) {
        return 0;
    }
    if (text.base[0] != '.' || text.len < 2 || text.len > 4) {
        return -1;
    }
    for (i = 1; i < text.len; i++, scale /= 10) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return -1;
        }
        *ms += (unsigned)(text.base[i] - '0') * scale;
    }
    return 0;
}

int time_parse(struct slice text, uint64_t *unix_ms)
{
    enum { WHOLE = 19 }; /* 2026-12-31T23:59:59 */
    struct tm tm = {0};
    struct tm back;
    char after;
    time_t seconds;
    unsigned ms;

    if (text.len < WHOLE + 1 || text.base[text.len - 1] != 'Z') {
        return -1;
    }
    after = text.base[WHOLE];
    if (!take(text, 0, 4, '-', &tm.tm_year) || !take(text, 5, 2, '-', &tm.tm_mon) ||
        !take(text, 8, 2, 'T', &tm.tm_mday) || !take(text, 11, 2, ':', &tm.tm_hour) ||
        !take(text, 14, 2, ':', &tm.tm_min) || !take(text, 17, 2, after, &tm.tm_sec) ||
        parse_fraction((struct slice){text.base + WHOLE, text.len - WHOLE - 1}, &ms) != 0 ||
        tm.tm_year < 1970) {
        return -1;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    back = tm;
    seconds = timegm(&back);
    /* What timegm had to correct (the 31st of February, the 25th hour) is no time. */
    if (seconds < 0 || back.tm_mon != tm.tm_mon || back.tm_mday != tm.tm_mday ||
        back.tm_hour != tm.tm_hour || back.tm_min != tm.tm_min || back.tm_sec != tm.tm_sec) {
        return -1;
    }
    *unix_ms = (uint64_t)seconds * 1000 + ms;
    return 0;
}

uint64_t time_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

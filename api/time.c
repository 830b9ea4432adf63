/* timegm */
#define _GNU_SOURCE

#include "api/time.h"

#include <time.h>

/* By hand, because every transaction in an answer has a time: gmtime_r and strftime take a lock
 * that all threads share, and as long as all else that makes the answer. */
struct calendar {
    unsigned year, month, day; /* from 1 */
    unsigned weekday;          /* 0: Sunday */
    unsigned second;           /* of the day */
};

static struct calendar calendar_of(uint64_t unix_s)
{
    /* Days of the proleptic Gregorian calendar; a year begins in March, so that the odd day of a
     * leap year is its last. */
    uint64_t days = unix_s / 86400;
    unsigned since = (unsigned)days + 719468; /* 0000-03-01 */
    unsigned era = since / 146097, of_era = since % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* 0: March */

    return (struct calendar){
        .year = era * 400 + year + (month >= 10),
        .month = month < 10 ? month + 3 : month - 9,
        .day = of_year - (153 * month + 2) / 5 + 1,
        .weekday = (unsigned)((days + 4) % 7), /* 1970-01-01 was a Thursday */
        .second = (unsigned)(unix_s % 86400),
    };
}

/* `n` digits, and what stands behind them. */
static char *put(char *at, unsigned v, int n, char then)
{
    int i;

    for (i = n - 1; i >= 0; i--, v /= 10) {
        at[i] = (char)('0' + v % 10);
    }
    at[n] = then;
    return at + n + 1;
}

static char *put_clock(char *at, const struct calendar *c, char then)
{
    at = put(at, c->second / 3600, 2, ':');
    at = put(at, c->second / 60 % 60, 2, ':');
    return put(at, c->second % 60, 2, then);
}

/* Beyond the year 9999 these forms end, and no clock of ours gets there. */
static uint64_t in_form(uint64_t unix_s)
{
    return unix_s > UINT64_C(253402300799) ? 0 : unix_s;
}

int time_render(uint64_t unix_ms, char text[static TIME_TEXT_MAX])
{
    struct calendar c = calendar_of(in_form(unix_ms / 1000));
    char *at = put(text, c.year, 4, '-');

    at = put(at, c.month, 2, '-');
    at = put(at, c.day, 2, 'T');
    at = put_clock(at, &c, '.');
    at = put(at, (unsigned)(unix_ms % 1000), 3, 'Z');
    *at = '\0';
    return (int)(at - text);
}

int time_render_http(uint64_t unix_s, char text[static TIME_TEXT_MAX])
{
    static const char days[] = "Sun, Mon, Tue, Wed, Thu, Fri, Sat, ";
    static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";
    struct calendar c = calendar_of(in_form(unix_s));
    char *at = text;

    memcpy(at, days + (size_t)5 * c.weekday, 5);
    at = put(at + 5, c.day, 2, ' ');
    memcpy(at, months + (size_t)4 * (c.month - 1), 4);
    at = put(at + 4, c.year, 4, ' ');
    at = put_clock(at, &c, ' ');
    memcpy(at, "GMT", 4);
    return (int)(at - text) + 3;
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

/* Splits a line of a scenario table into words: those of the command, and behind `->` those of what
 * it must answer. `#` begins a comment. */
#ifndef FLORIN_SCENARIO_WORDS_H
#define FLORIN_SCENARIO_WORDS_H

#include <string.h>

enum { WORDS_TEXT_MAX = 2048, WORDS_MAX = 100 };

struct words {
    char text[WORDS_TEXT_MAX]; /* the words point into it */
    const char *word[WORDS_MAX];
    int n_command;
    const char *expect[WORDS_MAX];
    int n_expect;
};

/* 0, or -1 when the line has too many words or characters. */
static inline int words_split(struct words *w, const char *line)
{
    char *at, *save = NULL;
    int *n = &w->n_command;
    const char **list = w->word;

    w->n_command = w->n_expect = 0;
    if (strlen(line) >= WORDS_TEXT_MAX - 1) {
        return -1;
    }
    strcpy(w->text, line);
    at = strchr(w->text, '#');
    if (at != NULL) {
        *at = '\0';
    }
    for (at = strtok_r(w->text, " \t\r\n", &save); at != NULL;
         at = strtok_r(NULL, " \t\r\n", &save)) {
        if (strcmp(at, "->") == 0) {
            n = &w->n_expect;
            list = w->expect;
            continue;
        }
        if (*n == WORDS_MAX) {
            return -1;
        }
        list[(*n)++] = at;
    }
    return 0;
}

/* After `*to = *from`: lets the words of `to` point into its own text. */
static inline void words_move(struct words *to, const struct words *from)
{
    int i;

    for (i = 0; i < to->n_command; i++) {
        to->word[i] = to->text + (from->word[i] - from->text);
    }
    for (i = 0; i < to->n_expect; i++) {
        to->expect[i] = to->text + (from->expect[i] - from->text);
    }
}

#endif

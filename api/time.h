/* Times as the contract spells them: RFC 3339 in UTC with milliseconds. Any thread. */
#ifndef FLORIN_TIME_H
#define FLORIN_TIME_H

#include "statemachine/bytes.h"

enum { TIME_TEXT_MAX = 40 };

/* The text ends in NUL; returns its length. */
int time_render(uint64_t unix_ms, char text[static TIME_TEXT_MAX]);

/* "Thu, 31 Dec 2026 23:59:59 GMT", as HTTP's Date has it. The same. */
int time_render_http(uint64_t unix_s, char text[static TIME_TEXT_MAX]);

/* "2026-12-31T23:59:59Z", with up to three digits after a point if any; from 1970 to 9999; only Z,
 * no other zone and no leap second. 0, or -1. */
int time_parse(struct slice text, uint64_t *unix_ms);

/* This machine's clock in Unix ms: for what is this node's own, never for the ledger. */
uint64_t time_now_ms(void);

#endif

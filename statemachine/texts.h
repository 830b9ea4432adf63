/* Short texts in bytes: u8 length and characters; and what is made of them in several places. */
#ifndef FLORIN_TEXTS_H
#define FLORIN_TEXTS_H

#include "statemachine/query.h"

void text_append(struct bytes *out, struct slice text); /* at most 255 bytes */
struct slice text_take(struct cursor *in);              /* whatever it holds */
struct slice text_take_id(struct cursor *in);           /* an id, or nothing; else in->failed */

/* A session, as outcome.h says. 0, or -1: cut short or holding an invalid name. */
void session_info_append(const struct session_info *s, struct bytes *out);
int session_info_take(struct cursor *in, struct session_info *s);

/* A policy, as query.h says. The same. */
void policy_append(const struct policy *p, struct bytes *out);
int policy_take(struct cursor *in, struct policy *p);

#endif

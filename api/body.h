/* Request bodies: bytes from outside become a JSON object, or a problem.
 *
 * Guarantees: the result is an object; no key comes twice at any level; every text is valid UTF-8;
 * what it costs is bounded by the length of the bytes (the caller bounds that) and by depth. */
#ifndef FLORIN_BODY_H
#define FLORIN_BODY_H

#include <jansson.h>

#include "api/problem.h"

/* How deep lists and objects may nest. Parsers recurse, and a CivetWeb worker's stack is small
 * (100 KiB in Debian's build): jansson's own limit of 2048 levels overruns it. */
enum { BODY_DEPTH_MAX = 8 };

/* The form that a Content-Type names ("application/json; charset=utf-8"); none is JSON. 0, or -1
 * for another type. Pure; any thread. */
int body_form(const char *content_type, enum form *form);

/* The parsed object, for json_decref; NULL with the problem. Any thread. */
json_t *body_parse(struct slice body, enum form form, struct problem *problem);

/* One MessagePack value that fills `body`; body_parse's other half. NULL with the problem. */
json_t *body_unpack(struct slice body, struct problem *problem);

#endif

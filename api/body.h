/* Request bodies: bytes from outside become a tree of values (value.h), or a problem.
 *
 * Guarantees: the outermost value is a map; all that value.h says of a tree; the bytes are one
 * value in the form that they claim to have, and nothing but white space is behind it. What it
 * costs is bounded by the length of the bytes, which the caller bounds. */
#ifndef FLORIN_BODY_H
#define FLORIN_BODY_H

#include "api/problem.h"
#include "api/value.h"

/* The form that a Content-Type names ("application/json; charset=utf-8"); none is JSON. 0, or -1
 * for another type. Pure; any thread. */
int body_form(const char *content_type, enum form *form);

/* Reads a body into *tree, which is empty before and borrows from `body`; the caller releases it.
 * 0, or -1 with the problem and an empty tree. Any thread. */
int body_parse(struct slice body, enum form form, struct tree *tree, struct problem *problem);

/* body_msgpack.c: hands one MessagePack value that fills the builder's body to it. 0, or -1 and
 * the builder knows what is wrong. */
int body_unpack(struct builder *b);

#endif

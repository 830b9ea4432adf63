/* Single values of a configuration file: text in, checked value out. Pure; any thread.
 *
 * Each returns 0 with *out set, or -1 and leaves *out alone. What was expected is for the caller to
 * say: it knows the key. */
#ifndef FLORIN_CONFIG_VALUE_H
#define FLORIN_CONFIG_VALUE_H

#include "statemachine/bytes.h"

/* Decimal digits that fit a uint64; no sign, no space. */
int value_number(struct slice text, uint64_t *out);

/* "64MiB", "256KiB", "4096B", "2GiB": bytes. A number without a unit is refused (but 0), because
 * half of those who write one mean something else. */
int value_size(struct slice text, uint64_t *out);

/* "200ms", "5s", "1min": milliseconds. */
int value_duration(struct slice text, uint64_t *out_ms);

/* "host:port" or "[ipv6]:port" with a port from 1 to 65535, that fits `len` with its NUL. */
int value_address(struct slice text, char *out, size_t len);

/* A numeric IPv4 or IPv6 address without a port, as text that fits 64 bytes. */
int value_host_address(struct slice text, char out[static 64]);

/* Whether an address that value_address took is reached from this machine only: 127.0.0.0/8, [::1]
 * and the name localhost. */
bool value_address_loopback(const char *address);

/* How a size or duration reads in a message: the largest unit that divides it. Returns `text`. */
const char *value_size_text(uint64_t bytes, char text[static 32]);
const char *value_duration_text(uint64_t ms, char text[static 32]);

#endif

/* A plain HTTP client for tests: one handle a thread, kept alive. */
#ifndef FLORIN_TEST_HTTP_H
#define FLORIN_TEST_HTTP_H

#include <curl/curl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct http {
    CURL *curl;
    struct curl_slist *headers;
    char *body;
    size_t len, cap;
    long timeout_ms;  /* for a whole call */
    const char *ca;   /* whom https trusts, a PEM file; set after http_init, borrowed */
    const char *from; /* the client's address, when it is not to be the usual one; likewise */
    CURLcode error;   /* of the last call */
    bool reached;     /* likewise: there was a connection, the request may have gone out */
    uint64_t applied; /* Florin-Applied of the last answer */
    char content_type[64];
};

void http_init(struct http *h);
void http_release(struct http *h);

/* Status of the answer, or 0 when there was none. `key` is KEYID.SECRET or NULL; `body` JSON text
 * or NULL. *json is the parsed answer (or NULL), the caller's to json_decref; json may be NULL. */
long http_call(struct http *h, const char *method, const char *url, const char *key,
               const char *body, json_t **json);

/* Forgets the kept connection: the next call makes a new one. */
void http_reset(struct http *h);

#endif

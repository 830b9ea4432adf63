#include "tests/cluster/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_TIMEOUT_MS = 20000, CONNECT_TIMEOUT_MS = 2000 };

static size_t take_body(char *data, size_t size, size_t n, void *context)
{
    struct http *h = context;
    size_t len = size * n;

    if (h->len + len + 1 > h->cap) {
        h->cap = (h->len + len + 1) * 2;
        h->body = realloc(h->body, h->cap);
        if (h->body == NULL) {
            abort();
        }
    }
    memcpy(h->body + h->len, data, len);
    h->len += len;
    h->body[h->len] = '\0';
    return len;
}

static size_t take_header(char *data, size_t size, size_t n, void *context)
{
    struct http *h = context;
    unsigned long long applied;

    if (sscanf(data, "Florin-Applied: %llu", &applied) == 1) {
        h->applied = applied;
    }
    sscanf(data, "Content-Type: %63[^\r\n]", h->content_type);
    return size * n;
}

/* curl calls this right before a request goes out. Errors don't tell: when a kept connection breaks
 * off, curl sends the request once more on a new one, which may be refused. */
static int reached(void *context, char *to_ip, char *from_ip, int to_port, int from_port)
{
    struct http *h = context;

    (void)to_ip;
    (void)from_ip;
    (void)to_port;
    (void)from_port;
    h->reached = true;
    return CURL_PREREQFUNC_OK;
}

void http_init(struct http *h)
{
    memset(h, 0, sizeof *h);
    h->timeout_ms = CALL_TIMEOUT_MS;
    h->curl = curl_easy_init();
    if (h->curl == NULL) {
        abort();
    }
}

void http_release(struct http *h)
{
    curl_easy_cleanup(h->curl);
    free(h->body);
}

void http_reset(struct http *h)
{
    curl_easy_cleanup(h->curl);
    h->curl = curl_easy_init();
    if (h->curl == NULL) {
        abort();
    }
}

long http_call(struct http *h, const char *method, const char *url, const char *key,
               const char *body, json_t **json)
{
    struct curl_slist *headers = NULL;
    char authorization[256];
    long status = 0;

    h->len = 0;
    h->applied = 0;
    h->reached = false;
    h->content_type[0] = '\0';
    headers = curl_slist_append(headers, "Content-Type: application/json");
    headers = curl_slist_append(headers, "Expect:");
    if (key != NULL) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", key);
        headers = curl_slist_append(headers, authorization);
    }
    curl_easy_reset(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_PREREQFUNCTION, reached);
    curl_easy_setopt(h->curl, CURLOPT_PREREQDATA, h);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, h->timeout_ms);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(h->curl, CURLOPT_PROXY, "");
    if (h->ca != NULL) {
        curl_easy_setopt(h->curl, CURLOPT_CAINFO, h->ca);
    }
    if (h->from != NULL) {
        curl_easy_setopt(h->curl, CURLOPT_INTERFACE, h->from);
    }
    if (body != NULL) {
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, body);
    }
    h->error = curl_easy_perform(h->curl);
    if (h->error == CURLE_OK) {
        curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    }
    curl_slist_free_all(headers);
    if (json != NULL) {
        *json = status != 0 && h->len > 0 ? json_loadb(h->body, h->len, 0, NULL) : NULL;
    }
    return status;
}

#include "statemachine/node_uri.h"

#include <stdio.h>
#include <string.h>

#include "statemachine/command.h"

#define SCHEME "florin://"
#define NODE   "/node/"

void node_uri_format(char uri[static NODE_URI_MAX], const char *cluster_id, uint64_t node_id)
{
    if (node_id == 0) {
        snprintf(uri, NODE_URI_MAX, SCHEME "%s", cluster_id);
    } else {
        snprintf(uri, NODE_URI_MAX, SCHEME "%s" NODE "%llu", cluster_id,
                 (unsigned long long)node_id);
    }
}

static bool begins_with(struct slice *text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (text->len < len || memcmp(text->base, prefix, len) != 0) {
        return false;
    }
    text->base += len;
    text->len -= len;
    return true;
}

static bool parse_id(struct slice digits, uint64_t *id)
{
    uint64_t v = 0;

    if (digits.len == 0 || digits.base[0] == '0') {
        return false;
    }
    for (size_t i = 0; i < digits.len; i++) {
        unsigned digit = (unsigned)(digits.base[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, digit, &v)) {
            return false;
        }
    }
    *id = v;
    return true;
}

bool node_uri_parse(struct slice uri, struct slice *cluster_id, uint64_t *node_id)
{
    struct slice cluster, rest = uri;
    const char *slash;
    uint64_t id = 0;

    if (!begins_with(&rest, SCHEME)) {
        return false;
    }
    slash = rest.len == 0 ? NULL : memchr(rest.base, '/', rest.len);
    cluster = (struct slice){rest.base, slash == NULL ? rest.len : (size_t)(slash - rest.base)};
    rest.base += cluster.len;
    rest.len -= cluster.len;
    if (!id_valid(cluster) ||
        (slash != NULL && (!begins_with(&rest, NODE) || !parse_id(rest, &id)))) {
        return false;
    }
    *cluster_id = cluster;
    *node_id = id;
    return true;
}

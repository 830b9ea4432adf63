/* Calls to the nodes, over libcurl.
 *
 * What guarantees that a repeat is safe: every command carries its id, and the ledger decides an id
 * once. So an attempt that was lost, or answered 503 or 504, is repeated at the next endpoint until
 * the command's time is up. If any attempt may have been applied and none was answered for certain,
 * the exit code says "unknown", never "refused". */
#include "cluster-config/ctl.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "statemachine/bytes.h"

enum {
    ANSWER_BYTES_MAX = 64 << 20, /* a page of the ledger is below 2 MiB */
    TRY_MS_MAX = 3000, /* one attempt: a node that hangs must not eat the whole time ... */
    TRY_MS_MIN = 1000, /* ... and the last one is not cut short: it would leave us not knowing */
    CONNECT_MS_MAX = 1000,
    PAUSE_FIRST_MS = 50,
    PAUSE_MAX_MS = 500,
    URL_MAX = 1024,
    BODY_ITSELF = JSON_COMPACT | JSON_PRESERVE_ORDER,
};

struct ctl_http {
    CURL *curl;
    struct bytes answer;
    bool reached; /* by this attempt: there was a connection, the request may have gone out */
};

int ctl_http_open(struct ctl *ctl)
{
    struct ctl_http *h = calloc(1, sizeof *h);

    if (h == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(h);
        return ctl_fail(CTL_UNAVAILABLE, "libcurl could not be set up");
    }
    h->curl = curl_easy_init();
    if (h->curl == NULL) {
        free(h);
        curl_global_cleanup();
        return ctl_fail(CTL_UNAVAILABLE, "libcurl could not be set up");
    }
    bytes_init(&h->answer);
    ctl->http = h;
    return CTL_OK;
}

void ctl_http_close(struct ctl *ctl)
{
    if (ctl->http == NULL) {
        return;
    }
    curl_easy_cleanup(ctl->http->curl);
    curl_global_cleanup();
    bytes_release(&ctl->http->answer);
    free(ctl->http);
    ctl->http = NULL;
}

void ctl_reply_release(struct ctl_reply *r)
{
    json_decref(r->body);
    *r = (struct ctl_reply){0};
}

static size_t take(char *data, size_t size, size_t n, void *context)
{
    struct bytes *answer = context;

    if (size * n > ANSWER_BYTES_MAX - answer->len) {
        return 0; /* curl ends the transfer */
    }
    bytes_append(answer, data, size * n);
    return size * n;
}

struct slice ctl_http_answer(const struct ctl *ctl)
{
    return (struct slice){(const char *)ctl->http->answer.base, ctl->http->answer.len};
}

bool ctl_http_prepare(const struct ctl *ctl, void *curl, const char *url)
{
    const char *ca = ctl->options.ca;

    return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK && /* never by a detour */
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
           (ca == NULL || curl_easy_setopt(curl, CURLOPT_CAINFO, ca) == CURLE_OK);
}

void ctl_http_fault(const struct ctl *ctl, unsigned endpoint, int curl_code, struct fault *fault)
{
    const char *hint = "";

    if (curl_code == CURLE_PEER_FAILED_VERIFICATION) {
        hint = ctl->options.ca == NULL ? "; whose authority is not the system's: --ca FILE names it"
                                       : "; --ca names another authority, or it is another host's";
    }
    fault_set(fault, "%s: %s%s", ctl->endpoints[endpoint], curl_easy_strerror((CURLcode)curl_code),
              hint);
}

/* curl calls this when a connection is there, right before the request goes out on it. */
static int reached(void *context, char *to_ip, char *from_ip, int to_port, int from_port)
{
    bool *was_reached = context;

    (void)to_ip;
    (void)from_ip;
    (void)to_port;
    (void)from_port;
    *was_reached = true;
    return CURL_PREREQFUNC_OK;
}

/* The options of one request; false when curl refuses one of them. */
static bool set_up(const struct ctl *ctl, const struct ctl_request *request, const char *url,
                   uint64_t timeout_ms, struct curl_slist *headers)
{
    struct ctl_http *h = ctl->http;
    const char *body = request->body;
    CURL *c = h->curl;
    bool ok;

    curl_easy_reset(c); /* keeps the connections */
    ok = ctl_http_prepare(ctl, c, url) &&
         curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS_MAX) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)timeout_ms) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, reached) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_PREREQDATA, &h->reached) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
         curl_easy_setopt(c, CURLOPT_WRITEDATA, &h->answer) == CURLE_OK;
    if (ok && body != NULL) {
        ok = curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)strlen(body)) == CURLE_OK &&
             curl_easy_setopt(c, CURLOPT_POSTFIELDS, body) == CURLE_OK;
    }
    return ok;
}

static struct curl_slist *headers_make(const struct ctl *ctl, uint64_t timeout_ms)
{
    char line[CTL_KEY_MAX + 64];
    struct curl_slist *list = NULL;
    struct curl_slist *more;

    snprintf(line, sizeof line, "Authorization: Bearer %s", ctl->key);
    list = curl_slist_append(NULL, "Content-Type: application/json");
    /* The node gives up a little before we do, so that its own answer still reaches us. */
    more = list == NULL || ctl->key[0] == '\0' ? list : curl_slist_append(list, line);
    if (more != NULL) {
        list = more;
        snprintf(line, sizeof line, "Florin-Timeout-Ms: %" PRIu64, timeout_ms - timeout_ms / 8);
        more = curl_slist_append(list, line);
    }
    if (more == NULL) {
        curl_slist_free_all(list);
    }
    return more;
}

enum ctl_try ctl_http_try(struct ctl *ctl, unsigned endpoint, const struct ctl_request *request,
                          uint64_t timeout_ms, struct ctl_reply *reply, struct fault *fault)
{
    struct ctl_http *h = ctl->http;
    struct curl_slist *headers = headers_make(ctl, timeout_ms);
    enum ctl_try result = TRY_UNREACHED;
    char url[URL_MAX];
    long status = 0;
    json_error_t error;
    CURLcode rc;

    bytes_clear(&h->answer);
    h->reached = false;
    snprintf(url, sizeof url, "%s%s", ctl->endpoints[endpoint], request->path);
    if (headers == NULL || !set_up(ctl, request, url, timeout_ms, headers)) {
        fault_set(fault, "%s: the request could not be made", ctl->endpoints[endpoint]);
        goto out;
    }
    rc = curl_easy_perform(h->curl);
    if (rc != CURLE_OK) {
        ctl_http_fault(ctl, endpoint, rc, fault);
        /* The error alone does not tell: when a kept connection breaks off, curl sends the request
         * once more on a new one, and says of that one that it was refused. */
        result = h->reached ? TRY_LOST : TRY_UNREACHED;
        goto out;
    }
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    reply->body = h->answer.len == 0 ? NULL
                                     : json_loadb((const char *)h->answer.base, h->answer.len,
                                                  JSON_REJECT_DUPLICATES, &error);
    result = TRY_ANSWERED;
out:
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return result;
}

uint64_t ctl_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void ctl_pause_ms(uint64_t ms)
{
    struct timespec t = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "" : text;
}

/* Not the last word. A leader that found no successor may find one in a moment. And when an attempt
 * may have been applied, the change of the members that is under way may be our own: its end will
 * tell. */
static bool worth_repeating(const struct ctl_reply *reply, bool maybe)
{
    return reply->status == 429 || reply->status == 503 || reply->status == 504 ||
           ctl_is_problem(reply, "no_successor") ||
           (maybe && ctl_is_problem(reply, "membership_busy"));
}

/* The attempts; none begins after the command's time. True when the last one was answered for good.
 * *maybe: one may have been applied. */
static bool attempts(struct ctl *ctl, const struct ctl_request *request, struct ctl_reply *reply,
                     bool *maybe, struct fault *fault)
{
    uint64_t deadline = ctl_now_ms() + ctl->options.timeout_ms;
    uint64_t pause = PAUSE_FIRST_MS;

    for (unsigned n = 0;; n++) {
        uint64_t now = ctl_now_ms();
        uint64_t left = now < deadline ? deadline - now : 0;

        if (left == 0 && n > 0) {
            return reply->status == 409;
        }
        ctl_reply_release(reply);
        left = left < TRY_MS_MAX ? left : TRY_MS_MAX;
        left = left > TRY_MS_MIN ? left : TRY_MS_MIN;
        enum ctl_try t = ctl_http_try(ctl, n % ctl->n_endpoints, request, left, reply, fault);
        if (t == TRY_ANSWERED && !worth_repeating(reply, *maybe)) {
            return true;
        }
        *maybe = *maybe || t == TRY_LOST || (t == TRY_ANSWERED && reply->status == 504);
        if ((n + 1) % ctl->n_endpoints == 0) {
            now = ctl_now_ms();
            left = now < deadline ? deadline - now : 0;
            ctl_pause_ms(pause < left ? pause : left);
            pause = 2 * pause < PAUSE_MAX_MS ? 2 * pause : PAUSE_MAX_MS;
        }
    }
}

static int exit_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return CTL_CREDENTIALS;
    case 404:
    case 409:
    case 422:
        return CTL_REFUSED;
    default:
        return status >= 400 && status < 500 ? CTL_USAGE : CTL_UNAVAILABLE;
    }
}

/* The answer was for certain and is not a success: say which, in one line. */
static int refused(struct ctl *ctl, const char *method, const struct ctl_reply *reply,
                   bool repeated)
{
    const char *code = text_of(reply->body, "code");
    const char *detail = text_of(reply->body, "detail");
    const char *why = detail[0] ? detail : text_of(reply->body, "title");
    const json_t *fields = json_object_get(reply->body, "fields");
    char *differ = json_is_array(fields) ? json_dumps(fields, JSON_COMPACT) : NULL;
    int rc;

    if ((ctl_is_problem(reply, "already_exists") && (repeated || ctl->options.if_missing)) ||
        (strcmp(method, "DELETE") == 0 && reply->status == 404 && repeated)) {
        free(differ);
        return CTL_OK; /* what was wanted is so */
    }
    if (ctl->expected != NULL && ctl_is_problem(reply, ctl->expected)) {
        free(differ);
        return CTL_REFUSED; /* the caller knows what to do about it */
    }
    if (ctl->options.json && reply->body != NULL) {
        ctl_show_json(reply->body);
    }
    rc = ctl_fail(exit_of_status(reply->status), "%s (%d)%s%s%s%s", code[0] ? code : "refused",
                  reply->status, why[0] ? ": " : "", why, differ ? "; differs in " : "",
                  differ ? differ : "");
    free(differ);
    return rc;
}

bool ctl_is_problem(const struct ctl_reply *reply, const char *code)
{
    return strcmp(text_of(reply->body, "code"), code) == 0;
}

int ctl_call(struct ctl *ctl, const char *path, json_t *body, struct ctl_reply *reply)
{
    return ctl_send(ctl, body == NULL ? "GET" : "POST", path, body, reply);
}

int ctl_send(struct ctl *ctl, const char *method, const char *path, json_t *body,
             struct ctl_reply *reply)
{
    bool changes = strcmp(method, "GET") != 0;
    struct ctl_request request = {method, path, NULL};
    struct fault fault = {"no answer"};
    bool maybe = false;
    char *text = NULL;
    int rc;

    if (body != NULL) {
        text = json_dumps(body, BODY_ITSELF);
        json_decref(body);
        if (text == NULL) {
            return ctl_fail(CTL_USAGE, "the request is not valid UTF-8");
        }
    }
    request.body = text;
    if (attempts(ctl, &request, reply, &maybe, &fault)) {
        rc = reply->status >= 200 && reply->status < 300 ? CTL_OK
                                                         : refused(ctl, method, reply, maybe);
    } else {
        const char *why = reply->body != NULL ? text_of(reply->body, "code") : fault.text;

        if (maybe && changes) {
            rc = ctl_fail(CTL_UNKNOWN,
                          "outcome unknown after %" PRIu64 " ms: it may have been applied, now or "
                          "later; repeat the same command with the same id (last: %s)",
                          ctl->options.timeout_ms, why);
        } else {
            rc = ctl_fail(CTL_UNAVAILABLE, "no node could answer within %" PRIu64 " ms (last: %s)",
                          ctl->options.timeout_ms, why);
        }
    }
    free(text);
    return rc;
}

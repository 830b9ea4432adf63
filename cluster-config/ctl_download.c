/* A large answer into a file, as it comes. Nothing of it is kept in memory, and it may take as long
 * as it moves. */
#include "cluster-config/ctl.h"

#include <curl/curl.h>
#include <string.h>
#include <unistd.h>

#include "statemachine/bytes.h"

enum {
    PROBLEM_BYTES_MAX = 16 << 10,
    CONNECT_MS_MAX = 3000,
    STILL_S_MAX = 90, /* longer than a node takes to begin */
    URL_MAX = 1024,
};

struct download {
    CURL *curl;
    int fd;
    struct bytes problem; /* the answer, when it is none of 200 */
    uint64_t bytes;
    ctl_progress_fn *progress;
    bool disk_failed;
};

static size_t take(char *data, size_t size, size_t n, void *context)
{
    struct download *d = context;
    size_t len = size * n;
    size_t done = 0;
    long status = 0;

    curl_easy_getinfo(d->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        if (d->problem.len + len > PROBLEM_BYTES_MAX) {
            return 0;
        }
        bytes_append(&d->problem, data, len);
        return len;
    }
    while (done < len) {
        ssize_t written = write(d->fd, data + done, len - done);
        if (written <= 0) {
            d->disk_failed = true;
            return 0;
        }
        done += (size_t)written;
    }
    d->bytes += len;
    d->progress(NULL, d->bytes, 0);
    return len;
}

static bool set_up(const struct ctl *ctl, struct download *d, const char *url,
                   struct curl_slist *headers)
{
    CURL *c = d->curl;

    return ctl_http_prepare(ctl, c, url) &&
           curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS_MAX) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)STILL_S_MAX) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
           curl_easy_setopt(c, CURLOPT_WRITEDATA, d) == CURLE_OK;
}

enum ctl_try ctl_download(struct ctl *ctl, unsigned endpoint, const char *path, int fd,
                          ctl_progress_fn *progress, struct ctl_reply *reply, struct fault *fault)
{
    struct download d = {.curl = curl_easy_init(), .fd = fd, .progress = progress};
    char line[CTL_KEY_MAX + 64];
    char url[URL_MAX];
    struct curl_slist *headers;
    enum ctl_try result = TRY_UNREACHED;
    json_error_t error;
    long status = 0;
    CURLcode rc;

    bytes_init(&d.problem);
    snprintf(line, sizeof line, "Authorization: Bearer %s", ctl->key);
    snprintf(url, sizeof url, "%s%s", ctl->endpoints[endpoint], path);
    headers = curl_slist_append(NULL, line);
    if (d.curl == NULL || headers == NULL || !set_up(ctl, &d, url, headers)) {
        fault_set(fault, "%s: the request could not be made", ctl->endpoints[endpoint]);
        goto out;
    }
    rc = curl_easy_perform(d.curl);
    curl_easy_getinfo(d.curl, CURLINFO_RESPONSE_CODE, &status);
    if (d.disk_failed) {
        fault_set(fault, "the file can't be written");
        result = TRY_LOST;
    } else if (rc != CURLE_OK) {
        ctl_http_fault(ctl, endpoint, rc, fault);
        result = status == 0 ? TRY_UNREACHED : TRY_LOST;
    } else {
        reply->status = (int)status;
        reply->body = d.problem.len == 0 ? NULL
                                         : json_loadb((const char *)d.problem.base, d.problem.len,
                                                      JSON_REJECT_DUPLICATES, &error);
        result = TRY_ANSWERED;
    }
out:
    curl_slist_free_all(headers);
    if (d.curl != NULL) {
        curl_easy_cleanup(d.curl);
    }
    bytes_release(&d.problem);
    return result;
}

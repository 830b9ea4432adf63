/* Damage of each kind to one node's folder. The node refuses to start, or stops, with a line that
 * names the file and the remedy; it never serves what is not true; the two others go on.
 *
 * usage: test_damage FLORIND */
#define _GNU_SOURCE 1 /* memmem */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/bets.h"
#include "tests/cluster/look.h"

enum { NODES = 3, BAD = 2, LIMIT_S = 60, BATCH = 50, PAGE = 4096, EXIT_FATAL = 70 };

struct test {
    struct cluster cluster;
    struct http http;
    int bets;
    int cases;
    char first_segment[64], middle_segment[64], newest_segment[64]; /* "raft/...seg" */
};

static void run(struct test *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void run(struct test *t, const char *format, ...)
{
    char command[1500];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0) {
        cluster_die(&t->cluster, "failed: %s", command);
    }
}

/* ---- files of the bad node ---- */

static void path_of(struct test *t, const char *name, char path[400])
{
    snprintf(path, 400, "%s/node%d/%s", t->cluster.folder, BAD + 1, name);
}

/* The whole file, the caller's to free. */
static uint8_t *load(struct test *t, const char *name, size_t *len)
{
    char path[400];
    struct stat st;
    uint8_t *data = NULL;
    int fd;

    path_of(t, name, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || (data = malloc((size_t)st.st_size + 1)) == NULL ||
        read(fd, data, (size_t)st.st_size) != st.st_size) {
        cluster_die(&t->cluster, "can't read %s", path);
    }
    close(fd);
    *len = (size_t)st.st_size;
    return data;
}

static void flip(struct test *t, const char *name, size_t at)
{
    char path[400];
    uint8_t byte;
    int fd;

    path_of(t, name, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, (off_t)at) != 1) {
        cluster_die(&t->cluster, "can't read byte %zu of %s", at, path);
    }
    byte ^= 4;
    if (pwrite(fd, &byte, 1, (off_t)at) != 1 || close(fd) != 0) {
        cluster_die(&t->cluster, "can't damage %s", path);
    }
}

/* Flips a bit of each place in the file where `text` stands; says how many there are. */
static int flip_all(struct test *t, const char *name, const char *text)
{
    size_t len;
    uint8_t *data = load(t, name, &len);
    uint8_t *at = data;
    int n = 0;

    while ((at = memmem(at, len - (size_t)(at - data), text, strlen(text))) != NULL) {
        flip(t, name, (size_t)(at - data));
        at++;
        n++;
    }
    free(data);
    return n;
}

static void cut(struct test *t, const char *name, long divisor)
{
    char path[400];
    struct stat st;

    path_of(t, name, path);
    if (stat(path, &st) != 0 || truncate(path, divisor == 0 ? 0 : st.st_size / divisor) != 0) {
        cluster_die(&t->cluster, "can't cut %s: %s", path, strerror(errno));
    }
}

static void drop(struct test *t, const char *name)
{
    char path[400];

    path_of(t, name, path);
    if (unlink(path) != 0) {
        cluster_die(&t->cluster, "can't remove %s: %s", path, strerror(errno));
    }
}

/* The offset of the n-th record of a segment, or with -1 of the last one. */
static size_t record(struct test *t, const char *name, int n)
{
    size_t len;
    uint8_t *data = load(t, name, &len);
    uint8_t *at = data;
    size_t found = 0;
    int i;

    for (i = 0; i != n && (at = memmem(at, len - (size_t)(at - data), "FLrc", 4)) != NULL; i++) {
        found = (size_t)(at++ - data);
    }
    free(data);
    if (found == 0) {
        cluster_die(&t->cluster, "%s has no record %d", name, n);
    }
    return found;
}

static int is_segment(const struct dirent *d)
{
    return strstr(d->d_name, ".seg") != NULL;
}

static void find_segments(struct test *t)
{
    char path[400];
    struct dirent **list;
    int n, i;

    path_of(t, "raft", path);
    n = scandir(path, &list, is_segment, alphasort);
    if (n < 3) {
        cluster_die(&t->cluster, "%s has %d segments: too few for this test", path, n);
    }
    snprintf(t->first_segment, sizeof t->first_segment, "raft/%.50s", list[0]->d_name);
    snprintf(t->middle_segment, sizeof t->middle_segment, "raft/%.50s", list[1]->d_name);
    snprintf(t->newest_segment, sizeof t->newest_segment, "raft/%.50s", list[n - 1]->d_name);
    for (i = 0; i < n; i++) {
        free(list[i]);
    }
    free(list);
}

/* ---- the good copy ---- */

static void keep(struct test *t, const char *as)
{
    run(t, "rm -rf '%s/%s' && cp -a '%s/node%d' '%s/%s'", t->cluster.folder, as, t->cluster.folder,
        BAD + 1, t->cluster.folder, as);
}

/* Puts `part` ("" for all) of a kept copy back. */
static void put_back(struct test *t, const char *as, const char *part)
{
    run(t, "cd '%s' && rm -rf 'node%d/%s' && mkdir -p node%d && cp -a '%s/%s/.' 'node%d/%s/'",
        t->cluster.folder, BAD + 1, part, BAD + 1, as, part, BAD + 1, part);
}

/* ---- what must follow ---- */

static void last_line(struct test *t, char line[1200])
{
    char path[400], text[1200];
    FILE *f;

    snprintf(path, sizeof path, "%s/node%d.log", t->cluster.folder, BAD + 1);
    f = fopen(path, "r");
    line[0] = '\0';
    while (f != NULL && fgets(text, sizeof text, f) != NULL) {
        memcpy(line, text, sizeof text);
    }
    if (f != NULL) {
        fclose(f);
    }
}

static void place(struct test *t, int at)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (!place_batch(&t->cluster, &t->http, at, t->bets, BATCH)) {
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "the others don't go on: %s",
                        t->http.len > 0 ? t->http.body : "no answer");
        }
        usleep(10000);
    }
    t->bets += BATCH;
}

/* The node ends by itself, with a last line that has both texts, and the others take bets. */
static void must_stop(struct test *t, const char *what, const char *file, const char *remedy)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    char line[1200];
    int status = 0;

    while (waitpid(t->cluster.nodes[BAD].pid, &status, WNOHANG) == 0) {
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "%s: the node goes on", what);
        }
        usleep(5000);
    }
    t->cluster.nodes[BAD].pid = 0;
    last_line(t, line);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_FATAL ||
        strstr(line, "level=fatal") == NULL || strstr(line, file) == NULL ||
        strstr(line, remedy) == NULL) {
        cluster_die(&t->cluster, "%s: wait status %d, last line: %s", what, status, line);
    }
    place(t, 0);
    line[strcspn(line, "\n")] = '\0';
    printf("%s\n    %s\n", what, strstr(line, "msg="));
    t->cases++;
}

static void refuses(struct test *t, const char *what, const char *file, const char *remedy)
{
    cluster_start(&t->cluster, BAD);
    must_stop(t, what, file, remedy);
    put_back(t, "good", "");
}

/* Nothing was lost that another copy could not give: it says so and goes on. */
static void goes_on(struct test *t, const char *what, const char *saying)
{
    long seq;

    cluster_start(&t->cluster, BAD);
    cluster_wait_ready(&t->cluster);
    cluster_log_must_say(&t->cluster, BAD, saying);
    place(t, BAD);
    seq = look_number(&t->cluster, 0, "applied_seq");
    look_equal(&t->cluster, (1u << NODES) - 1, seq);
    printf("%s\n    goes on: %s\n", what, saying);
    t->cases++;
}

/* ---- the cases ---- */

static const char restore[] = "restore this node from the others";
static const char rebuild[] = "rebuild this node from the others";

static void damage_segments(struct test *t)
{
    flip(t, t->first_segment, record(t, t->first_segment, 3) + 60);
    refuses(t, "a flipped bit in a closed segment", t->first_segment, restore);
    flip(t, t->newest_segment, record(t, t->newest_segment, 1) + 60);
    refuses(t, "a flipped bit in an acknowledged record of the open segment", t->newest_segment,
            restore);
    flip(t, t->newest_segment, record(t, t->newest_segment, -1) + 49);
    refuses(t, "a flipped bit in the last record of all", t->newest_segment, restore);
    flip(t, t->newest_segment, record(t, t->newest_segment, -1) + 9);
    refuses(t, "a flipped bit in the last record's header", t->newest_segment, restore);
    flip(t, t->first_segment, 17);
    refuses(t, "a flipped bit in a segment's header", t->first_segment, restore);
    cut(t, t->first_segment, 2);
    refuses(t, "a closed segment cut off", t->first_segment, restore);
    cut(t, t->newest_segment, 0);
    refuses(t, "the open segment cut off", t->newest_segment, restore);
    drop(t, t->newest_segment);
    refuses(t, "the open segment gone", t->newest_segment, restore);
    drop(t, t->middle_segment);
    refuses(t, "a segment in between gone", t->middle_segment, restore);
}

static void damage_small_files(struct test *t)
{
    flip(t, "raft/snapshot", 30);
    refuses(t, "a flipped bit in the snapshot's manifest", "raft/snapshot", restore);
    cut(t, "raft/snapshot", 2);
    refuses(t, "the snapshot's manifest cut off", "raft/snapshot", restore);
    drop(t, "raft/snapshot");
    refuses(t, "the snapshot's manifest gone", "raft/", restore);
    flip(t, "raft/identity", 25);
    refuses(t, "a flipped bit in the identity", "raft/identity", restore);
    cut(t, "raft/identity", 0);
    refuses(t, "the identity cut off", "raft/identity", restore);
    flip(t, "raft/vote", 20);
    flip(t, "raft/vote", PAGE + 20);
    refuses(t, "a flipped bit in both copies of the vote", "raft/vote", restore);
    cut(t, "raft/vote", 0);
    refuses(t, "the vote cut off", "raft/vote", restore);
    drop(t, "raft/vote");
    refuses(t, "the vote gone", "raft/vote", restore);
    run(t, "cp '%s/node1/raft/identity' '%s/node%d/raft/identity'", t->cluster.folder,
        t->cluster.folder, BAD + 1);
    refuses(t, "another node's identity", "raft belongs to node 1", "check data_dir");
}

static void damage_state(struct test *t)
{
    cut(t, "state/data.mdb", 2);
    refuses(t, "the state cut off", "state/data.mdb", rebuild);
    flip_all(t, "state/data.mdb", "applied");
    refuses(t, "a flipped bit in the state's own index", "state/data.mdb", rebuild);
    cut(t, "state/data.mdb", 0);
    refuses(t, "the state emptied", "the state ends at index 0", "Restore this node");
    drop(t, "state/data.mdb");
    refuses(t, "the state gone", "the state ends at index 0", "Restore this node");
    put_back(t, "old", "state");
    refuses(t, "an old state put back", "the state ends at index", "Restore this node");
    put_back(t, "old", "raft");
    refuses(t, "an old log put back", "the Raft log ends at", "Restore this node");
}

/* A damaged key of an old bet: were it not found, the bet would be taken twice when it comes again.
 * The ids are read at start, for the filter of those ever seen. */
static void damage_id(struct test *t)
{
    char url[URL_MAX];
    json_t *json = NULL;

    if (flip_all(t, "state/data.mdb", "bet-1234") == 0) {
        cluster_die(&t->cluster, "no bet-1234 in the state");
    }
    cluster_start(&t->cluster, BAD);
    must_stop(t, "a flipped bit in the id of an old bet", "state/data.mdb", rebuild);
    cluster_url(&t->cluster, 0, url, "/v1/bets");
    if (http_call(&t->http, "POST", url, t->cluster.provider_key,
                  "{\"id\":\"bet-1234\",\"player\":\"p0\",\"currency\":\"EUR\",\"amount\":\"1\"}",
                  &json) != 200 ||
        !json_is_true(json_object_get(json, "replayed"))) {
        cluster_die(&t->cluster, "bet-1234 was taken twice: %s", t->http.body);
    }
    json_decref(json);
    flip_all(t, "state/data.mdb", "fet-1234"); /* 'b' with the bit that flip flips */
}

/* The file becomes short under a running node: reading what is gone is SIGBUS. */
static void cut_while_running(struct test *t)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    char path[400], url[URL_MAX];

    path_of(t, "state/data.mdb", path);
    if (truncate(path, (off_t)3 * PAGE) != 0) {
        cluster_die(&t->cluster, "can't cut %s", path);
    }
    cluster_url(&t->cluster, BAD, url, "/v1/ledger?from=1&limit=100&consistency=stale");
    while (http_call(&t->http, "GET", url, t->cluster.platform_key, NULL, NULL) != 0) {
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "the node answers without its state");
        }
        place(t, 0);
    }
    must_stop(t, "the state cut off while the node runs", "state/data.mdb", rebuild);
}

/* Only a mount keeps root from writing; whoever else runs this is kept by the mode. */
static void read_only(struct test *t, const char *part)
{
    char path[400], what[100];
    bool mounted =
        unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;

    path_of(t, part, path);
    if (mounted && (mount(path, path, NULL, MS_BIND, NULL) != 0 ||
                    mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) != 0)) {
        cluster_die(&t->cluster, "can't mount %s: %s", path, strerror(errno));
    }
    if (!mounted) {
        run(t, "chmod -R a-w '%s'", path);
    }
    snprintf(what, sizeof what, "%s read-only", part);
    cluster_start(&t->cluster, BAD);
    must_stop(t, what, part, "check the owner and the mode");
    if (mounted) {
        umount(path);
    }
    run(t, "chmod -R u+w '%s'", path);
    put_back(t, "good", "");
}

/* ---- the cluster ---- */

/* Stops node BAD when its last checkpoint holds all of its log: then no loss goes unnoticed. */
static void stop_whole(struct test *t)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    struct cluster *c = &t->cluster;

    while (look_number(c, BAD, "checkpoint_index") < look_number(c, BAD, "last_index")) {
        if (test_now_us() > limit) {
            cluster_die(c, "no checkpoint holds all of the log");
        }
        usleep(20000);
    }
    cluster_signal(c, BAD, SIGKILL);
    cluster_reap(c, BAD);
}

int main(int argc, char **argv)
{
    static struct test t;
    int i;

    if (argc < 2) {
        fprintf(stderr, "usage: test_damage FLORIND\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http_init(&t.http);
    t.cluster.config = "http_threads = 160\nsegment_bytes = 64KiB\n"
                       "checkpoint_interval = 100ms\nraft_trailing = 100\ngroup_bytes = 16KiB\n";
    cluster_make(&t.cluster, argv[1], NODES);
    cluster_start_all(&t.cluster);
    cluster_wait_ready(&t.cluster);
    cluster_seed(&t.cluster, 1, "1000000");
    for (i = 0; i < 40; i++) {
        place(&t, i % NODES);
    }
    stop_whole(&t);
    keep(&t, "old");
    cluster_start(&t.cluster, BAD);
    cluster_wait_ready(&t.cluster);
    for (i = 0; i < 80; i++) {
        place(&t, i % NODES);
    }
    stop_whole(&t);
    keep(&t, "good");
    find_segments(&t);

    damage_segments(&t);
    damage_small_files(&t);
    damage_state(&t);
    read_only(&t, "raft");
    read_only(&t, "state");

    /* From here on the node takes part: what it acknowledged must not be taken back. */
    flip(&t, "raft/vote", 20);
    goes_on(&t, "a flipped bit in one copy of the vote", "one copy of the vote was bad");
    stop_whole(&t);
    damage_id(&t);
    goes_on(&t, "the damaged id whole again", "florind is up");
    cut_while_running(&t);

    http_release(&t.http);
    cluster_destroy(&t.cluster, false);
    printf("%d passed, 0 failed\n", t.cases);
    return 0;
}

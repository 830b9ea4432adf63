/* The configuration file: values, units, ranges, and what a mistake is answered with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "cluster-config/config.h"
#include "cluster-config/value.h"

#define GOOD                                                                                       \
    "cluster_id = c1\n"                                                                            \
    "node_id = 2\n"                                                                                \
    "member = 1 127.0.0.1:7001\n"                                                                  \
    "member = 2 127.0.0.1:7002\n"                                                                  \
    "data_dir = data\n"                                                                            \
    "peer_listen = 127.0.0.1:7002\n"                                                               \
    "http_listen = [::1]:8082\n"                                                                   \
    "cluster_secret_file = /etc/secret\n"
enum { GOOD_LINES = 8 };

static int parse(const char *text, struct florin_config *c, struct fault *fault)
{
    return config_parse(slice_of(text), "f.conf", "/etc/florin", c, fault);
}

/* The text is refused, with these words in the message. */
static void refused(const char *text, const char *words)
{
    struct florin_config c;
    struct fault fault = {""};

    if (parse(text, &c, &fault) == 0) {
        fail_msg("accepted:\n%s", text);
    }
    if (strstr(fault.text, words) == NULL) {
        fail_msg("\"%s\" has no \"%s\"", fault.text, words);
    }
    assert_non_null(strstr(fault.text, "expected"));
}

static void defaults_and_paths(void **state)
{
    struct florin_config c;
    struct fault fault;

    (void)state;
    assert_int_equal(parse(GOOD, &c, &fault), 0);
    assert_string_equal(c.cluster_id, "c1");
    assert_int_equal(c.node_id, 2);
    assert_int_equal(c.n_members, 2);
    assert_int_equal(c.members[1].id, 2);
    assert_string_equal(c.members[1].address, "127.0.0.1:7002");
    assert_string_equal(c.data_dir, "/etc/florin/data");
    assert_string_equal(c.cluster_secret_file, "/etc/secret");
    assert_string_equal(c.operator_key_file, "");
    assert_string_equal(c.secret_box_file, "");
    assert_string_equal(c.http_listen, "[::1]:8082");
    assert_int_equal(c.election_timeout_ms, 1000);
    assert_int_equal(c.heartbeat_ms, 100);
    assert_int_equal(c.raft_trailing, 100000);
    assert_int_equal(c.request_timeout_ms, 5000);
    assert_int_equal(c.http_threads, 512);
    assert_int_equal(c.group_bytes, 256 << 10);
    assert_int_equal(c.segment_bytes, 64 << 20);
    assert_int_equal(c.log_level, LEVEL_INFO);
    assert_false(c.http_plain);
    assert_string_equal(c.https_listen, "");
    assert_string_equal(c.https_key_file, "");
    assert_int_equal(c.n_http_trusted_proxies, 0);
    assert_int_equal(c.slow_request_ms, 1000);
}

static void every_key_is_read(void **state)
{
    struct florin_config c;
    struct fault fault;

    (void)state;
    assert_int_equal(
        parse(GOOD "operator_key_file = op\nsecret_box_file = box\n"
                   "election_timeout=2s\nheartbeat\t=\t50ms\nraft_trailing = 7\n"
                   "request_timeout = 1s\nhttp_threads = 3 # few\n"
                   "http_keep_alive_timeout = 1min\nhttp_request_timeout = 200ms\n"
                   "queue_tickets = 9\nqueue_bytes = 3MiB\nqueue_target = 7ms\ngroup_bytes = 1MiB\n"
                   "segment_bytes = 2MiB\ncheckpoint_bytes = 65536B\n"
                   "checkpoint_bytes_hard = 1GiB\ncheckpoint_interval = 100ms\ncopy_rate = 2GiB\n"
                   "store_map_bytes = 16MiB\ncache_bytes = 1MiB\n"
                   "http_plain = yes\nslow_request = 2s\n"
                   "https_listen = 10.0.0.1:8443\nhttps_key_file = api.key\n"
                   "https_certificate_file = /etc/api.crt\n"
                   "http_trusted_proxies = 127.0.0.1 \t ::1 10.0.0.9 # two\n"
                   "log_level = error",
              &c, &fault),
        0);
    assert_string_equal(c.operator_key_file, "/etc/florin/op");
    assert_string_equal(c.secret_box_file, "/etc/florin/box");
    assert_int_equal(c.election_timeout_ms, 2000);
    assert_int_equal(c.heartbeat_ms, 50);
    assert_int_equal(c.raft_trailing, 7);
    assert_int_equal(c.request_timeout_ms, 1000);
    assert_int_equal(c.http_threads, 3);
    assert_int_equal(c.http_keep_alive_timeout_ms, 60000);
    assert_int_equal(c.http_request_timeout_ms, 200);
    assert_int_equal(c.queue_tickets, 9);
    assert_int_equal(c.queue_bytes, 3 << 20);
    assert_int_equal(c.queue_target_ms, 7);
    assert_int_equal(c.group_bytes, 1 << 20);
    assert_int_equal(c.segment_bytes, 2 << 20);
    assert_int_equal(c.checkpoint_bytes, 65536);
    assert_int_equal(c.checkpoint_bytes_hard, 1 << 30);
    assert_int_equal(c.checkpoint_interval_ms, 100);
    assert_int_equal(c.copy_rate, INT64_C(2) << 30);
    assert_int_equal(c.store_map_bytes, 16 << 20);
    assert_int_equal(c.cache_bytes, 1 << 20);
    assert_int_equal(c.log_level, LEVEL_ERROR);
    assert_true(c.http_plain);
    assert_string_equal(c.https_listen, "10.0.0.1:8443");
    assert_string_equal(c.https_key_file, "/etc/florin/api.key");
    assert_string_equal(c.https_certificate_file, "/etc/api.crt");
    assert_int_equal(c.slow_request_ms, 2000);
    assert_int_equal(c.n_http_trusted_proxies, 3);
    assert_string_equal(c.http_trusted_proxies[1], "::1");
    assert_string_equal(c.http_trusted_proxies[2], "10.0.0.9");
}

static void mistakes_name_their_line(void **state)
{
    (void)state;
    refused(GOOD "\n# comment\nfrob = 1\n", "f.conf:11: unknown key \"frob\"");
    refused(GOOD "node_id = 2\n", "f.conf:9: node_id is given again");
    refused(GOOD "node_id = 2\n", "line 2");
    refused(GOOD "heartbeat\n", "f.conf:9: \"heartbeat\"; expected `key = value`");
    refused(GOOD "[raft]\n", "f.conf:9:");
    refused(GOOD "log_level = loud\n", "f.conf:9: log_level is \"loud\"; expected one of debug");
    refused(GOOD "member = 2 127.0.0.1:7009\n", "f.conf:9: member 2");
    refused(GOOD "member = 3 127.0.0.1:7002\n", "repeats member 2");
    refused(GOOD "member = 127.0.0.1:7003\n", "expected NODE_ID HOST:PORT");
    refused(GOOD "log_level = in\x01 fo\n", "byte 0x01 in column 15");
    refused("node_id = 9\n", "cluster_id is missing");
    refused("cluster_id = c\nnode_id = 9\n", "data_dir is missing"); /* who joins needs no member */
    refused("", "is missing");
}

static void numbers_have_units_and_bounds(void **state)
{
    static const char *const bad[] = {
        "heartbeat = 100\n",
        "heartbeat = 100 ms\n",
        "heartbeat = -1ms\n",
        "heartbeat = 1h\n",
        "heartbeat = 4ms\n",
        "heartbeat = 1e3ms\n",
        "heartbeat = ms\n",
        "heartbeat =\n",
        "heartbeat = 99999999999999999999s\n",
        "queue_bytes = 64MB\n",
        "queue_bytes = 1048576\n",
        "queue_bytes = 1B\n",
        "queue_bytes = 17179869185GiB\n",
        "group_bytes = 2MiB\n",
        "http_threads = 0\n",
        "http_threads = 4097\n",
        "http_threads = 0x10\n",
        "raft_trailing = 1.5\n",
        "queue_tickets = 18446744073709551617\n",
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, GOOD "%s", bad[i]);
        refused(text, "f.conf:9: ");
    }
}

static void values_must_fit_together(void **state)
{
    (void)state;
    refused(GOOD "heartbeat = 400ms\n", "f.conf:9: heartbeat and election_timeout");
    refused(GOOD "election_timeout = 200ms\n", "f.conf:9: heartbeat and election_timeout");
    refused(GOOD "checkpoint_bytes = 1GiB\n", "checkpoint_bytes and checkpoint_bytes_hard");
    refused(GOOD "segment_bytes = 300KiB\n", "segment_bytes and group_bytes");
}

static void addresses(void **state)
{
    static const char *const good[] = {"127.0.0.1:1", "[::1]:65535", "node-1.example:7001"};
    static const char *const bad[] = {
        "",      ":1",   "127.0.0.1", "127.0.0.1:", "a:0",    "a:65536",
        "a b:1", "[]:1", "::1:80",    "a:1x",       "[::1:1", "a/b:1"};
    char out[CONFIG_ADDRESS_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(value_address(slice_of(good[i]), out, sizeof out), 0);
        assert_string_equal(out, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (value_address(slice_of(bad[i]), out, sizeof out) == 0) {
            fail_msg("accepted \"%s\"", bad[i]);
        }
    }
    assert_int_equal(value_address(slice_of("127.0.0.1:7001"), out, 14), -1);
    assert_int_equal(value_address(slice_of("127.0.0.1:7001"), out, 15), 0);
}

static void http_is_for_this_machine_unless_told(void **state)
{
    static const char *const here[] = {"127.0.0.1:1", "127.8.9.1:80", "[::1]:80", "localhost:80"};
    static const char *const elsewhere[] = {"0.0.0.0:80",    "10.0.0.1:80",   "[::]:80",
                                            "[::2]:80",      "n1.example:80", "128.0.0.1:80",
                                            "localhost.x:80"};
    char text[1024];
    struct florin_config c;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++) {
        assert_true(value_address_loopback(here[i]));
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        assert_false(value_address_loopback(elsewhere[i]));
    }
    snprintf(text, sizeof text, "%.*shttp_listen = 10.0.0.1:80\ncluster_secret_file = s\n",
             (int)(strstr(GOOD, "http_listen") - GOOD), GOOD);
    refused(text, "f.conf:7: http_listen is 10.0.0.1:80, which other machines reach");
    snprintf(text + strlen(text), 32, "http_plain = yes\n");
    assert_int_equal(parse(text, &c, &fault), 0);
    refused(GOOD "http_plain = maybe\n", "f.conf:9: http_plain is \"maybe\"; expected yes or no");
}

#define HTTPS_FILES "https_certificate_file = a.crt\nhttps_key_file = a.key\n"

static void https_has_its_files_and_a_place_of_its_own(void **state)
{
    struct florin_config c;
    struct fault fault;

    (void)state;
    assert_int_equal(parse(GOOD "https_listen = 0.0.0.0:443\n" HTTPS_FILES, &c, &fault), 0);
    refused(GOOD "https_listen = 0.0.0.0:443\n",
            "f.conf:9: https_certificate_file and https_listen do not fit together");
    refused(GOOD "https_listen = 0.0.0.0:443\nhttps_certificate_file = a.crt\n",
            "f.conf:9: https_key_file and https_listen do not fit together");
    refused(GOOD HTTPS_FILES, "f.conf:9: https_certificate_file and https_listen");
    refused(GOOD "https_listen = [::1]:8082\n" HTTPS_FILES,
            "f.conf:9: https_listen and http_listen");
    refused(GOOD "https_listen = 127.0.0.1:7002\n" HTTPS_FILES, "f.conf:9: https_listen and");
}

static void trusted_proxies_are_addresses(void **state)
{
    static const char *const bad[] = {"",
                                      "localhost",
                                      "10.0.0.0/8",
                                      "127.0.0.1,",
                                      "127.0.0.1, ::1",
                                      "none 127.0.0.1",
                                      "[::1]",
                                      "127.0.0.1:80",
                                      "1 2",
                                      "::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9"};
    char text[1024];
    struct florin_config c;
    struct fault fault;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, GOOD "http_trusted_proxies = %s\n", bad[i]);
        refused(text, "f.conf:9: http_trusted_proxies is");
    }
    assert_int_equal(
        parse(GOOD "http_trusted_proxies = ::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8\n", &c, &fault), 0);
    assert_int_equal(c.n_http_trusted_proxies, 8);
}

static void comments_and_line_ends(void **state)
{
    struct florin_config c;
    struct fault fault;

    (void)state;
    assert_int_equal(
        parse("# first\r\n   # second\n" GOOD "operator_key_file = a#b # c\r\n", &c, &fault), 0);
    assert_string_equal(c.operator_key_file, "/etc/florin/a#b");
}

static void too_much_is_refused(void **state)
{
    char *text = malloc(CONFIG_FILE_MAX + 2);
    struct florin_config c;
    struct fault fault;

    (void)state;
    assert_non_null(text);
    memset(text, '#', CONFIG_FILE_MAX + 1);
    text[CONFIG_FILE_MAX + 1] = '\0';
    assert_int_equal(
        config_parse((struct slice){text, CONFIG_LINE_MAX + 1}, "f.conf", "", &c, &fault), -1);
    assert_non_null(strstr(fault.text, "f.conf:1: a line of 1025 bytes"));
    assert_int_equal(
        config_parse((struct slice){text, CONFIG_FILE_MAX + 1}, "f.conf", "", &c, &fault), -1);
    assert_non_null(strstr(fault.text, "more than 65536 bytes"));
    free(text);
}

static void seventeen_members_are_too_many(void **state)
{
    char text[2048] = "";

    (void)state;
    for (int i = 1; i <= CONFIG_MEMBERS_MAX + 1; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "member = %d 127.0.0.1:%d\n", i,
                 7000 + i);
    }
    refused(text, "f.conf:17: more than 16 members");
}

/* Paths beside the file: relative to its folder, however the file was named. */
static void files(void **state)
{
    char folder[] = "/tmp/florin-config-XXXXXX";
    char path[128], want[128];
    struct florin_config c;
    struct fault fault;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/n.conf", folder);
    assert_int_equal(config_load(path, &c, &fault), -1);
    assert_non_null(strstr(fault.text, "cannot be opened"));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(GOOD, f);
    fclose(f);
    assert_int_equal(config_load(path, &c, &fault), 0);
    snprintf(want, sizeof want, "%s/data", folder);
    assert_string_equal(c.data_dir, want);
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(config_load("n.conf", &c, &fault), 0);
    assert_string_equal(c.data_dir, "data");
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(config_load(folder, &c, &fault), -1); /* a folder is no file */
    unlink(path);
    rmdir(folder);
}

/* The files that come with the source are right, and are one cluster each. */
static void samples(void **state)
{
    struct florin_config first, c;
    struct fault fault;
    char path[512];

    (void)state;
    for (int n = 3; n <= 5; n += 2) {
        for (int i = 1; i <= n; i++) {
            snprintf(path, sizeof path, "cluster-config/%s-nodes/node%d.conf",
                     n == 3 ? "three" : "five", i);
            if (config_load(path, &c, &fault) != 0) {
                fail_msg("%s", fault.text);
            }
            assert_int_equal(c.node_id, i);
            assert_int_equal(c.n_members, n);
            assert_string_equal(c.members[i - 1].address, c.peer_listen);
            if (i == 1) {
                first = c;
            }
            assert_string_equal(c.cluster_id, first.cluster_id);
            assert_memory_equal(c.members, first.members, sizeof c.members);
        }
    }
}

/* The sample explains every key: what it shows as a default is the default. */
static void samples_show_the_defaults(void **state)
{
    struct florin_config shown, real;
    struct fault fault;
    char text[CONFIG_FILE_MAX];
    size_t len = 0;
    char line[1024];
    FILE *f = fopen("cluster-config/three-nodes/node1.conf", "r");
    unsigned uncommented = 0;

    (void)state;
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        bool is_default =
            line[0] == '#' && strstr(line, " = ") != NULL && strchr(line, '`') == NULL;

        uncommented += is_default;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", line + (is_default ? 2 : 0));
    }
    fclose(f);
    assert_int_equal(uncommented, 29);
    if (config_parse((struct slice){text, len}, "sample", "x", &shown, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    assert_int_equal(config_load("cluster-config/three-nodes/node1.conf", &real, &fault), 0);
    assert_memory_equal(&shown.election_timeout_ms, &real.election_timeout_ms,
                        sizeof real - offsetof(struct florin_config, election_timeout_ms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_paths),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(mistakes_name_their_line),
        cmocka_unit_test(numbers_have_units_and_bounds),
        cmocka_unit_test(values_must_fit_together),
        cmocka_unit_test(addresses),
        cmocka_unit_test(http_is_for_this_machine_unless_told),
        cmocka_unit_test(https_has_its_files_and_a_place_of_its_own),
        cmocka_unit_test(trusted_proxies_are_addresses),
        cmocka_unit_test(comments_and_line_ends),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(seventeen_members_are_too_many),
        cmocka_unit_test(samples),
        cmocka_unit_test(samples_show_the_defaults),
        cmocka_unit_test(files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

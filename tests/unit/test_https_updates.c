/* Clients of HTTPS who exchange their keys under way (TLS 1.3's KeyUpdate), as nobody honest does:
 * without end, or by halves. Neither may keep the listener's one thread from the others. */
#include <netinet/tcp.h>
#include <openssl/hmac.h>
#include <time.h>

#include "tests/unit/https_scene.h"

/* ---- without end ---- */

enum { UPDATES = 40000, ROUND_TRIPS = 20 };

struct flood {
    struct tls_client client;
    char *bytes;
    size_t len;
    atomic_bool over;
};

/* All made before, so that it comes faster than it can be read. */
static void prepare(struct flood *f)
{
    BIO *made = BIO_new(BIO_s_mem());
    char *bytes;
    int i;

    SSL_set0_wbio(f->client.ssl, made);
    for (i = 0; i < UPDATES; i++) {
        assert_int_equal(SSL_key_update(f->client.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(f->client.ssl), 1);
    }
    client_say(&f->client, "x", 1);
    f->len = (size_t)BIO_get_mem_data(made, &bytes);
    f->bytes = malloc(f->len);
    assert_non_null(f->bytes);
    memcpy(f->bytes, bytes, f->len);
}

static void *pour(void *context)
{
    struct flood *f = context;
    char echo;

    send_all(f->client.fd, f->bytes, f->len);
    (void)client_hear(&f->client, &echo, 1);
    atomic_store(&f->over, true);
    return NULL;
}

static void new_keys_without_end_leave_the_others_their_turn(void **state)
{
    struct scene *s = *state;
    struct flood f = {.client = enter(s)};
    struct tls_client other = enter(s);
    char data[5] = "hello";
    pthread_t thread;
    unsigned trips = 0;

    prepare(&f);
    assert_int_equal(pthread_create(&thread, NULL, pour, &f), 0);
    while (!atomic_load(&f.over)) {
        client_say(&other, data, sizeof data);
        client_hear_all(&other, data, sizeof data);
        trips++;
    }
    pthread_join(thread, NULL);
    assert_true(trips > ROUND_TRIPS);
    free(f.bytes);
    client_close(&f.client);
    client_close(&other);
}

/* ---- by halves: OpenSSL as a client would not, so these records are made by hand ---- */

enum { KEY_BYTES = 16, IV_BYTES = 12, TAG_BYTES = 16, SECRET_BYTES = 32, RECORD_HEADER = 5 };

static void keep_secret(const SSL *ssl, const char *line)
{
    uint8_t *secret = SSL_get_app_data(ssl);
    const char *hex = strrchr(line, ' ') + 1;
    unsigned byte;
    size_t i;

    if (strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24) == 0) {
        assert_int_equal(strlen(hex), 2 * SECRET_BYTES);
        for (i = 0; i < SECRET_BYTES; i++) {
            assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
            secret[i] = (uint8_t)byte;
        }
    }
}

/* RFC 8446, 7.1: HKDF-Expand-Label without a context, for one block. */
static void expand(const uint8_t secret[SECRET_BYTES], const char *label, uint8_t *out, uint8_t len)
{
    uint8_t info[64] = {0, len, (uint8_t)(6 + strlen(label))};
    uint8_t block[EVP_MAX_MD_SIZE];
    size_t n = 3;

    n += (size_t)snprintf((char *)info + n, sizeof info - n, "tls13 %s", label);
    info[n++] = 0;
    info[n++] = 1;
    assert_non_null(HMAC(EVP_sha256(), secret, SECRET_BYTES, info, n, block, NULL));
    memcpy(out, block, len);
}

/* Sends a record of a handshake's bytes: the `number`th under this secret. */
static void send_record(int fd, const uint8_t secret[SECRET_BYTES], uint8_t number,
                        const char *bytes, uint8_t len)
{
    uint8_t inner_len = (uint8_t)(len + 1 + TAG_BYTES);
    uint8_t record[64] = {23, 3, 3, 0, inner_len};
    uint8_t key[KEY_BYTES], iv[IV_BYTES], inner[32];
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int n;

    expand(secret, "key", key, sizeof key);
    expand(secret, "iv", iv, sizeof iv);
    iv[IV_BYTES - 1] ^= number;
    memcpy(inner, bytes, len);
    inner[len] = 22;
    assert_int_equal(EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), NULL, key, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, NULL, &n, record, RECORD_HEADER), 1);
    assert_int_equal(EVP_EncryptUpdate(cipher, record + RECORD_HEADER, &n, inner, len + 1), 1);
    assert_int_equal(EVP_EncryptFinal_ex(cipher, record + RECORD_HEADER + n, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, TAG_BYTES,
                                         record + RECORD_HEADER + len + 1),
                     1);
    EVP_CIPHER_CTX_free(cipher);
    send_all(fd, (const char *)record, RECORD_HEADER + inner_len);
}

static uint64_t processor_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Nothing can be written while half of one is there: that must wait for the other half, and not ask
 * again and again. */
static void half_a_new_key_costs_no_processor(void **state)
{
    struct scene *s = *state;
    struct tls_client c = client_begin(&s->papers, NULL, https_port(s->https));
    uint8_t secret[SECRET_BYTES] = {0};
    struct tls_client other;
    const int one = 1;
    uint64_t before;
    char data[5];
    int i;

    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    SSL_set_app_data(c.ssl, secret);
    SSL_CTX_set_keylog_callback(c.context, keep_secret);
    assert_int_equal(SSL_set_ciphersuites(c.ssl, "TLS_AES_128_GCM_SHA256"), 1);
    assert_int_equal(SSL_connect(c.ssl), 1);
    atomic_store(&s->manner, HOLD);
    client_say(&c, "x", 1);
    while (atomic_load(&s->held) == 0) {
        usleep(1000);
    }
    send_record(c.fd, secret, 1, "\x18\x00\x00\x01", 4);
    atomic_store(&s->manner, ECHO);
    other = enter(s);
    for (i = 0; i < 3; i++) { /* then the listener has seen that half */
        client_say(&other, "hello", 5);
        client_hear_all(&other, data, 5);
    }
    send_all(atomic_load(&s->held), "there", 5);
    before = processor_ms();
    usleep(300000);
    assert_true(processor_ms() - before < 60);

    send_record(c.fd, secret, 2, "\x00", 1);
    client_hear_all(&c, data, 5);
    assert_memory_equal(data, "there", 5);
    atomic_store(&s->go_on, true);
    client_close(&c);
    client_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCENE(new_keys_without_end_leave_the_others_their_turn),
        IN_A_SCENE(half_a_new_key_costs_no_processor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

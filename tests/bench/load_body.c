/* memmem */
#define _GNU_SOURCE

#include "tests/bench/load_body.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ID_DIGITS = 16 };

void load_body_init(struct load_body *b, const struct load *load)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    *b = (struct load_body){.load = load};
    b->run = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    b->random = b->run | 1;
    bytes_init(&b->body);
    if (load->work == LOAD_ETCD) {
        b->revisions = calloc(load->players, sizeof *b->revisions);
        if (b->revisions == NULL) {
            abort();
        }
    }
}

void load_body_release(struct load_body *b)
{
    bytes_release(&b->body);
    free(b->revisions);
}

static uint64_t next_random(struct load_body *b)
{
    /* xorshift64: plenty for choosing players. */
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    b->random ^= b->random << 17;
    return b->random;
}

static void put_hex(char text[static ID_DIGITS], uint64_t v)
{
    int i;

    for (i = ID_DIGITS - 1; i >= 0; i--, v >>= 4) {
        text[i] = "0123456789abcdef"[v & 15];
    }
}

/* 32 characters, as random as a UUID's to whoever keeps them in order, and never twice. */
static void make_id(struct load_body *b, char id[static 2 * ID_DIGITS])
{
    uint64_t number = ++b->made;

    put_hex(id, (b->run + number) * UINT64_C(0x9e3779b97f4a7c15));
    put_hex(id + ID_DIGITS, b->run + number);
}

static size_t make_player(struct load_body *b, char name[static 16])
{
    return (size_t)snprintf(name, 16, "p%u", (unsigned)(next_random(b) % b->load->players));
}

static void put(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

static void json_bet(struct load_body *b, struct bytes *out, bool with_type)
{
    char id[2 * ID_DIGITS], name[16];
    size_t name_len = make_player(b, name);

    make_id(b, id);
    put(out, with_type ? "{\"type\":\"bet\",\"id\":\"" : "{\"id\":\"");
    bytes_append(out, id, sizeof id);
    put(out, "\",\"player\":\"");
    bytes_append(out, name, name_len);
    put(out, "\",\"currency\":\"EUR\",\"amount\":\"0.01\"}");
}

static void pack_text(struct bytes *out, const char *text, size_t len)
{
    if (len < 32) {
        bytes_append_u8(out, (uint8_t)(0xa0 | len));
    } else {
        bytes_append_u8(out, 0xd9);
        bytes_append_u8(out, (uint8_t)len);
    }
    bytes_append(out, text, len);
}

static void pack(struct bytes *out, const char *text)
{
    pack_text(out, text, strlen(text));
}

static void msgpack_bet(struct load_body *b, struct bytes *out, bool with_type)
{
    char id[2 * ID_DIGITS], name[16];
    size_t name_len = make_player(b, name);

    make_id(b, id);
    bytes_append_u8(out, with_type ? 0x85 : 0x84);
    if (with_type) {
        pack(out, "type");
        pack(out, "bet");
    }
    pack(out, "id");
    pack_text(out, id, sizeof id);
    pack(out, "player");
    pack_text(out, name, name_len);
    pack(out, "currency");
    pack(out, "EUR");
    pack(out, "amount");
    pack(out, "0.01");
}

static void make_bet(struct load_body *b, struct bytes *out, bool with_type)
{
    if (b->load->msgpack) {
        msgpack_bet(b, out, with_type);
    } else {
        json_bet(b, out, with_type);
    }
}

static void make_batch(struct load_body *b, struct bytes *out)
{
    int i;

    if (b->load->msgpack) {
        bytes_append_u8(out, 0x81);
        pack(out, "transactions");
        bytes_append_u8(out, 0xdc);
        bytes_append_u8(out, (uint8_t)(b->load->batch >> 8));
        bytes_append_u8(out, (uint8_t)b->load->batch);
    } else {
        put(out, "{\"transactions\":[");
    }
    for (i = 0; i < b->load->batch; i++) {
        if (i > 0 && !b->load->msgpack) {
            put(out, ",");
        }
        make_bet(b, out, true);
    }
    if (!b->load->msgpack) {
        put(out, "]}");
    }
}

static void make_read(struct load_body *b, struct bytes *out)
{
    bool stale = b->load->work == LOAD_STALE_READS;
    char name[16];

    make_player(b, name);
    put(out, "GET /v1/players/");
    put(out, name);
    put(out, stale ? "/balances?consistency=stale HTTP/1.1\r\n" : "/balances HTTP/1.1\r\n");
    put(out, "Host: florin\r\nAuthorization: Bearer ");
    put(out, b->load->key);
    put(out, "\r\n\r\n");
}

/* ---- etcd ---- */

static void put_key(struct bytes *out, const char *text, size_t len)
{
    char encoded[128];

    sodium_bin2base64(encoded, sizeof encoded, (const unsigned char *)text, len,
                      sodium_base64_VARIANT_ORIGINAL);
    put(out, "\"key\":\"");
    put(out, encoded);
    put(out, "\"");
}

/* A bet as etcd can do it: if the id is new, and the wallet as this client last saw it, then both
 * are written. The client knows the balance, so that etcd is spared the reading of it. */
static void make_etcd_txn(struct load_body *b, struct bytes *out, unsigned player)
{
    char id[2 * ID_DIGITS], name[16];
    size_t len = (size_t)snprintf(name, sizeof name, "p%u", player);

    make_id(b, id);
    put(out, "{\"compare\":[{\"target\":\"CREATE\",\"create_revision\":\"0\",");
    put_key(out, id, sizeof id);
    put(out, "},{\"target\":\"MOD\",\"mod_revision\":\"");
    bytes_append_decimal(out, b->revisions[player]);
    put(out, "\",");
    put_key(out, name, len);
    put(out, "}],\"success\":[{\"requestPut\":{\"value\":\"MTAwMDAuMDA=\",");
    put_key(out, name, len);
    put(out, "}},{\"requestPut\":{\"value\":\"MC4wMQ==\",");
    put_key(out, id, sizeof id);
    put(out, "}}]}");
}

static uint64_t etcd_done(struct load_body *b, unsigned player, const char *answer)
{
    static const char field[] = "\"revision\":\"";
    const char *revision = strstr(answer, field);

    /* Not done: two bets of one player met. */
    if (revision == NULL || strstr(answer, "\"succeeded\":true") == NULL) {
        return 0;
    }
    b->revisions[player] = strtoull(revision + sizeof field - 1, NULL, 10);
    return 1;
}

/* ---- any of them ---- */

static const char *path_of(const struct load *load)
{
    if (load->work == LOAD_ETCD) {
        return "/v3/kv/txn";
    }
    return load->batch > 0 ? "/v1/batches" : "/v1/bets";
}

void load_body_request(struct load_body *b, struct bytes *out, unsigned *player)
{
    const struct load *load = b->load;
    char head[512];
    int len;

    bytes_clear(out);
    *player = 0;
    if (load->work == LOAD_READS || load->work == LOAD_STALE_READS) {
        make_read(b, out);
        return;
    }
    bytes_clear(&b->body);
    if (load->work == LOAD_ETCD) {
        *player = (unsigned)(next_random(b) % load->players);
        make_etcd_txn(b, &b->body, *player);
    } else if (load->batch > 0) {
        make_batch(b, &b->body);
    } else {
        make_bet(b, &b->body, false);
    }
    len = snprintf(head, sizeof head,
                   "POST %s HTTP/1.1\r\nHost: localhost\r\n%s%s%s"
                   "Content-Type: application/%s\r\nContent-Length: %zu\r\n\r\n",
                   path_of(load), load->key == NULL ? "" : "Authorization: Bearer ",
                   load->key == NULL ? "" : load->key, load->key == NULL ? "" : "\r\n",
                   load->msgpack ? "msgpack" : "json", b->body.len);
    bytes_append(out, head, (size_t)len);
    bytes_append(out, b->body.base, b->body.len);
}

uint64_t load_body_done(struct load_body *b, unsigned player, const char *answer, size_t len)
{
    static const char code[] = "applied";
    const char *at = answer;
    const char *end = at + len;
    uint64_t done = 0;

    if (b->load->work == LOAD_ETCD) {
        return etcd_done(b, player, answer);
    }
    if (b->load->batch == 0) {
        return 1;
    }
    /* In JSON and in msgpack alike, the word stands once in the answer of an applied item, and
     * nowhere else but in the name of the header Florin-Applied, with a capital letter. */
    while ((at = memmem(at, (size_t)(end - at), code, sizeof code - 1)) != NULL) {
        done++;
        at += sizeof code - 1;
    }
    return done;
}

/* The digest of the whole state: equal on replicas that are at the same index. */
#include "statemachine/machine_private.h"

#include <sodium.h>

static void digest_part(crypto_generichash_state *hash, const void *data, size_t len)
{
    uint8_t le[4];
    int i;

    /* Lengths keep ("ab", "c") and ("a", "bc") apart. */
    for (i = 0; i < 4; i++) {
        le[i] = (uint8_t)(len >> (8 * i));
    }
    crypto_generichash_update(hash, le, sizeof le);
    crypto_generichash_update(hash, data, len);
}

/* Of all tables but meta, which says what the last checkpoint was; what meta stands for is taken
 * from the state itself. */
int machine_digest(struct machine *m, uint8_t digest[HASH_BYTES], struct fault *fault)
{
    const struct state *s = &m->state;
    crypto_generichash_state hash;
    struct bytes head;
    uint8_t t;

    bytes_init(&head);
    bytes_append_u64(&head, m->applied_index);
    bytes_append_u64(&head, s->clock_ms);
    bytes_append_u64(&head, s->directory);
    bytes_append_u64(&head, s->seq);
    bytes_append(&head, s->hash, HASH_BYTES);
    bytes_append_u64(&head, s->actions.number);
    bytes_append(&head, s->actions.hash, HASH_BYTES);
    crypto_generichash_init(&hash, NULL, 0, HASH_BYTES);
    digest_part(&hash, head.base, head.len);
    bytes_release(&head);
    for (t = TABLE_META + 1; t < TABLE_COUNT; t++) {
        struct scan scan;
        struct slice key, value;
        int rc;

        digest_part(&hash, &t, 1);
        scan_open(&scan, &s->layers, (enum store_table)t);
        while ((rc = scan_next(&scan, &key, &value, fault)) == 1) {
            digest_part(&hash, key.base, key.len);
            digest_part(&hash, value.base, value.len);
        }
        scan_close(&scan);
        if (rc != 0) {
            return -1;
        }
    }
    crypto_generichash_final(&hash, digest, HASH_BYTES);
    return 0;
}

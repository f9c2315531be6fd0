#include "router/seal.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hmap.h"
#include "base/list.h"
#include "base/wire.h"

/* Raw data longer than this does not fit the length field of a data packet. */
#define RAW_DATA_MAX UINT16_MAX

#define NONCE_PREFIX_BYTES 8

/* The shared secret itself is wiped as soon as the handle has taken it. */
struct remote {
    struct hnode by_key;
    struct list used; /* in sealer.used */
    struct pubkey key;
    gnutls_aead_cipher_hd_t cipher;
};

struct sealer {
    const struct identity *id;
    struct rng *rng;
    struct hmap remotes;
    struct list used; /* the remote used last is first */
    size_t cache_max;
    uint8_t nonce_prefix[NONCE_PREFIX_BYTES];
    uint64_t nonce_count; /* used with this prefix; a new one is drawn at 2^32 */
    struct seal_stats stats;
};

int sealer_new(const struct identity *id, struct rng *rng, size_t cache_max, struct sealer **ret)
{
    struct sealer *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NOMEM;
    int rc = hmap_init(&s->remotes, rng);
    if (rc < 0) {
        free(s);
        return rc;
    }
    s->id = id;
    s->rng = rng;
    s->cache_max = cache_max ? cache_max : SEAL_CACHE_MAX;
    list_init(&s->used);
    rng_bytes(rng, s->nonce_prefix, sizeof(s->nonce_prefix));
    *ret = s;
    return OK;
}

static void remote_free(struct sealer *s, struct remote *m)
{
    hmap_del(&s->remotes, &m->by_key);
    list_del(&m->used);
    gnutls_aead_cipher_deinit(m->cipher);
    free(m);
}

void sealer_free(struct sealer *s)
{
    if (!s)
        return;
    while (!list_empty(&s->used))
        remote_free(s, list_entry(s->used.next, struct remote, used));
    hmap_fini(&s->remotes);
    free(s);
}

static struct remote *remote_find(const struct sealer *s, const struct pubkey *key, uint64_t hash)
{
    for (struct hnode *n = hmap_first(&s->remotes, hash); n; n = hmap_next(n, hash)) {
        struct remote *m = container_of(n, struct remote, by_key);
        if (memcmp(m->key.b, key->b, sizeof(key->b)) == 0)
            return m;
    }
    return NULL;
}

bool sealer_knows(const struct sealer *s, const struct pubkey *key)
{
    return remote_find(s, key, hmap_hash(&s->remotes, key->b, sizeof(key->b))) != NULL;
}

static int cipher_open(struct sealer *s, const struct pubkey *key, gnutls_aead_cipher_hd_t *ret)
{
    uint8_t secret[KEY_BYTES];
    int rc = identity_exchange(s->id, key, secret);
    s->stats.exchanges++;
    if (rc == OK) {
        gnutls_datum_t datum = {.data = secret, .size = sizeof(secret)};
        if (gnutls_aead_cipher_init(ret, GNUTLS_CIPHER_AES_256_GCM, &datum) < 0)
            rc = ERR_NOMEM; /* the cipher and the key length are always right */
    }
    sodium_memzero(secret, sizeof(secret));
    return rc;
}

/* The handle for a remote, opened at first use. */
static int remote_get(struct sealer *s, const struct pubkey *key, struct remote **ret)
{
    uint64_t hash = hmap_hash(&s->remotes, key->b, sizeof(key->b));
    struct remote *m = remote_find(s, key, hash);
    if (m) {
        list_del(&m->used);
        list_push_front(&s->used, &m->used);
        *ret = m;
        return OK;
    }
    m = calloc(1, sizeof(*m));
    if (!m)
        return ERR_NOMEM;
    int rc = cipher_open(s, key, &m->cipher);
    if (rc < 0) {
        free(m);
        return rc;
    }
    if (s->remotes.count >= s->cache_max)
        remote_free(s, list_entry(s->used.prev, struct remote, used));
    m->key = *key;
    hmap_add(&s->remotes, &m->by_key, hash);
    list_push_front(&s->used, &m->used);
    *ret = m;
    return OK;
}

/* docs/protocol/addresses.md, "Sealing". A key is shared by two nodes and both directions for all
 * time, so a nonce must never come twice: the counter sees to it within a run, the random bytes
 * between runs and between the two nodes. */
static void nonce_next(struct sealer *s, uint8_t nonce[static SEAL_NONCE_BYTES])
{
    if (s->nonce_count > UINT32_MAX) {
        rng_bytes(s->rng, s->nonce_prefix, sizeof(s->nonce_prefix));
        s->nonce_count = 0;
    }
    struct wire_wr w = wire_wr_of(nonce, SEAL_NONCE_BYTES);
    wire_put(&w, s->nonce_prefix, sizeof(s->nonce_prefix));
    wire_put_u32(&w, (uint32_t)s->nonce_count);
    assert(!w.bad && wire_len(&w) == SEAL_NONCE_BYTES);
    s->nonce_count++;
}

int seal_pkt_nonce(struct sealer *s, const struct pubkey *to, struct pkt *p,
                   const uint8_t nonce[static SEAL_NONCE_BYTES])
{
    struct remote *m;
    assert(p->len >= USER_HEADER_BYTES);
    if (p->len > RAW_DATA_MAX - SEAL_OVERHEAD)
        return ERR_TOOBIG;
    int rc = remote_get(s, to, &m);
    if (rc < 0)
        return rc;
    giovec_t text = {.iov_base = p->data, .iov_len = p->len};
    uint8_t *tag = pkt_put(p, SEAL_OVERHEAD);
    if (!tag)
        return ERR_TOOBIG; /* tailroom used up by something else */
    size_t tag_len = SEAL_TAG_BYTES;
    if (gnutls_aead_cipher_encryptv2(m->cipher, nonce, SEAL_NONCE_BYTES, NULL, 0, &text, 1, tag,
                                     &tag_len) < 0) {
        pkt_trim(p, SEAL_OVERHEAD);
        return ERR_CRYPTO;
    }
    memcpy(tag + SEAL_TAG_BYTES, nonce, SEAL_NONCE_BYTES);
    s->stats.sealed++;
    return OK;
}

int seal_pkt(struct sealer *s, const struct pubkey *to, struct pkt *p)
{
    uint8_t nonce[SEAL_NONCE_BYTES];
    nonce_next(s, nonce);
    return seal_pkt_nonce(s, to, p, nonce);
}

static int unseal(struct sealer *s, const struct pubkey *from, struct pkt *p)
{
    struct remote *m;
    if (p->len < USER_HEADER_BYTES + SEAL_OVERHEAD)
        return ERR_CRYPTO;
    int rc = remote_get(s, from, &m);
    if (rc < 0)
        return rc;
    uint8_t *tag = p->data + p->len - SEAL_OVERHEAD;
    giovec_t text = {.iov_base = p->data, .iov_len = p->len - SEAL_OVERHEAD};
    if (gnutls_aead_cipher_decryptv2(m->cipher, tag + SEAL_TAG_BYTES, SEAL_NONCE_BYTES, NULL, 0,
                                     &text, 1, tag, SEAL_TAG_BYTES) < 0)
        return ERR_CRYPTO;
    pkt_trim(p, SEAL_OVERHEAD);
    return OK;
}

int unseal_pkt(struct sealer *s, const struct pubkey *from, struct pkt *p)
{
    int rc = unseal(s, from, p);
    if (rc == OK)
        s->stats.unsealed++;
    else
        s->stats.refused++;
    return rc;
}

void sealer_skip_nonces(struct sealer *s, uint64_t n)
{
    s->nonce_count += n;
}

struct seal_stats sealer_stats(const struct sealer *s)
{
    struct seal_stats stats = s->stats;
    stats.cached = s->remotes.count;
    return stats;
}

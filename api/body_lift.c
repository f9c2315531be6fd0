#include "api/body_lift.h"

#include <stdlib.h>

#include "api/json_in.h"
#include "base/err.h"
#include "base/lift.h"
#include "base/text.h"
#include "bus/message.h"

static int decode(const char *text, size_t len, struct blob **ret)
{
    struct blob *b = NULL;
    size_t n = 0;
    int rc = ERR_TOOBIG;

    if (len > B64_LEN(MSG_LEN_MAX))
        return rc;
    b = blob_new(len / 4 * 3 + 3);
    if (!b)
        return ERR_NOMEM;
    rc = b64_decode(text, len, b->data, b->len, &n, NULL);
    if (rc < 0 || n > MSG_LEN_MAX) {
        blob_unref(b);
        return rc < 0 ? rc : ERR_TOOBIG;
    }
    b->len = (uint32_t)n; /* nobody else knows it yet; the last bytes stay unused */
    *ret = b;
    return OK;
}

int body_lift(const uint8_t *json, size_t len, struct blob **ret_payload, char **ret_rest,
              size_t *ret_rest_len)
{
    struct lift l;
    char *value = len <= JSON_BODY_MAX ? malloc(len + 1) : NULL;
    size_t n = 0;
    int rc = value ? OK : ERR_NOMEM;

    lift_init(&l, "payload", JSON_BODY_MAX);
    if (rc == OK)
        rc = lift_feed(&l, json, len, value, &n);
    if (rc == OK)
        rc = l.found ? decode(value, n, ret_payload) : ERR_NOENT;
    if (rc == OK) {
        *ret_rest = l.text;
        *ret_rest_len = l.text_len;
        l.text = NULL;
    }
    lift_fini(&l);
    free(value);
    return rc;
}

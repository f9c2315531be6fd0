#include "clients/topic_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"

#define TOPIC_MAX 255
#define PREFIX    "base64:"

static int decode(const char *base64, uint8_t ret[static TOPIC_MAX + 3], size_t *ret_len)
{
    struct b64_error e;
    size_t n = strlen(base64);
    if (n > (TOPIC_MAX + 2) / 3 * 4)
        return ERR_TOOBIG;
    int rc = b64_decode(base64, n, ret, TOPIC_MAX + 3, ret_len, &e);
    if (rc != OK)
        return ERR_INVAL;
    return *ret_len > TOPIC_MAX ? ERR_TOOBIG : OK;
}

bool topic_text(const char *base64, char ret[static TOPIC_TEXT_MAX])
{
    uint8_t bytes[TOPIC_MAX + 3];
    size_t n = 0;
    if (!base64 || decode(base64, bytes, &n) != OK)
        return false;
    bool plain = utf8_valid((const char *)bytes, n) && !memchr(bytes, 0, n) &&
                 !(n >= strlen(PREFIX) && memcmp(bytes, PREFIX, strlen(PREFIX)) == 0);
    for (size_t i = 0; plain && i < n; i++)
        plain = bytes[i] >= 0x20 && bytes[i] != 0x7f;
    if (plain) {
        memcpy(ret, bytes, n);
        ret[n] = 0;
    } else {
        snprintf(ret, TOPIC_TEXT_MAX, PREFIX "%s", base64);
    }
    return true;
}

int topic_base64(const char *text, char ret[static TOPIC_TEXT_MAX])
{
    uint8_t bytes[TOPIC_MAX + 3];
    size_t n = strlen(text);
    if (strncmp(text, PREFIX, strlen(PREFIX)) == 0) {
        text += strlen(PREFIX);
        int rc = decode(text, bytes, &n);
        if (rc == OK)
            memcpy(ret, text, strlen(text) + 1);
        return rc;
    }
    if (n > TOPIC_MAX)
        return ERR_TOOBIG;
    ret[b64_encode(text, n, ret)] = 0;
    return OK;
}

/* The public key of a running node, for `inspect` where no key file is readable. */
#include <jansson.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "clients/commands.h"
#include "clients/http_client.h"

int node_pubkey_ask(const struct api_target *t, uint8_t ret_key[static 32])
{
    struct http_reply r = {0};
    const char *hex = NULL;
    int rc = http_request(t, "GET", "/api/v1/admin", NULL, 0, 0, &r);
    if (rc != OK)
        return rc;
    json_t *admin = r.status == 200 ? json_loadb(r.body, r.body_len, 0, NULL) : NULL;
    http_reply_fini(&r);
    if (!admin || json_unpack(admin, "{s:s}", "nodePubkey", &hex) != 0 ||
        hex_decode(hex, strlen(hex), ret_key, 32) != OK)
        rc = ERR_MALFORMED;
    json_decref(admin);
    return rc;
}

/* proxy list, connect, disconnect, probe start, probe stop. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "clients/commands.h"
#include "clients/listing.h"

/* The node measures several servers when none is named. */
#define CONNECT_WAIT_S 30

int command_proxy_list(const struct api_target *t, bool json)
{
    static const char *const heads[] = {"IPv6 Address"};
    const struct call_args a = {.path = "/admin/proxy", .what = "list the proxies"};
    json_t *proxies = NULL;
    if (json)
        return listing_body(t, &a);
    if (api_call_json(t, &a, &proxies) != OK)
        return 1;
    int status = listing_table(a.what, proxies, heads, NULL, 1);
    json_decref(proxies);
    return command_flush() != 0 ? 1 : status;
}

int command_proxy_connect(const struct api_target *t, const char *remote, bool json)
{
    json_t *address = NULL, *body = json_pack("{s:s?}", "remote", remote);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!text)
        return command_fail("cannot connect to a proxy: the address is no text");
    const struct call_args a = {.method = "POST",
                                .path = "/admin/proxy",
                                .body = text,
                                .body_len = strlen(text),
                                .wait_s = CONNECT_WAIT_S,
                                .what = "connect to a proxy"};
    int status = 1;
    if (json)
        status = listing_body(t, &a);
    else if (api_call_json(t, &a, &address) == OK) {
        if (json_is_string(address))
            status = printf("%s\n", json_string_value(address)) < 0;
        else
            status = command_fail_shape(a.what);
        json_decref(address);
    }
    free(text);
    return command_flush() != 0 ? 1 : status;
}

static int simple_call(const struct api_target *t, const char *method, const char *path,
                       const char *what)
{
    const struct call_args a = {.method = method, .path = path, .what = what};
    return api_call_plain(t, &a);
}

int command_proxy_disconnect(const struct api_target *t)
{
    return simple_call(t, "DELETE", "/admin/proxy", "disconnect from the proxy");
}

int command_proxy_probe(const struct api_target *t, bool start)
{
    if (start)
        return simple_call(t, "GET", "/admin/proxy/probe", "start looking for proxies");
    return simple_call(t, "DELETE", "/admin/proxy/probe", "stop looking for proxies");
}

/* peers list, add, remove. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "clients/commands.h"
#include "clients/escape.h"
#include "clients/listing.h"
#include "clients/units.h"

#define LIST_WHAT "list the peers"

/* The API's words begin with small letters, the table's with capitals. */
static void cell_capital(struct table *t, const char *word)
{
    int first = word[0] >= 'a' && word[0] <= 'z' ? word[0] - 'a' + 'A' : word[0];
    if (word[0])
        table_cell(t, "%c%s", first, word + 1);
    else
        table_cell(t, "%s", "");
}

/* False when the object has another shape. */
static bool peer_row(struct table *t, json_t *peer, const void *ctx)
{
    const char *proto, *socket = NULL, *type, *state;
    json_int_t cid = 0, port = 0, tx, rx, discovered;
    json_t *addr, *last;
    char text[UNITS_TEXT_MAX];
    (void)ctx;
    if (json_unpack(peer, "{s:{s:s,s:o},s:s,s:s,s:I,s:I,s:I,s:o}", "endpoint", "proto", &proto,
                    "addr", &addr, "type", &type, "connectionState", &state, "txBytes", &tx,
                    "rxBytes", &rx, "discovered", &discovered, "lastConnected", &last) != 0)
        return false;
    if (json_unpack(addr, "{s:s}", "socket", &socket) != 0 &&
        json_unpack(addr, "{s:{s:I,s:I}}", "vsock", "cid", &cid, "port", &port) != 0)
        return false;
    if (tx < 0 || rx < 0 || discovered < 0 || !(json_is_null(last) || json_is_integer(last)))
        return false;
    cell_capital(t, proto);
    if (socket)
        table_cell(t, "%s", socket);
    else
        table_cell(t, "%" JSON_INTEGER_FORMAT ":%" JSON_INTEGER_FORMAT, cid, port);
    cell_capital(t, type);
    cell_capital(t, state);
    table_cell(t, "%s", bytes_text((uint64_t)rx, text));
    table_cell(t, "%s", bytes_text((uint64_t)tx, text));
    table_cell(t, "%s", duration_text((uint64_t)discovered, text));
    if (json_is_null(last))
        table_cell(t, "Never connected");
    else
        table_cell(t, "%s", duration_text((uint64_t)json_integer_value(last), text));
    return true;
}

static int peers_table(json_t *peers)
{
    static const char *const heads[] = {"Protocol", "Socket",   "Type",       "Connection",
                                        "Rx total", "Tx total", "Discovered", "Last connection"};
    return listing_rows(LIST_WHAT, peers, heads, ARRAY_LEN(heads), peer_row, NULL);
}

int command_peers_list(const struct api_target *t, bool json)
{
    json_t *peers = NULL;
    const struct call_args a = {.path = "/admin/peers", .what = LIST_WHAT};
    if (api_call_json(t, &a, &peers) != OK)
        return 1;
    int status = 0;
    if (!json)
        status = peers_table(peers);
    else if (json_dumpf(peers, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0)
        fputc('\n', stdout);
    json_decref(peers);
    return command_flush() != 0 ? 1 : status;
}

/* One by one, until the first failure. */
int command_peers_add(const struct api_target *t, char *const *endpoints, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char what[320];
        char *body = NULL;
        size_t len = 0;
        if (!utf8_valid(endpoints[i], strlen(endpoints[i])))
            return command_fail("cannot add a peer: the endpoint is no text");
        FILE *f = open_memstream(&body, &len);
        if (!f)
            return command_fail("cannot add a peer: %s", err_str(ERR_NOMEM));
        fputs("{\"endpoint\":", f);
        json_string_write(f, endpoints[i], strlen(endpoints[i]));
        fputc('}', f);
        if (fclose(f) != 0) {
            free(body);
            return command_fail("cannot add a peer: %s", err_str(ERR_NOMEM));
        }
        snprintf(what, sizeof(what), "add the peer %s", endpoints[i]);
        const struct call_args a = {.method = "POST",
                                    .path = "/admin/peers",
                                    .body = body,
                                    .body_len = len,
                                    .what = text_make_printable(what)};
        int status = api_call_plain(t, &a);
        free(body);
        if (status != 0)
            return status;
    }
    return 0;
}

int command_peers_remove(const struct api_target *t, char *const *endpoints, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char what[320], path[1200] = "/admin/peers/";
        size_t used = strlen(path);
        if (!url_escape(endpoints[i], path + used, sizeof(path) - used))
            return command_fail("cannot remove a peer: the endpoint is too long");
        snprintf(what, sizeof(what), "remove the peer %s", endpoints[i]);
        const struct call_args a = {
            .method = "DELETE", .path = path, .what = text_make_printable(what)};
        if (api_call_plain(t, &a) != 0)
            return 1;
    }
    return 0;
}

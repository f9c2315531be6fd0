/* routes selected, fallback, queried; stats packets. The JSON form is the node's answer as it came.
 */
#include <stdio.h>

#include "base/err.h"
#include "clients/commands.h"
#include "clients/listing.h"

int command_routes(const struct api_target *t, enum route_list which, bool json)
{
    static const struct {
        struct call_args call;
        size_t columns;
        const char *heads[4], *keys[4];
    } lists[] = {
        [ROUTES_SELECTED] = {{.path = "/admin/routes/selected", .what = "list the selected routes"},
                             4,
                             {"Subnet", "Next Hop", "Metric", "Seq No"},
                             {"subnet", "nextHop", "metric", "seqno"}},
        [ROUTES_FALLBACK] = {{.path = "/admin/routes/fallback", .what = "list the fallback routes"},
                             4,
                             {"Subnet", "Next Hop", "Metric", "Seq No"},
                             {"subnet", "nextHop", "metric", "seqno"}},
        [ROUTES_QUERIED] = {{.path = "/admin/routes/queried", .what = "list the queried subnets"},
                            2,
                            {"Subnet", "Query expiration"},
                            {"subnet", "expiration"}},
    };
    json_t *routes = NULL;
    if (json)
        return listing_body(t, &lists[which].call);
    if (api_call_json(t, &lists[which].call, &routes) != OK)
        return 1;
    int status = listing_table(lists[which].call.what, routes, lists[which].heads,
                               lists[which].keys, lists[which].columns);
    json_decref(routes);
    return command_flush() != 0 ? 1 : status;
}

int command_stats_packets(const struct api_target *t, bool json)
{
    static const char *const source[] = {"Source IP", "Packets", "Bytes"};
    static const char *const destination[] = {"Destination IP", "Packets", "Bytes"};
    static const char *const keys[] = {"ip", "packetCount", "byteCount"};
    const struct call_args a = {.path = "/admin/stats/packets",
                                .what = "list the packet statistics"};
    json_t *stats = NULL;
    if (json)
        return listing_body(t, &a);
    if (api_call_json(t, &a, &stats) != OK)
        return 1;
    fputs("Statistics by Source IP:\n", stdout);
    int status = listing_table(a.what, json_object_get(stats, "bySource"), source, keys, 3);
    if (status == 0) {
        fputs("\nStatistics by Destination IP:\n", stdout);
        status =
            listing_table(a.what, json_object_get(stats, "byDestination"), destination, keys, 3);
    }
    json_decref(stats);
    return command_flush() != 0 ? 1 : status;
}

#include "router/link/discovery.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "base/bucket.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "router/link/socket.h"

#define LOG_TARGET "router"

/* Beacons that are read in one turn of the loop. */
#define READ_BATCH 64

struct joined {
    unsigned index; /* of the interface; 0: free */
    bool there;     /* seen in this look */
    uint64_t next_at;
};

struct discovery {
    struct discovery_conf c;
    int fd;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned open; /* handles */
    bool freed;
    struct joined at[DISCOVERY_INTERFACES_MAX];
    struct bucket bucket;
    struct discovery_stats stats;
};

static struct sockaddr_in6 group(const struct discovery *d, unsigned index)
{
    struct sockaddr_in6 a = {
        .sin6_family = AF_INET6, .sin6_port = htons(d->c.port), .sin6_scope_id = index};
    static const uint8_t ff02_cafe[16] = {0xff, 2, [14] = 0xca, [15] = 0xfe};
    memcpy(&a.sin6_addr, ff02_cafe, sizeof(ff02_cafe));
    return a;
}

/* fe80::/64 */
static bool is_link_local(const struct in6_addr *a)
{
    static const uint8_t prefix[8] = {0xfe, 0x80};
    return memcmp(a, prefix, sizeof(prefix)) == 0;
}

/* --- interfaces --------------------------------------------------------------------------- */

static void membership(const struct discovery *d, unsigned index, int option)
{
    struct ipv6_mreq m = {.ipv6mr_interface = index};
    m.ipv6mr_multiaddr = group(d, index).sin6_addr;
    /* It may have been a member before, or the interface is gone: nothing is lost. */
    (void)setsockopt(d->fd, IPPROTO_IPV6, option, &m, sizeof(m));
}

static struct joined *joined_find(struct discovery *d, unsigned index)
{
    for (size_t i = 0; i < DISCOVERY_INTERFACES_MAX; i++)
        if (d->at[i].index == index)
            return &d->at[i];
    return NULL;
}

static bool wanted(const struct discovery *d, const struct ifaddrs *i)
{
    const unsigned need = IFF_UP | IFF_RUNNING | IFF_MULTICAST;
    struct sockaddr_in6 a;
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET6 || (i->ifa_flags & need) != need ||
        (i->ifa_flags & (IFF_LOOPBACK | IFF_POINTOPOINT)))
        return false;
    memcpy(&a, i->ifa_addr, sizeof(a));
    if (!is_link_local(&a.sin6_addr))
        return false;
    const char *const *only = d->c.interfaces;
    for (; only && *only; only++)
        if (strcmp(*only, i->ifa_name) == 0)
            return true;
    return only == d->c.interfaces;
}

static void interface_seen(struct discovery *d, const char *name, unsigned index)
{
    struct joined *j = joined_find(d, index);
    if (!j && (j = joined_find(d, 0))) {
        *j = (struct joined){.index = index};
        membership(d, index, IPV6_JOIN_GROUP);
        d->stats.interfaces++;
        log_info("looking for peers on the local network", "interface=%s", name);
    }
    if (j)
        j->there = true;
}

static void look(struct discovery *d)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) < 0)
        return; /* the next look may do */
    for (size_t i = 0; i < DISCOVERY_INTERFACES_MAX; i++)
        d->at[i].there = false;
    for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
        unsigned index = wanted(d, i) ? if_nametoindex(i->ifa_name) : 0;
        if (index != 0)
            interface_seen(d, i->ifa_name, index);
    }
    freeifaddrs(all);
    for (size_t i = 0; i < DISCOVERY_INTERFACES_MAX; i++) {
        struct joined *j = &d->at[i];
        if (j->index == 0 || j->there)
            continue;
        membership(d, j->index, IPV6_LEAVE_GROUP);
        j->index = 0;
        d->stats.interfaces--;
    }
}

static void send_beacons(struct discovery *d)
{
    uint8_t bytes[BEACON_BYTES];
    uint64_t now = uv_now(d->c.loop);
    beacon_encode(&d->c.self, bytes);
    for (size_t i = 0; i < DISCOVERY_INTERFACES_MAX; i++) {
        struct joined *j = &d->at[i];
        if (j->index == 0 || now < j->next_at)
            continue;
        struct sockaddr_in6 to = group(d, j->index);
        j->next_at = now + DISCOVERY_EVERY_MS;
        /* One that does not leave is as good as lost. */
        if (sendto(d->fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL,
                   (const struct sockaddr *)&to, sizeof(to)) == sizeof(bytes))
            d->stats.sent++;
    }
}

static void on_timer(uv_timer_t *h)
{
    struct discovery *d = h->data;
    look(d);
    send_beacons(d);
}

/* --- hearing ------------------------------------------------------------------------------ */

static void beacon_heard(struct discovery *d, const struct sockaddr_in6 *from, const uint8_t *bytes,
                         size_t len)
{
    struct beacon b;
    if (from->sin6_family != AF_INET6 || !is_link_local(&from->sin6_addr) ||
        beacon_decode(bytes, len, &b) != OK ||
        !bucket_take(&d->bucket, DISCOVERY_PER_SEC, DISCOVERY_BURST, usec_now())) {
        d->stats.ignored++;
        return;
    }
    if (memcmp(b.from.b, d->c.self.from.b, sizeof(b.from.b)) == 0)
        return;
    d->stats.heard++;
    d->c.heard(d->c.ctx, from, &b);
}

static void on_readable(uv_poll_t *h, int status, int events)
{
    struct discovery *d = h->data;
    (void)status; /* recvfrom() tells */
    (void)events;
    for (unsigned i = 0; i < READ_BATCH && !d->freed; i++) {
        uint8_t bytes[BEACON_BYTES + 1]; /* one more shows a longer one */
        struct sockaddr_in6 from = {.sin6_family = AF_UNSPEC};
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(d->fd, bytes, sizeof(bytes), MSG_DONTWAIT, (struct sockaddr *)&from,
                             &from_len);
        if (n < 0)
            return;
        beacon_heard(d, &from, bytes, (size_t)n);
    }
}

/* --- life --------------------------------------------------------------------------------- */

static int open_socket(const struct discovery_conf *c)
{
    int one = 1, zero = 0;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(c->port)};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int rc = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
    if (rc == 0) /* several nodes of one machine */
        rc = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (rc == 0)
        rc = setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &zero, sizeof(zero));
    if (rc == 0)
        rc = socket_mark(fd, c->firewall_mark);
    if (rc == 0)
        rc = bind(fd, (const struct sockaddr *)&any, sizeof(any));
    return rc == 0 ? fd : socket_give_up(fd);
}

int discovery_new(const struct discovery_conf *c, struct discovery **ret)
{
    struct discovery *d = calloc(1, sizeof(*d));
    if (!d)
        return ERR_NOMEM;
    d->c = *c;
    d->fd = open_socket(c);
    int rc = d->fd < 0 ? -errno : uv_poll_init(c->loop, &d->poll, d->fd);
    if (rc < 0) {
        if (d->fd >= 0)
            (void)close(d->fd);
        free(d);
        errno = -rc;
        return ERR_IO;
    }
    (void)uv_timer_init(c->loop, &d->timer); /* always 0 */
    d->poll.data = d->timer.data = d;
    d->open = 2;
    (void)uv_poll_start(&d->poll, UV_READABLE, on_readable); /* just made: both work */
    (void)uv_timer_start(&d->timer, on_timer, 0, DISCOVERY_LOOK_MS);
    *ret = d;
    return OK;
}

static void on_closed(uv_handle_t *h)
{
    struct discovery *d = h->data;
    if (--d->open == 0)
        free(d);
}

void discovery_free(struct discovery *d)
{
    if (!d)
        return;
    d->freed = true;
    uv_close((uv_handle_t *)&d->poll, on_closed);
    uv_close((uv_handle_t *)&d->timer, on_closed);
    (void)close(d->fd);
}

struct discovery_stats discovery_stats(const struct discovery *d)
{
    return d->stats;
}

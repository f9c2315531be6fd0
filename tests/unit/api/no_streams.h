/* For tests with a bus of their own that no stream asks. */
#pragma once
#include "bus/bus_streams.h"
#include "tests/unit/unit.h"

int bus_subscribe(struct bus *b, const struct bus_sub_conf *c, bus_client client,
                  struct instant now)
{
    (void)b;
    (void)c;
    (void)client;
    (void)now;
    fail();
    return 0;
}

int bus_sub_credit(struct bus *b, bus_client client, uint32_t credit, uint64_t credit_bytes)
{
    (void)b;
    (void)client;
    (void)credit;
    (void)credit_bytes;
    fail();
    return 0;
}

void bus_sub_pause(struct bus *b, bus_client client, bool paused)
{
    (void)b;
    (void)client;
    (void)paused;
    fail();
}

void bus_unsubscribe(struct bus *b, bus_client client, enum bus_sub_end how, struct instant now)
{
    (void)b;
    (void)client;
    (void)how;
    (void)now;
    fail();
}

uint32_t bus_consumer_leases(const struct bus *b, const char *name)
{
    (void)b;
    (void)name;
    fail();
    return 0;
}

size_t bus_consumer_tokens(const struct bus *b, const char *name, uint64_t seq,
                           struct bus_token *ret, size_t cap)
{
    (void)b;
    (void)name;
    (void)seq;
    (void)ret;
    (void)cap;
    fail();
    return 0;
}

int bus_tap(struct bus *b, const struct bus_filter *f, bus_client client)
{
    (void)b;
    (void)f;
    (void)client;
    fail();
    return 0;
}

void bus_tap_pause(struct bus *b, bus_client client, bool paused)
{
    (void)b;
    (void)client;
    (void)paused;
    fail();
}

void bus_untap(struct bus *b, bus_client client)
{
    (void)b;
    (void)client;
    fail();
}

uint64_t bus_changes_last(const struct bus *b)
{
    (void)b;
    fail();
    return 0;
}

int bus_changes_read(const struct bus *b, uint64_t after, struct bus_change *ret, size_t cap,
                     uint64_t *ret_n)
{
    (void)b;
    (void)after;
    (void)ret;
    (void)cap;
    (void)ret_n;
    fail();
    return 0;
}

void bus_changes_watch(struct bus *b, bool on)
{
    (void)b;
    (void)on;
    fail();
}

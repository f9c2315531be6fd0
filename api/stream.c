#include "api/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_lease.h"
#include "api/json_outbox.h"
#include "api/stream_core.h"
#include "api/ws.h"
#include "base/err.h"
#include "base/text.h"

#define CHANGES_BATCH 64
#define LIVE_PAGE     100
#define STATES_LIVE   0x0fu /* QUEUED, INIT_SENT, SENDING, DONE_SENT */

bus_client stream_client(const struct stream *s, unsigned lane)
{
    return STREAM_CLIENT | s->number << STREAM_LANE_BITS | lane;
}

static struct instant now(void)
{
    return instant_now();
}

static void kick(struct stream *s)
{
    s->api->conf.kick(s->api->conf.ctx);
}

/* --- telling ---------------------------------------------------------------------------------- */

static void say(struct stream *s, const char *op, struct json_out *fields,
                const struct blob *payload, uint64_t id)
{
    const struct stream_frame f = {.op = op, .fields = fields, .payload = payload, .id = id};

    s->carrier->frame(s->ctx, &f);
    json_out_fini(fields);
}

void stream_say(struct stream *s, const char *op, struct json_out *fields, uint64_t id)
{
    say(s, op, fields, NULL, id);
}

void stream_ok(struct stream *s, const char *ref, struct json_out *fields)
{
    struct json_out o = {0};

    fields_ref(&o, ref);
    if (fields->len > 0)
        json_put_bytes(&o, fields->p, fields->len);
    else if (o.len > 0)
        o.len--; /* the comma */
    o.bad = o.bad || fields->bad;
    json_out_fini(fields);
    stream_say(s, "ok", &o, 0);
}

void stream_err(struct stream *s, const char *ref, enum problem p, const char *detail)
{
    struct json_out o = {0};

    fields_ref(&o, ref);
    json_put(&o, "\"code\":");
    json_quoted(&o, problem_code(p));
    if (detail && *detail) {
        json_put(&o, ",\"detail\":");
        json_quoted(&o, detail);
    }
    stream_say(s, "err", &o, 0);
}

bool stream_full(struct stream *s)
{
    if (!s->carrier->blocked(s->ctx))
        return false;
    if (s->paused)
        return true;
    s->paused = true;
    for (unsigned i = 0; i < STREAM_SUBS_MAX; i++) {
        if (!s->subs[i])
            continue;
        if (s->subs[i]->tap)
            bus_tap_pause(s->api->conf.bus, stream_client(s, STREAM_LANE_SUBS + i), true);
        else
            bus_sub_pause(s->api->conf.bus, stream_client(s, STREAM_LANE_SUBS + i), true);
    }
    s->carrier->want(s->ctx);
    return true;
}

void stream_writable(struct stream *s)
{
    if (stream_full(s)) {
        s->carrier->want(s->ctx);
        return;
    }
    if (s->holding && s->n_waits < STREAM_REQUESTS) {
        s->holding = false;
        if (s->paused)
            s->carrier->want(s->ctx); /* for the rest of this */
        s->carrier->hold(s->ctx, false);
        return; /* a request may have ended it */
    }
    s->paused = false;
    for (unsigned i = 0; i < STREAM_SUBS_MAX; i++) {
        if (!s->subs[i])
            continue;
        if (s->subs[i]->tap)
            bus_tap_pause(s->api->conf.bus, stream_client(s, STREAM_LANE_SUBS + i), false);
        else
            bus_sub_pause(s->api->conf.bus, stream_client(s, STREAM_LANE_SUBS + i), false);
    }
    stream_changes(s);
    kick(s);
}

/* --- changes of the outbox -------------------------------------------------------------------- */

static bool follows(const struct stream *s, const struct msg_id *id)
{
    for (size_t i = 0; i < s->n_watched; i++)
        if (memcmp(&s->watched[i], id, sizeof(*id)) == 0)
            return true;
    return s->watch_all;
}

/* Those that it has missed are not kept any more. */
static void say_gap(struct stream *s, uint64_t oldest)
{
    struct json_out o = {0};

    json_put(&o, "\"watch\":true,\"from\":");
    json_u64(&o, s->seen + 1);
    json_put(&o, ",\"to\":");
    json_u64(&o, oldest - 1);
    stream_say(s, "gap", &o, 0);
    s->seen = oldest - 1;
}

/* The next page of what lives, if that is being told. */
static void ask_live(struct stream *s)
{
    const struct bus_out_filter f = {
        .states = STATES_LIVE, .before = s->live_before, .limit = LIVE_PAGE};

    if (bus_out_list(s->api->conf.bus, &f, stream_client(s, STREAM_LANE_OWN), now()) < 0)
        stream_bye(s, WS_INTERNAL, "internal", BUS_SUB_KEEP);
}

void stream_changes(struct stream *s)
{
    struct bus_change c[CHANGES_BATCH];
    uint64_t n = 1;

    if (!s->watching)
        return;
    if (s->live_before > 0) {
        ask_live(s);
        return;
    }
    while (n > 0 && !stream_full(s)) {
        if (bus_changes_read(s->api->conf.bus, s->seen, c, CHANGES_BATCH, &n) < 0) {
            say_gap(s, n);
            continue;
        }
        for (uint64_t i = 0; i < n; i++) {
            struct json_out o = {0};
            s->seen = c[i].index;
            if (!follows(s, &c[i].id))
                continue;
            fields_change(&o, &c[i]);
            stream_say(s, "status", &o, c[i].index);
        }
    }
}

void stream_watch_on(struct stream *s)
{
    if (s->watching)
        return;
    s->watching = true;
    if (s->api->streams.watching++ == 0)
        bus_changes_watch(s->api->conf.bus, true);
}

bool stream_watch(struct stream *s, uint64_t index)
{
    uint64_t n;

    if (bus_changes_read(s->api->conf.bus, index, NULL, 0, &n) < 0)
        return false;
    s->watch_all = true;
    s->seen = index;
    stream_watch_on(s);
    stream_changes(s);
    return true;
}

void stream_watch_live(struct stream *s)
{
    struct json_out o = {0};

    s->watch_all = true;
    s->seen = bus_changes_last(s->api->conf.bus);
    json_put(&o, "\"epoch\":");
    json_quoted(&o, streams_epoch(s->api));
    json_put(&o, ",\"index\":");
    json_u64(&o, s->seen);
    stream_say(s, "reset", &o, s->seen);
    stream_watch_on(s);
    s->live_before = UINT64_MAX >> 1; /* above every seq */
    ask_live(s);
}

static void live_page(struct stream *s, const struct bus_out *out)
{
    if (out->rc < 0) {
        stream_bye(s, WS_INTERNAL, "internal", BUS_SUB_KEEP);
        return;
    }
    for (size_t i = 0; i < out->page.n; i++) {
        struct json_out o = {0};
        fields_live(&o, &out->page.entries[i], s->seen);
        stream_say(s, "status", &o, s->seen);
    }
    s->live_before = out->page.next_before;
    if (!stream_full(s) && s->live_before == 0)
        stream_changes(s);
}

/* --- what the bus says ------------------------------------------------------------------------ */

static void say_message(struct stream *s, const struct stream_sub *sub, const struct bus_message *m)
{
    struct json_out o = {0};

    fields_message(&o, s, sub->name, sub->tap, m);
    say(s, "msg", &o, s->carrier->raw_payloads ? m->payload : NULL, m->seq);
}

static void fetched(struct stream *s, unsigned at, const struct bus_out *out)
{
    if (out->rc == ERR_STATE) {
        stream_bye(s, WS_TAKEN_OVER, "taken-over", BUS_SUB_KEEP);
        return;
    }
    if (out->rc < 0) {
        stream_bye(s, WS_TRY_LATER, problem_code(problem_of_error(out->rc)), BUS_SUB_FAIL);
        return;
    }
    for (size_t i = 0; i < out->n_messages; i++)
        say_message(s, s->subs[at], &out->messages[i]);
    (void)stream_full(s); /* if it is, nothing more comes */
}

static void tapped(struct stream *s, unsigned at, const struct bus_out *out)
{
    const struct stream_sub *sub = s->subs[at];

    if (out->dropped > 0) {
        struct json_out o = {0};
        if (*sub->name) {
            json_put(&o, "\"sub\":");
            json_quoted(&o, sub->name);
            json_put(&o, ",");
        }
        json_put(&o, "\"dropped\":");
        json_u64(&o, out->dropped);
        stream_say(s, "gap", &o, 0);
    }
    say_message(s, sub, out->message);
    (void)stream_full(s); /* if it is, nothing more comes */
}

static void put_sent(struct json_out *o, const struct bus_out *out)
{
    struct json_out whole = {0};

    if (out->page.n > 0)
        json_accepted_many(&whole, &out->page);
    else
        json_accepted(&whole, out->status);
    o->bad = o->bad || whole.bad;
    if (!whole.bad)
        json_put_bytes(o, whole.p + 1, whole.len - 2); /* without its braces */
    if (out->replayed)
        json_put(o, ",\"replayed\":true");
    json_out_fini(&whole);
}

static void follow(struct stream *s, const struct msg_id *id)
{
    struct msg_id *grown;

    if (s->watch_all || follows(s, id) || s->n_watched >= STREAM_WATCHED_MAX)
        return;
    grown = reallocarray(s->watched, s->n_watched + 1, sizeof(*grown));
    if (!grown)
        return; /* no memory: the client can ask for the status */
    s->watched = grown;
    s->watched[s->n_watched++] = *id;
    if (!s->watching)
        s->seen = bus_changes_last(s->api->conf.bus);
    stream_watch_on(s);
}

static void answer_request(struct stream *s, struct stream_waits *w, const struct bus_out *out)
{
    struct json_out o = {0};

    if (out->rc == ERR_EXIST && w->op == STREAM_SEND) {
        stream_err(s, w->ref, PROBLEM_KEY_REUSED, NULL);
    } else if (out->rc == ERR_STATE && out->status) {
        stream_err(s, w->ref, PROBLEM_ALREADY_FINAL, out_state_str(out->status->state));
    } else if (out->rc < 0) {
        stream_err(s, w->ref, problem_of_error(out->rc), err_str(out->rc));
    } else if (w->op == STREAM_SEND) {
        put_sent(&o, out);
        stream_ok(s, w->ref, &o);
        for (size_t i = 0; w->watch && i < out->page.n; i++)
            follow(s, &out->page.entries[i].id);
        if (w->watch && out->page.n == 0)
            follow(s, &out->id);
    } else if (w->op == STREAM_CANCEL) {
        json_put(&o, "\"id\":");
        json_hex(&o, out->status->id.b, MSG_ID_BYTES);
        json_put(&o, ",\"state\":");
        json_quoted(&o, out_state_str(out->status->state));
        stream_ok(s, w->ref, &o);
    } else {
        json_settled_fields(&o, &out->settled, w->tokens);
        stream_ok(s, w->ref, &o);
    }
    stream_lane_free(s, w);
}

static struct stream *stream_find(struct api *a, uint64_t number)
{
    uint64_t hash = hmap_hash(&a->streams.by_number, &number, sizeof(number));

    for (struct hnode *n = hmap_first(&a->streams.by_number, hash); n; n = hmap_next(n, hash)) {
        struct stream *s = container_of(n, struct stream, by_number);
        if (s->number == number)
            return s;
    }
    return NULL;
}

bool streams_bus_answer(struct api *a, const struct bus_out *out)
{
    unsigned lane = (unsigned)(out->client % STREAM_LANES);
    struct stream *s;

    if (out->kind == BUS_OUT_NEWS) {
        list_foreach_safe (l, &a->streams.all)
            stream_changes(list_entry(l, struct stream, link));
        return true;
    }
    if (!(out->client & STREAM_CLIENT))
        return false;
    s = stream_find(a, (out->client & ~STREAM_CLIENT) >> STREAM_LANE_BITS);
    if (!s)
        return true; /* it is gone */
    if (lane < STREAM_LANE_SUBS) {
        if (s->waits[lane].op != STREAM_NONE)
            answer_request(s, &s->waits[lane], out);
    } else if (lane < STREAM_LANE_OWN) {
        if (s->subs[lane - STREAM_LANE_SUBS]) {
            if (out->kind == BUS_OUT_TAPPED)
                tapped(s, lane - STREAM_LANE_SUBS, out);
            else
                fetched(s, lane - STREAM_LANE_SUBS, out);
        }
    } else if (out->kind == BUS_OUT_ENTRIES) {
        live_page(s, out);
    } /* else it settled something by itself, and nobody waits */
    return true;
}

/* --- lanes and subscriptions ------------------------------------------------------------------ */

struct stream_waits *stream_lane(struct stream *s, unsigned *ret_lane)
{
    for (unsigned i = 0; i < STREAM_REQUESTS; i++) {
        if (s->waits[i].op != STREAM_NONE)
            continue;
        *ret_lane = i;
        s->n_waits++;
        if (s->n_waits == STREAM_REQUESTS && s->carrier->hold) {
            s->holding = true;
            s->carrier->hold(s->ctx, true);
        }
        return &s->waits[i];
    }
    return NULL;
}

void stream_lane_free(struct stream *s, struct stream_waits *w)
{
    free(w->ref);
    free(w->tokens);
    *w = (struct stream_waits){0};
    s->n_waits--;
    /* Not at once: the bus has not done with the number of this lane yet. */
    if (s->holding && !s->ended)
        s->carrier->want(s->ctx);
}

int stream_sub_find(const struct stream *s, const char *name)
{
    for (unsigned i = 0; i < STREAM_SUBS_MAX; i++)
        if (s->subs[i] && strcmp(s->subs[i]->name, name) == 0)
            return (int)i;
    return -1;
}

void stream_sub_close(struct stream *s, unsigned at, enum bus_sub_end how)
{
    struct stream_sub *sub = s->subs[at];

    if (sub->tap)
        bus_untap(s->api->conf.bus, stream_client(s, STREAM_LANE_SUBS + at));
    else
        bus_unsubscribe(s->api->conf.bus, stream_client(s, STREAM_LANE_SUBS + at), how, now());
    s->subs[at] = NULL;
    s->n_subs--;
    free(sub);
}

uint32_t stream_consumer(struct stream *s, const char *name)
{
    list_foreach_safe (l, &s->api->streams.all) {
        struct stream *other = list_entry(l, struct stream, link);
        if (other != s && strcmp(other->consumer, name) == 0) {
            stream_bye(other, WS_TAKEN_OVER, "taken-over", BUS_SUB_KEEP);
            break; /* there is one at most */
        }
    }
    (void)snprintf(s->consumer, sizeof(s->consumer), "%s", name); /* fits: json_consumer() */
    return bus_consumer_leases(s->api->conf.bus, name);
}

void stream_settle(struct stream *s, uint64_t seq)
{
    struct bus *b = s->api->conf.bus;
    struct bus_token *tokens = calloc(BUS_CREDIT_MAX, sizeof(*tokens));
    size_t n = tokens ? bus_consumer_tokens(b, s->consumer, seq, tokens, BUS_CREDIT_MAX) : 0;
    unsigned lane = STREAM_LANE_OWN;

    for (size_t at = 0; at < n; at += BUS_SETTLE_MAX)
        if (bus_settle(b, BUS_ACK, tokens + at, MIN(n - at, BUS_SETTLE_MAX), 0,
                       stream_client(s, ++lane), now()) < 0)
            break; /* they are offered again */
    free(tokens);
}

/* --- life ------------------------------------------------------------------------------------- */

struct stream *stream_new(struct api *a, const struct asked *q, const struct stream_carrier *c,
                          void *ctx)
{
    struct stream *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->api = a;
    s->carrier = c;
    s->ctx = ctx;
    s->asked = *q;
    s->number = ++a->streams.last;
    hmap_add(&a->streams.by_number, &s->by_number,
             hmap_hash(&a->streams.by_number, &s->number, sizeof(s->number)));
    list_push_back(&a->streams.all, &s->link);
    a->stats.streams++;
    return s;
}

void stream_end(struct stream *s, enum bus_sub_end how)
{
    struct api *a = s->api;

    s->ended = true;
    list_del(&s->link);
    hmap_del(&a->streams.by_number, &s->by_number);
    a->stats.streams--;
    if (s->watching && --a->streams.watching == 0)
        bus_changes_watch(a->conf.bus, false);
    for (unsigned i = 0; i < STREAM_SUBS_MAX; i++)
        if (s->subs[i])
            stream_sub_close(s, i, how == BUS_SUB_KEEP && !*s->consumer ? BUS_SUB_FAIL : how);
    for (unsigned i = 0; i < STREAM_REQUESTS; i++) {
        if (s->waits[i].op == STREAM_NONE)
            continue;
        bus_forget_client(a->conf.bus, stream_client(s, i));
        stream_lane_free(s, &s->waits[i]);
    }
    bus_forget_client(a->conf.bus, stream_client(s, STREAM_LANE_OWN));
    kick(s);
    free(s->watched);
    free(s);
}

void stream_bye(struct stream *s, unsigned code, const char *why, enum bus_sub_end how)
{
    const struct stream_carrier *c = s->carrier;
    void *ctx = s->ctx;
    struct json_out o = {0};

    json_put(&o, "\"code\":");
    json_quoted(&o, why);
    json_put(&o, code == WS_TAKEN_OVER ? ",\"retryMs\":0" : ",\"retryMs\":2000");
    stream_say(s, "bye", &o, 0);
    stream_end(s, how);
    c->close(ctx, code, why);
}

/* --- all of them ------------------------------------------------------------------------------ */

const char *streams_epoch(const struct api *a)
{
    return a->streams.epoch;
}

int streams_init(struct api *a, struct rng *r)
{
    uint8_t bytes[STREAM_EPOCH_BYTES];

    list_init(&a->streams.all);
    rng_bytes(r, bytes, sizeof(bytes));
    hex_encode(bytes, sizeof(bytes), a->streams.epoch);
    return hmap_init(&a->streams.by_number, r);
}

void streams_fini(struct api *a)
{
    assert(!a->streams.by_number.slots || list_empty(&a->streams.all)); /* the server is gone */
    hmap_fini(&a->streams.by_number);
}

void streams_recheck(struct api *a)
{
    list_foreach_safe (l, &a->streams.all) {
        struct stream *s = list_entry(l, struct stream, link);
        if (!asked_recheck(a, &s->asked))
            stream_bye(s, WS_REVOKED, "token-revoked", BUS_SUB_RETURN);
    }
}

void streams_stop(struct api *a)
{
    list_foreach_safe (l, &a->streams.all)
        stream_bye(list_entry(l, struct stream, link), WS_GOING_AWAY, "shutdown", BUS_SUB_RETURN);
}

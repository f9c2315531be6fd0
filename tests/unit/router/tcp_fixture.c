#include "tests/unit/router/tcp_fixture.h"

#include <fcntl.h>

uint64_t sum_bytes(uint64_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum = (sum ^ p[i]) * 0x100000001b3u;
    return sum;
}

/* --- callbacks ---------------------------------------------------------------------------- */

static void on_frame(void *ctx, struct link *l, const uint8_t *frame, size_t len)
{
    struct seen *s = link_user(l);
    assert_ptr_equal(s->side, ctx);
    assert_ptr_equal(s->l, l);
    s->frames++;
    s->bytes += len;
    s->max_frame = MAX(s->max_frame, len);
    s->sum = sum_bytes(s->sum, frame, len);
    if (s->side->free_at_frame) {
        tcp_free(s->side->t);
        s->side->t = NULL;
        s->side->free_at_frame = false;
        s->l = NULL;
    } else if (s->frames == s->side->close_after) {
        link_close(l);
        s->l = NULL;
    }
}

static void on_down(void *ctx, struct link *l, const char *why)
{
    struct seen *s = link_user(l);
    struct side *side = ctx;
    assert_ptr_equal(s->l, l);
    assert_non_null(why);
    s->l = NULL;
    s->why = why;
    side->down++;
    link_close(l); /* harmless here */
}

static void on_drained(void *ctx, struct link *l)
{
    struct seen *s = link_user(l);
    assert_ptr_equal(s->side, ctx);
    assert_true(link_queued_bytes(l) < LINK_QUEUE_SOFT / 2);
    s->drained++;
}

static void remember(struct side *side, struct link *l, uint64_t dial)
{
    assert_true(side->count < SEEN_MAX);
    struct seen *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->side = side;
    s->l = l;
    s->dial = dial;
    s->sum = 1;
    (void)snprintf(s->name, sizeof(s->name), "%s", link_name(l));
    link_set_user(l, s);
    side->seen[side->count++] = s;
}

static void on_accepted(void *ctx, struct link *l, const struct endpoint *from)
{
    struct side *side = ctx;
    char a[ENDPOINT_STR_MAX], b[SOCKADDR_STR_MAX];
    assert_string_equal(endpoint_addr_str(from, a), sockaddr_str(link_remote(l), b, sizeof(b)));
    remember(side, l, 0);
    if (side->refuse) {
        side->seen[side->count - 1]->l = NULL;
        link_close(l);
    }
}

static void on_dialled(void *ctx, uint64_t dial, struct link *l, const char *why)
{
    struct side *side = ctx;
    if (l) {
        assert_null(why);
        remember(side, l, dial);
        return;
    }
    assert_non_null(why);
    side->failed++;
    side->failed_dial = dial;
    side->why = why;
}

/* --- driving ------------------------------------------------------------------------------ */

static void on_tick(uv_timer_t *t)
{
    (void)t;
}

struct tcp_conf conf(struct fixture *f, struct side *side)
{
    return (struct tcp_conf){.loop = &f->loop,
                             .events = {.frame = on_frame, .down = on_down, .drained = on_drained},
                             .accepted = on_accepted,
                             .dialled = on_dialled,
                             .network = side->network,
                             .ctx = side};
}

static int start(void **state, struct fixture *f)
{
    if (uv_loop_init(&f->loop) < 0)
        return -1;
    rng_init_seeded(&f->rng, 42);
    (void)uv_timer_init(&f->loop, &f->tick);
    (void)uv_timer_start(&f->tick, on_tick, 5, 5);
    struct tcp_conf a = conf(f, &f->a), b = conf(f, &f->b);
    b.dial_only = true;
    if (tcp_new(&a, &f->a.t) < 0 || tcp_new(&b, &f->b.t) < 0)
        return -1;
    *state = f;
    return 0;
}

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    return f ? start(state, f) : -1;
}

int setup_private(void **state, uint8_t key_b)
{
    struct fixture *f = calloc(1, sizeof(*f));
    uint8_t key[NETWORK_KEY_BYTES] = {1};
    if (!f || network_new("test", key, &f->a.network) < 0)
        return -1;
    key[0] = key_b;
    return network_new("test", key, &f->b.network) < 0 ? -1 : start(state, f);
}

int teardown(void **state)
{
    struct fixture *f = *state;
    tcp_free(f->a.t);
    tcp_free(f->b.t);
    uv_close((uv_handle_t *)&f->tick, NULL);
    if (uv_run(&f->loop, UV_RUN_DEFAULT) != 0 || uv_loop_close(&f->loop) != 0)
        return -1; /* a handle was forgotten */
    network_free(f->a.network);
    network_free(f->b.network);
    for (size_t i = 0; i < f->a.count; i++)
        free(f->a.seen[i]);
    for (size_t i = 0; i < f->b.count; i++)
        free(f->b.seen[i]);
    free(f);
    return 0;
}

void run_ms(struct fixture *f, uint64_t ms)
{
    uint64_t end = uv_hrtime() + ms * 1000000;
    while (uv_hrtime() < end)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
}

struct endpoint at(const char *fmt, uint16_t port)
{
    struct endpoint e;
    char text[64];
    const char *fault = NULL;
    (void)snprintf(text, sizeof(text), "tcp://%s:%u", fmt, port);
    if (endpoint_parse(text, &e, &fault) < 0)
        fail_msg("%s: %s", text, fault);
    return e;
}

/* A link from b to a; its two ends. */
void connect_sides(struct fixture *f, struct seen **ret_a, struct seen **ret_b)
{
    struct endpoint e = at("127.0.0.1", tcp_port(f->a.t));
    size_t a = f->a.count, b = f->b.count;
    assert_int_equal(tcp_dial(f->b.t, 7, &e, 5000), OK);
    RUN_UNTIL(f, f->a.count > a && f->b.count > b);
    *ret_a = f->a.seen[a];
    *ret_b = f->b.seen[b];
}

/* A plain socket connected to a. */
int raw_connect(struct fixture *f, struct seen **ret)
{
    size_t before = f->a.count;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(tcp_port(f->a.t))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    RUN_UNTIL(f, f->a.count > before);
    *ret = f->a.seen[before];
    return fd;
}

struct pkt *data_pkt(struct rng *r, size_t body)
{
    struct pkt *p = pkt_new(40 + body);
    assert_non_null(p);
    rng_bytes(r, p->data, p->len);
    const uint8_t head[7] = {1, 0, 0, 0, 0, (uint8_t)(body >> 8), (uint8_t)body};
    memcpy(p->data, head, sizeof(head));
    return p;
}

struct pkt *control_pkt(struct rng *r, size_t body)
{
    struct pkt *p = pkt_new(8 + body);
    assert_non_null(p);
    rng_bytes(r, p->data, p->len);
    const uint8_t head[8] = {1, 1, 0, 0, 42, 3, (uint8_t)(body >> 8), (uint8_t)body};
    memcpy(p->data, head, sizeof(head));
    return p;
}

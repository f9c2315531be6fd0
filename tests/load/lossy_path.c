/* A path with loss, delay and a rate between two interfaces: what netem does, where the kernel has
 * none of it.
 *
 *   lossy_path FD FD [--loss PPM] [--delay-us N] [--rate BYTES_PER_S] [--queue BYTES] [--seed N]
 *
 * FD: a TUN device (without packet information) that was opened by who started this. Each direction
 * has a queue in front of a link of that rate; what finds it full is dropped, and so is one packet
 * in a million / PPM. Ends with its standard input; then prints one line of JSON. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX  1600
#define PACKETS_MAX 65536u /* of one direction; a power of two */

struct packet {
    int64_t due; /* us */
    uint16_t len;
    uint8_t bytes[PACKET_MAX];
};

struct direction {
    int from, to;
    struct packet *ring;
    uint64_t head, tail; /* packets taken out, put in */
    int64_t link_free;   /* when the link has sent what was put in */
    uint64_t passed, lost, dropped;
};

struct path {
    uint32_t loss_ppm;
    int64_t delay_us, rate, queue;
    uint64_t random;
    struct direction way[2];
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* xorshift64* */
static uint32_t random_below(struct path *p, uint32_t n)
{
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return (uint32_t)((p->random * 0x2545f4914f6cdd1dull >> 33) % n);
}

/* All that can be read now. */
static void take_in(struct path *p, struct direction *d)
{
    for (;;) {
        struct packet *k = &d->ring[d->tail % PACKETS_MAX];
        bool full = d->tail - d->head == PACKETS_MAX;
        uint8_t scrap[PACKET_MAX];
        ssize_t n = read(d->from, full ? scrap : k->bytes, PACKET_MAX);
        if (n <= 0)
            return;
        int64_t now = now_us(), free_at = d->link_free > now ? d->link_free : now;
        if (full || (free_at - now) * p->rate / 1000000 > p->queue) {
            d->dropped++;
            continue;
        }
        d->link_free = free_at + n * 1000000 / p->rate;
        if (random_below(p, 1000000) < p->loss_ppm) {
            d->lost++;
            continue;
        }
        k->due = d->link_free + p->delay_us;
        k->len = (uint16_t)n;
        d->tail++;
    }
}

static void give_out(struct direction *d)
{
    for (; d->head < d->tail; d->head++) {
        struct packet *k = &d->ring[d->head % PACKETS_MAX];
        if (k->due > now_us())
            return;
        if (write(d->to, k->bytes, k->len) < 0 && errno == EAGAIN)
            return;
        d->passed++;
    }
}

static int wait_ms(const struct path *p)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < 2; i++) {
        const struct direction *d = &p->way[i];
        if (d->head < d->tail && d->ring[d->head % PACKETS_MAX].due < due)
            due = d->ring[d->head % PACKETS_MAX].due;
    }
    int64_t left = due == INT64_MAX ? 1000000 : due - now_us();
    return left <= 0 ? 0 : (int)((left + 999) / 1000);
}

static void run(struct path *p)
{
    struct pollfd fds[] = {{.fd = p->way[0].from, .events = POLLIN},
                           {.fd = p->way[1].from, .events = POLLIN},
                           {.fd = STDIN_FILENO, .events = POLLIN}};
    while (poll(fds, 3, wait_ms(p)) >= 0 || errno == EINTR) {
        if (fds[2].revents)
            return;
        for (int i = 0; i < 2; i++) {
            take_in(p, &p->way[i]);
            give_out(&p->way[i]);
        }
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: lossy_path FD FD [--loss PPM] [--delay-us N] [--rate BYTES_PER_S] "
                    "[--queue BYTES] [--seed N]\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct path p = {.delay_us = 50000, .rate = 10000000, .queue = 1000000, .random = 1};
    if (argc < 3 || argc % 2 == 0)
        return usage();
    p.way[0].from = p.way[1].to = atoi(argv[1]);
    p.way[1].from = p.way[0].to = atoi(argv[2]);
    for (int i = 3; i < argc; i += 2) {
        int64_t v = strtoll(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--loss") == 0)
            p.loss_ppm = (uint32_t)v;
        else if (strcmp(argv[i], "--delay-us") == 0)
            p.delay_us = v;
        else if (strcmp(argv[i], "--rate") == 0 && v > 0)
            p.rate = v;
        else if (strcmp(argv[i], "--queue") == 0)
            p.queue = v;
        else if (strcmp(argv[i], "--seed") == 0 && v != 0)
            p.random = (uint64_t)v;
        else
            return usage();
    }
    for (int i = 0; i < 2; i++) {
        struct direction *d = &p.way[i];
        d->ring = calloc(PACKETS_MAX, sizeof(*d->ring));
        if (!d->ring || fcntl(d->from, F_SETFL, O_NONBLOCK) != 0) {
            fprintf(stderr, "lossy_path: %s\n", strerror(errno));
            return 1;
        }
    }
    run(&p);
    printf("{");
    for (int i = 0; i < 2; i++) {
        struct direction *d = &p.way[i];
        printf("%s\"%s\":{\"passed\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"dropped\":%" PRIu64 "}",
               i ? "," : "", i ? "back" : "forth", d->passed, d->lost, d->dropped);
        free(d->ring);
    }
    printf("}\n");
    return 0;
}

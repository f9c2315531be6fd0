/* store_crash.c - the process is killed at random moments; what it had reported as stored is there.
 *
 *     store_crash [rounds [seed]]
 *
 * A child opens the store, goes on with the story where it stopped, and writes the number of each
 * operation that came back with OK into a pipe. The parent kills it after a random time, reads the
 * pipe to its end, opens the store and compares. Each round goes on with the same store. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/rng.h"
#include "fixture.h"
#include "story.h"

#define ROUNDS        40
#define LIFE_USEC_MAX 50000
#define UNDER_WAY     150
#define SUBMIT_PER_TAG                                                                             \
    3 /* messages whose numbers a round leaves out, so that no number is used twice */

static void die(const char *what)
{
    (void)fprintf(stderr, "store_crash: %s\n", what);
    exit(1);
}

/* Child: never returns. The log is moved all the time, so that the end may come within that too. */
static void work(struct story *st, const char *dir, int fd)
{
    struct fixture f;
    const struct store_pace eager = {.wal_passive = 100000,
                                     .wal_restart = 1000000,
                                     .checkpoint_usec = USEC_SEC,
                                     .idle_usec = USEC_SEC};
    if (fixture_open(&f, dir, 1, &eager) < 0)
        die(f.text);
    fixture_start(&f);
    for (uint64_t under_way = 0;;) {
        while (under_way < UNDER_WAY) {
            if (st->next + STORY_STEPS >= (uint64_t)STORY_MAX * STORY_STEPS)
                _exit(0); /* the story is over */
            store_submit(f.s, story_next(st));
            under_way++;
        }
        struct store_op *op = fixture_take(&f);
        under_way--;
        if (story_body(st, op) != 0)
            _exit(2);
        /* One write of 8 bytes: whole or not at all. */
        if (op->rc == OK && write(fd, &op->tag, sizeof(op->tag)) != (ssize_t)sizeof(op->tag))
            _exit(3);
        store_op_free(op);
    }
}

/* Returns how many there were. The parent's story follows the child's: what came before an
 * acknowledged operation was submitted, and so may UNDER_WAY more have been, of which nothing was
 * heard. Their rows may be there, so the next round begins with the message after them. */
static uint64_t read_acks(struct story *st, int fd)
{
    uint64_t tag, last = st->next, n = 0;
    for (;;) {
        ssize_t got = read(fd, &tag, sizeof(tag));
        if (got < 0 && errno == EINTR)
            continue;
        if (got != (ssize_t)sizeof(tag))
            break;
        story_acked(st, tag);
        last = MAX(last, tag);
        n++;
    }
    while (st->next <= last + UNDER_WAY)
        store_op_free(story_next(st));
    while (st->next % STORY_STEPS != 0)
        store_op_free(story_next(st));
    return n;
}

/* Returns how many operations were acknowledged, or UINT64_MAX after a fault. */
static uint64_t round_of(struct story *st, const char *dir, struct rng *r)
{
    int p[2];
    int status = 0;
    if (pipe(p) < 0)
        die("no pipe");
    pid_t child = fork();
    if (child < 0)
        die("no child");
    if (child == 0) {
        (void)close(p[0]);
        work(st, dir, p[1]);
    }
    (void)close(p[1]);
    /* The pipe must not fill up: the child would stand still. 50 ms are at most some thousand. */
    (void)usleep((useconds_t)rng_below(r, LIFE_USEC_MAX));
    (void)kill(child, SIGKILL);
    uint64_t n = read_acks(st, p[0]);
    (void)close(p[0]);
    if (waitpid(child, &status, 0) != child)
        die("no child to wait for");
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
        return UINT64_MAX;
    return story_check(st, dir, STORY_ABOVE) == 0 ? n : UINT64_MAX;
}

int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
    unsigned long long seed =
        argc > 2 ? strtoull(argv[2], NULL, 10) : (unsigned long long)usec_now();
    struct rng r;
    uint64_t total = 0, empty = 0;
    struct story *st = calloc(1, sizeof(*st));
    char *dir =
        dir_new(false); /* a real disk: commits take their time, so more ends fall into them */
    if (!st)
        die("out of memory");
    log_nothing();
    st->body_bytes = 500;
    rng_init_seeded(&r, seed);
    printf("store_crash: seed %llu\n", seed);
    unsigned long round = 0;
    for (; round < rounds && st->next < (uint64_t)(STORY_MAX - 2000) * STORY_STEPS; round++) {
        uint64_t n = round_of(st, dir, &r);
        if (n == UINT64_MAX) {
            (void)fprintf(stderr, "store_crash: round %lu of seed %llu failed, files in %s\n",
                          round, seed, dir);
            return 1;
        }
        total += n;
        empty += n == 0;
    }
    printf("store_crash: %lu rounds, %" PRIu64 " operations acknowledged, all there (%" PRIu64
           " rounds ended before the first)\n",
           round, total, empty);
    dir_remove(dir);
    free(dir);
    free(st);
    return total > 0 ? 0 : 1;
}

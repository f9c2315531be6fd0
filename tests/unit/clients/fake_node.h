/* fake_node.h - an HTTP server on loopback that gives one prepared answer per connection. */
#pragma once
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "clients/commands.h"

#define FAKE_REQUEST_MAX 65536

struct fake_node {
    int listener;
    struct api_target target;
    pthread_t thread;
    const char *const *answers; /* whole answers, head and body; "" closes without one */
    size_t count;
    bool early;                     /* answer before the request's body is read, then close */
    char request[FAKE_REQUEST_MAX]; /* the last one, as much of it as fits; zero-terminated */
    uint64_t request_bytes;         /* its whole length */
};

/* Serves `count` connections, one after the other. */
void fake_node_start(struct fake_node *n, const char *const *answers, size_t count, bool early);
void fake_node_stop(struct fake_node *n); /* waits until all answers are given */

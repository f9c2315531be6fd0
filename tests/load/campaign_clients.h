/* campaign_clients.h - the clients of the campaign (campaign.c): who sends, who pops, who takes on
 * lease, and who asks at the end what the daemons still hold. Each has a request of its own under
 * way, makes it again when a kill cut it off where that does no harm, and enters what it was
 * answered into the books. */
#pragma once
#include "books.h"
#include "daemon.h"
#include "http_client.h"

#define CLIENTS_MAX 256
#define FETCH_MAX   8
#define TOKEN_MAX   64

enum kind { SENDER, POPPER, LEASER, WATCHER };

struct client {
    enum kind kind;
    int node;
    struct http_client http;
    bool ready;        /* http.out holds a request that is to be sent, or was */
    int64_t again_at;  /* ms; 0: not waiting */
    uint32_t asked_at; /* the clock of the books */
    uint32_t number;   /* sender */
    bool idle;         /* sender: no numbers left */
    bool acking, acking_again;
    uint32_t held[FETCH_MAX], n_held;
    char tokens[FETCH_MAX][TOKEN_MAX];
    uint32_t empty; /* watcher: how often in a row nothing was in outbox and inbox */
};

struct side {
    struct daemon daemon;
    const char *address;
    int64_t start_at; /* while it is down */
    bool ready;       /* answered since it was started */
    bool plain;       /* of another program */
    uint32_t next_number;
};

struct campaign {
    uint32_t kills, senders, takers, limit_s;
    uint32_t window; /* accepted and not delivered: more are not sent for now */
    bool victim[2];
    struct side d[2];
    struct books books;
    int epoll_fd;
    struct client c[CLIENTS_MAX];
    uint32_t n_clients;
    uint64_t random;
    int64_t started, kill_by, progress_at;
    uint64_t work, kill_at_work; /* answers that meant something */
    uint32_t done_kills, early_kills;
    bool stopped;   /* by the limit or a signal: no more is sent, no more kills */
    bool finishing; /* nothing came for a while: the watchers ask what the daemons still hold */
};

/* Those of both sides, by m->senders and m->takers. */
void clients_make(struct campaign *m);
/* Sends what is to be sent; now in ms. */
void client_step(struct campaign *m, struct client *c, int64_t now);
/* Its socket has something to read. */
void client_readable(struct campaign *m, struct client *c, int64_t now);

/* Senders that have numbers left. */
bool clients_sending(const struct campaign *m);
/* Nothing in any outbox and inbox, seen several times in a row. */
bool clients_all_empty(const struct campaign *m);

uint32_t random_below(struct campaign *m, uint32_t n);

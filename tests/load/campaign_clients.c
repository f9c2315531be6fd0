#include "campaign_clients.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_CAP     (128 * 1024)
#define IN_CAP      (512 * 1024)
#define FETCH_BYTES (256 * 1024)
#define RETRY_MS    5
#define REFUSED_MS  20
#define EMPTY_TIMES 5 /* the two are not asked at one moment */

uint32_t random_below(struct campaign *m, uint32_t n)
{
    m->random = m->random * 6364136223846793005 + 1442695040888963407;
    return n == 0 ? 0 : (uint32_t)((m->random >> 33) % n);
}

static void client_again(struct client *c, int64_t at)
{
    c->again_at = at;
}

static void send_request(struct campaign *m, struct client *c)
{
    struct plan p = books_plan(&m->books, c->number);
    struct http_client *h = &c->http;
    static uint8_t payload[BOOKS_SIZE_MAX];
    char start[256], topic[64], headers[160];
    const char *to = m->d[!c->node].address;
    topic[base64_encode(p.topic, strlen(p.topic), topic)] = 0;
    books_payload(&m->books, &p, payload);
    int n = snprintf(start, sizeof(start), "{\"dst\":{\"ip\":\"%s\"},\"topic\":\"%s\",", to, topic);
    if (!m->books.plain) /* a day: low priorities may wait for long under so many kills */
        n += snprintf(start + n, sizeof(start) - (size_t)n, "\"priority\":%u,\"ttlMs\":86400000,",
                      p.prio);
    n += snprintf(start + n, sizeof(start) - (size_t)n, "\"payload\":\"");
    snprintf(headers, sizeof(headers), "Content-Type: application/json\r\n");
    if (p.keyed)
        snprintf(headers, sizeof(headers),
                 "Content-Type: application/json\r\nIdempotency-Key: %llx-%x\r\n",
                 (unsigned long long)m->books.seed, p.number);
    http_begin(h, "POST", m->books.plain ? "/api/v1/messages" : "/bus/v1/messages", headers,
               (size_t)n + base64_len(p.size) + 2);
    http_append(h, start, (size_t)n);
    http_append_base64(h, payload, p.size);
    http_append(h, "\"}", 2);
}

static void pop_request(struct campaign *m, struct client *c)
{
    char path[96], topic[8], text[16] = "";
    if (!m->d[c->node].plain) {
        int n = snprintf(topic, sizeof(topic), "p/%u", random_below(m, 4));
        text[base64_encode(topic, (size_t)n, text)] = 0;
        snprintf(path, sizeof(path), "/api/v1/messages?timeout=%u&topic=%s",
                 random_below(m, 16) == 0, text); /* few wait long: the others are behind it */
    } else {
        snprintf(path, sizeof(path), "/api/v1/messages?timeout=0");
    }
    http_begin(&c->http, "GET", path, "", 0);
}

static void fetch_request(struct client *c)
{
    char body[160];
    int n = snprintf(body, sizeof(body),
                     "{\"prefix\":\"bC8=\",\"max\":%u,\"maxBytes\":%u,\"waitMs\":300}", FETCH_MAX,
                     FETCH_BYTES);
    http_begin(&c->http, "POST", "/bus/v1/messages/fetch", "Content-Type: application/json\r\n",
               (size_t)n);
    http_append(&c->http, body, (size_t)n);
}

static void ack_request(struct client *c)
{
    char body[FETCH_MAX * (TOKEN_MAX + 4) + 32];
    int n = snprintf(body, sizeof(body), "{\"tokens\":[");
    for (uint32_t i = 0; i < c->n_held; i++)
        n += snprintf(body + n, sizeof(body) - (size_t)n, "%s\"%s\"", i ? "," : "", c->tokens[i]);
    n += snprintf(body + n, sizeof(body) - (size_t)n, "]}");
    http_begin(&c->http, "POST", "/bus/v1/messages/ack", "Content-Type: application/json\r\n",
               (size_t)n);
    http_append(&c->http, body, (size_t)n);
}

static bool may_prepare(const struct campaign *m, struct client *c)
{
    if (c->kind == WATCHER && !m->finishing)
        c->empty = 0;
    if (c->kind == WATCHER)
        return m->finishing;
    return c->kind != SENDER ||
           m->books.accepted <= m->books.delivered + m->books.cut_pops + m->window;
}

/* Makes the next request, if there is one to be made. */
static bool client_prepare(struct campaign *m, struct client *c)
{
    struct side *d = &m->d[c->node];
    if (!may_prepare(m, c))
        return false;
    if (c->kind == WATCHER) {
        http_begin(&c->http, "GET", "/bus/v1/stats", "", 0);
    } else if (c->kind == LEASER) {
        c->acking = c->n_held > 0;
        c->acking_again = false;
        if (c->acking)
            ack_request(c);
        else
            fetch_request(c);
    } else if (c->kind == POPPER) {
        pop_request(m, c);
    } else {
        if (d->next_number >= m->books.count) {
            c->idle = true;
            return false;
        }
        c->number = d->next_number;
        d->next_number += 2;
        send_request(m, c);
    }
    c->ready = true;
    return true;
}

void client_step(struct campaign *m, struct client *c, int64_t now)
{
    if (c->http.asked || c->idle || now < c->again_at)
        return;
    client_again(c, now + RETRY_MS);
    if (!m->d[c->node].daemon.pid || (c->http.fd < 0 && !http_connect(&c->http, m->epoll_fd, c)))
        return;
    if (!c->ready && !client_prepare(m, c))
        return;
    c->asked_at = ++m->books.clock;
    http_send(&c->http);
}

/* The next one at once. */
static void client_next(struct campaign *m, struct client *c, int64_t now)
{
    c->ready = false;
    client_again(c, 0);
    client_step(m, c, now);
}

static void client_broken(struct campaign *m, struct client *c, int64_t now)
{
    bool asked = c->http.asked;
    c->http.asked = false;
    client_again(c, now + RETRY_MS);
    if (!asked)
        return;
    if (c->kind == SENDER && !books_plan(&m->books, c->number).keyed) {
        books_maybe(&m->books, c->number);
        c->ready = false;
    } else if (c->kind == POPPER) {
        m->books.cut_pops++;
        c->ready = false;
    } else if (c->kind == LEASER) {
        c->acking_again = c->acking;
    }
}

static void sender_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                          int64_t now)
{
    if (a->status == 201 || a->status == 200) {
        m->books.replayed += a->status == 200;
        books_accepted(&m->books, c->number);
        m->work++;
        client_next(m, c, now);
    } else if (a->status == 429 || a->status == 503) {
        client_again(c, now + REFUSED_MS);
    } else {
        fprintf(stderr, "message %u: %d %.200s\n", c->number, a->status, a->body);
        exit(2);
    }
}

static void pop_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                       int64_t now)
{
    const char *end = a->body + a->len;
    size_t topic_len = 0, payload_len = 0;
    c->ready = false;
    if (a->status != 200) {
        client_again(c, now + (a->status == 204 ? RETRY_MS : REFUSED_MS));
        return;
    }
    const char *topic = json_text(a->body, end, "topic", &topic_len);
    const char *payload = json_text(a->body, end, "payload", &payload_len);
    uint32_t number = books_identify(&m->books, topic ? topic : "", topic_len,
                                     payload ? payload : "", payload_len);
    if (number != UINT32_MAX)
        books_popped(&m->books, number, m->d[c->node].plain);
    m->work++;
    client_next(m, c, now);
}

static void fetch_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                         int64_t now)
{
    const char *end = a->body + a->len;
    const char *at = a->status == 200 ? memmem(a->body, a->len, "{\"id\":", 6) : NULL;
    c->n_held = 0;
    while (at && c->n_held < FETCH_MAX) {
        const char *next = memmem(at + 6, (size_t)(end - at) - 6, "{\"id\":", 6);
        const char *stop = next ? next : end;
        size_t topic_len = 0, payload_len = 0, token_len = 0;
        const char *topic = json_text(at, stop, "topic", &topic_len);
        const char *payload = json_text(at, stop, "payload", &payload_len);
        const char *token = json_text(at, stop, "token", &token_len);
        uint32_t number = books_identify(&m->books, topic ? topic : "", topic_len,
                                         payload ? payload : "", payload_len);
        if (number != UINT32_MAX && token && token_len < TOKEN_MAX) {
            books_shown(&m->books, number, json_number(at, stop, "redelivered", -1), c->asked_at);
            memcpy(c->tokens[c->n_held], token, token_len);
            c->tokens[c->n_held][token_len] = 0;
            c->held[c->n_held++] = number;
        }
        at = next;
    }
    if (a->status == 200 || a->status == 204) {
        client_next(m, c, now);
        return;
    }
    c->ready = false;
    client_again(c, now + REFUSED_MS);
}

static void ack_answer(struct campaign *m, struct client *c, const struct http_answer *a,
                       int64_t now)
{
    if (a->status != 200) { /* not stored: they are ours still */
        client_again(c, now + REFUSED_MS);
        return;
    }
    for (uint32_t i = 0; i < c->n_held; i++) {
        if (strstr(a->body, c->tokens[i]))
            books_ack_unknown(&m->books, c->held[i], c->acking_again);
        else
            books_acked(&m->books, c->held[i]);
        m->work++;
    }
    c->n_held = 0;
    client_next(m, c, now);
}

static void watcher_answer(struct client *c, const struct http_answer *a, int64_t now)
{
    const char *end = a->body + a->len;
    const char *inbox = a->status == 200 ? memmem(a->body, a->len, "\"inbox\":", 8) : NULL;
    bool empty = inbox && json_number(a->body, inbox, "messages", -1) == 0 &&
                 json_number(inbox, end, "messages", -1) == 0;
    c->empty = empty ? c->empty + 1 : 0;
    c->ready = false;
    client_again(c, now + REFUSED_MS);
}

void client_readable(struct campaign *m, struct client *c, int64_t now)
{
    struct http_answer a;
    switch (http_read(&c->http, &a)) {
    case HTTP_NOTHING:
        return;
    case HTTP_BROKEN:
        client_broken(m, c, now);
        return;
    case HTTP_ANSWER:
        break;
    }
    ++m->books.clock;
    m->d[c->node].ready = true;
    if (c->kind == SENDER)
        sender_answer(m, c, &a, now);
    else if (c->kind == POPPER)
        pop_answer(m, c, &a, now);
    else if (c->kind == WATCHER)
        watcher_answer(c, &a, now);
    else if (c->acking)
        ack_answer(m, c, &a, now);
    else
        fetch_answer(m, c, &a, now);
}

void clients_make(struct campaign *m)
{
    for (int node = 0; node < 2; node++) {
        uint32_t poppers = m->d[node].plain ? m->takers : 1; /* a kill cuts one pop off at most */
        uint32_t leasers = m->d[node].plain ? 0 : m->takers;
        uint32_t of_kind[] = {m->senders, poppers, leasers, m->d[node].plain ? 0 : 1};
        for (enum kind kind = SENDER; kind <= WATCHER; kind++)
            for (uint32_t i = 0; i < of_kind[kind] && m->n_clients < CLIENTS_MAX; i++) {
                struct client *c = &m->c[m->n_clients++];
                c->kind = kind;
                c->node = node;
                http_init(&c->http, m->d[node].daemon.port, OUT_CAP, IN_CAP);
            }
    }
}

bool clients_sending(const struct campaign *m)
{
    for (uint32_t i = 0; i < m->n_clients; i++)
        if (m->c[i].kind == SENDER && !m->c[i].idle)
            return true;
    return false;
}

/* A message whose answer was lost is not awaited by the books; it may be on its way all the same.
 */
bool clients_all_empty(const struct campaign *m)
{
    for (uint32_t i = 0; i < m->n_clients; i++)
        if (m->c[i].kind == WATCHER && m->c[i].empty < EMPTY_TIMES)
            return false;
    return true;
}

/* daemon.h - a daemon as a child process that is killed and started again and again. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct daemon {
    char name;
    uint16_t port;   /* of its API */
    const char *log; /* file for what it prints; appended to */
    char **command;
    pid_t pid; /* 0: down */
    uint32_t kills;
};

void daemon_start(struct daemon *d); /* exits with 2 when it cannot */
void daemon_kill(struct daemon *d);  /* SIGKILL, and waits for its end */
/* Exits with 2 when it ended by itself. */
void daemon_check(const struct daemon *d);

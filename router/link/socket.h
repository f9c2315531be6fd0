/* socket.h - what the transports share about sockets: options, ports, and why a call failed.
 *
 * Thread: any. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/macros.h"

/* Of an errno, as it is or negative: a constant for the log. (strerror() and uv_strerror() may
 * allocate.) */
const char *socket_why(int error);
/* SO_MARK; 0 asks for none. 0, or -1 with errno. */
MUST_CHECK int socket_mark(int fd, int mark);
/* Closes it, leaves errno as it is, and returns -1. */
int socket_give_up(int fd);
/* The port that a bound socket has. 0, or -1 with errno. */
MUST_CHECK int socket_port(int fd, uint16_t *ret);
/* IPv4, also as IPv4-mapped IPv6. */
bool socket_is_ipv4(const struct sockaddr_storage *a);

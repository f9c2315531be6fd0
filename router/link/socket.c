#include "router/link/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *socket_why(int error)
{
    switch (abs(error)) {
    case ECONNREFUSED:
        return "connection refused";
    case ECONNRESET:
        return "connection reset";
    case EPIPE:
        return "closed by the peer";
    case ETIMEDOUT:
        return "timed out";
    case ENETUNREACH:
        return "network unreachable";
    case EHOSTUNREACH:
        return "host unreachable";
    case EADDRNOTAVAIL:
        return "address not available";
    case EAFNOSUPPORT:
        return "address family not supported";
    case EPERM:
    case EACCES:
        return "not permitted";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case ENOMEM:
    case ENOBUFS:
        return "out of memory";
    default:
        return "connection failed";
    }
}

int socket_mark(int fd, int mark)
{
    return mark == 0 ? 0 : setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

int socket_give_up(int fd)
{
    int kept = errno;
    (void)close(fd);
    errno = kept;
    return -1;
}

int socket_port(int fd, uint16_t *ret)
{
    struct sockaddr_storage a;
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        return -1;
    struct sockaddr_in sin; /* the port stands at the same place in both families */
    memcpy(&sin, &a, sizeof(sin));
    *ret = ntohs(sin.sin_port);
    return 0;
}

bool socket_is_ipv4(const struct sockaddr_storage *a)
{
    struct sockaddr_in6 sin6;
    memcpy(&sin6, a, sizeof(sin6));
    return a->ss_family == AF_INET ||
           (a->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr));
}

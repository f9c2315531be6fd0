/* scope.h - who needs a token, and what a token allows: the words of configuration and token file.
 */
#pragma once

enum scope {
    SCOPE_READ = 1,    /* to look: GET without effects */
    SCOPE_SEND = 2,    /* messages and replies */
    SCOPE_RECEIVE = 4, /* to take, lease, settle and read messages */
    SCOPE_ADMIN = 8,   /* peers, topics, proxy, cancel, drop */
};
#define SCOPE_ALL (SCOPE_READ | SCOPE_SEND | SCOPE_RECEIVE | SCOPE_ADMIN)

enum guard_auth {
    GUARD_AUTO,   /* a token, but for a Unix socket, and for a loopback address without a proxy */
    GUARD_ALWAYS, /* a token, but for health and version */
    GUARD_OFF,    /* none */
};

#include "clients/child.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

extern char **environ;

/* The environment and what comes on top of it: the texts are borrowed. NULL: out of memory. */
static char **environment(char *const *more)
{
    size_t n = 0, added = 0;
    while (environ && environ[n])
        n++;
    while (more[added])
        added++;
    char **all = calloc(n + added + 1, sizeof(*all));
    if (!all)
        return NULL;
    if (n > 0)
        memcpy(all, environ, n * sizeof(*all));
    memcpy(all + n, more, added * sizeof(*all));
    return all;
}

int child_start(struct child *c, const char *command, int input, char *const *more)
{
    char sh[] = "sh", flag[] = "-c", *text = strdup(command);
    char *argv[] = {sh, flag, text, NULL};
    char **env = environment(more);
    posix_spawn_file_actions_t actions;
    int rc = ERR_NOMEM;
    pid_t pid = -1;
    if (!text || !env || posix_spawn_file_actions_init(&actions) != 0)
        goto out;
    int why = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (why == 0)
        why = posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    rc = why == 0 ? OK : err_from_errno(why);
    if (rc == OK)
        *c = (struct child){.pid = pid, .pidfd = pidfd_open(pid, 0)};
out:
    free(env);
    free(text);
    return rc;
}

bool child_wait(struct child *c, int ms, int *ret_status)
{
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
    int how = 0;
    if (c->pidfd >= 0)
        (void)poll(&p, 1, ms); /* a signal ends it early, which does no harm */
    /* A kernel without such descriptors: it is waited for as long as it takes. */
    pid_t pid = waitpid(c->pid, &how, c->pidfd >= 0 ? WNOHANG : 0);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    if (c->pidfd >= 0)
        close(c->pidfd);
    c->pidfd = -1;
    *ret_status = pid < 0 ? 1 : WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    return true;
}

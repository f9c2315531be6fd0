#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

void daemon_start(struct daemon *d)
{
    pid_t parent = getpid();
    d->pid = fork();
    if (d->pid < 0) {
        perror("fork");
        exit(2);
    }
    if (d->pid > 0)
        return;
    int fd = open(d->log, O_WRONLY | O_CREAT | O_APPEND, 0600),
        nothing = open("/dev/null", O_RDONLY);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fd < 0 || nothing < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0 || dup2(nothing, 0) < 0 ||
        getppid() != parent)
        _exit(127);
    execv(d->command[0], d->command);
    _exit(127);
}

void daemon_kill(struct daemon *d)
{
    int status;
    if (d->pid == 0)
        return;
    kill(d->pid, SIGKILL);
    while (waitpid(d->pid, &status, 0) < 0 && errno == EINTR)
        ;
    d->pid = 0;
    d->kills++;
}

void daemon_check(const struct daemon *d)
{
    int status;
    if (d->pid > 0 && waitpid(d->pid, &status, WNOHANG) == d->pid) {
        fprintf(stderr, "%c ended by itself: %s %d\n", d->name,
                WIFEXITED(status) ? "status" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        exit(2);
    }
}

#include "clients/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "clients/units.h"

#define PAUSE (USEC_SEC / 4)
#define WIDTH 24

void progress_begin(struct progress *p, uint64_t total)
{
    *p = (struct progress){
        .total = total, .next = usec_now() + PAUSE, .terminal = isatty(STDERR_FILENO) == 1};
}

void progress_at(struct progress *p, uint64_t done)
{
    char of[UNITS_TEXT_MAX], now[UNITS_TEXT_MAX], bar[WIDTH + 1];
    if (!p->terminal || p->total == 0 || usec_now() < p->next)
        return;
    p->next = usec_now() + PAUSE;
    p->shown = true;
    double part = (double)done / (double)p->total;
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < (int)(part * WIDTH) ? '#' : '.';
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %3d%%  %s of %s \033[K", bar, (int)(part * 100), bytes_text(done, now),
            bytes_text(p->total, of));
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = false;
}

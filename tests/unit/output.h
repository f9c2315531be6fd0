/* output.h - what a call writes to standard output and standard error, for tests of commands. */
#pragma once
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

struct output {
    char out[32768], err[8192]; /* filled by output_end() */
    FILE *files[2];
    int saved[2];
};

static inline void output_begin(struct output *o)
{
    FILE *streams[2] = {stdout, stderr};
    for (int i = 0; i < 2; i++) {
        fflush(streams[i]);
        o->files[i] = tmpfile();
        assert_non_null(o->files[i]);
        o->saved[i] = dup(i + 1);
        assert_int_equal(dup2(fileno(o->files[i]), i + 1), i + 1);
    }
}

static inline void output_end(struct output *o)
{
    FILE *streams[2] = {stdout, stderr};
    char *texts[2] = {o->out, o->err};
    size_t caps[2] = {sizeof(o->out), sizeof(o->err)};
    for (int i = 0; i < 2; i++) {
        fflush(streams[i]);
        (void)dup2(o->saved[i], i + 1);
        close(o->saved[i]);
        rewind(o->files[i]);
        texts[i][fread(texts[i], 1, caps[i] - 1, o->files[i])] = '\0';
        (void)fclose(o->files[i]);
    }
}

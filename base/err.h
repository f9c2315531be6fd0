/* err.h - the one list of error codes.
 *
 * Functions return OK (0) or a negative ERR_*. Outputs are written only on OK.
 * Thread: any. */
#pragma once

/* X(name, text): the text is what a person reads after "mycelium: ... : ". */
#define ERR_LIST(X)                                                                                \
    X(NOMEM, "out of memory")                                                                      \
    X(MALFORMED, "malformed input")                                                                \
    X(INVAL, "invalid argument")                                                                   \
    X(LIMIT, "a configured limit is reached")                                                      \
    X(TOOBIG, "larger than allowed")                                                               \
    X(NOENT, "not found")                                                                          \
    X(EXIST, "exists already")                                                                     \
    X(IO, "input/output error")                                                                    \
    X(NOSPACE, "no space left on the device")                                                      \
    X(CORRUPT, "stored data is damaged")                                                           \
    X(CRYPTO, "authentication of the data failed")                                                 \
    X(NOROUTE, "no route")                                                                         \
    X(BUSY, "busy")                                                                                \
    X(CLOSED, "closed")                                                                            \
    X(TIMEOUT, "timed out")                                                                        \
    X(PERM, "permission denied")                                                                   \
    X(STATE, "not possible in the present state")                                                  \
    X(UNSUPPORTED, "not supported")

enum err_index {
    ERR_INDEX_OK,
#define X(name, text) ERR_INDEX_##name,
    ERR_LIST(X)
#undef X
        ERR_INDEX_END
};

enum err {
    OK = 0,
#define X(name, text) ERR_##name = -(int)ERR_INDEX_##name,
    ERR_LIST(X)
#undef X
};

/* Text of an error code; lends a constant; never NULL, also for codes that are not ours. */
const char *err_str(int rc);

/* The ERR_* that an errno value stands for; ERR_IO where nothing fits better. */
int err_from_errno(int errno_value);

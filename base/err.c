#include "base/err.h"

#include <errno.h>
#include <stddef.h>

#include "base/macros.h"

static const char *const err_text[] = {[ERR_INDEX_OK] = "ok",
#define X(name, text) [ERR_INDEX_##name] = (text),
                                       ERR_LIST(X)
#undef X
};

_Static_assert(ARRAY_LEN(err_text) == ERR_INDEX_END, "one text per code");

const char *err_str(int rc)
{
    if (rc > 0 || rc <= -(int)ERR_INDEX_END)
        return "unknown error";
    return err_text[-rc];
}

int err_from_errno(int errno_value)
{
    switch (errno_value) {
    case ENOMEM:
    case ENOBUFS:
        return ERR_NOMEM;
    case EINVAL:
        return ERR_INVAL;
    case ENOENT:
    case ENOTDIR:
    case ENODEV:
    case ENXIO:
        return ERR_NOENT;
    case EEXIST:
    case EADDRINUSE:
        return ERR_EXIST;
    case ENOSPC:
    case EDQUOT:
        return ERR_NOSPACE;
    case EPERM:
    case EACCES:
    case EROFS:
        return ERR_PERM;
    case EFBIG:
    case ENAMETOOLONG:
    case EMSGSIZE:
        return ERR_TOOBIG;
    case EMFILE:
    case ENFILE:
        return ERR_LIMIT;
    case EBUSY:
    case EAGAIN:
        return ERR_BUSY;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
        return ERR_CLOSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
        return ERR_NOROUTE;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
        return ERR_UNSUPPORTED;
    default:
        return ERR_IO;
    }
}

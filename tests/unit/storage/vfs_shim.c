#include "vfs_shim.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 16

static struct {
    pthread_mutex_t lock;
    sqlite3_vfs vfs, *real;
    long calls, nth;
    int result;
    bool forever;

    bool recording;
    struct shim_event *ev;
    size_t count, cap;
    char names[FILES_MAX][64];
} shim = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct shim_file {
    sqlite3_file base;
    int index;
    sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct shim_file *)(void *)f)->real;
}

static int index_of(sqlite3_file *f)
{
    return ((struct shim_file *)(void *)f)->index;
}

/* --- faults ------------------------------------------------------------------------------- */

void shim_fail(long nth, int result, bool forever)
{
    pthread_mutex_lock(&shim.lock);
    shim.calls = 0;
    shim.nth = nth;
    shim.result = result;
    shim.forever = forever;
    pthread_mutex_unlock(&shim.lock);
}

long shim_calls(void)
{
    pthread_mutex_lock(&shim.lock);
    long n = shim.calls;
    pthread_mutex_unlock(&shim.lock);
    return n;
}

static int next_result(void)
{
    pthread_mutex_lock(&shim.lock);
    long n = ++shim.calls;
    bool hit = shim.nth > 0 && (n == shim.nth || (shim.forever && n > shim.nth));
    int e = hit ? shim.result : SQLITE_OK;
    pthread_mutex_unlock(&shim.lock);
    return e;
}

/* --- recording ---------------------------------------------------------------------------- */

static void record(enum shim_what what, int file, uint64_t at, const void *bytes, size_t len)
{
    pthread_mutex_lock(&shim.lock);
    if (shim.recording) {
        if (shim.count == shim.cap) {
            shim.cap = shim.cap * 2 + 1024;
            shim.ev = realloc(shim.ev, shim.cap * sizeof(*shim.ev));
            if (!shim.ev)
                abort();
        }
        struct shim_event *e = &shim.ev[shim.count++];
        *e = (struct shim_event){.what = what, .file = file, .at = at, .len = (uint32_t)len};
        if (len > 0) {
            e->bytes = malloc(len);
            if (!e->bytes)
                abort();
            memcpy(e->bytes, bytes, len);
        }
    }
    pthread_mutex_unlock(&shim.lock);
}

void shim_record(bool on)
{
    pthread_mutex_lock(&shim.lock);
    shim.recording = on;
    if (on) {
        for (size_t i = 0; i < shim.count; i++)
            free(shim.ev[i].bytes);
        free(shim.ev);
        shim.ev = NULL;
        shim.count = shim.cap = 0;
    }
    pthread_mutex_unlock(&shim.lock);
}

void shim_mark(uint64_t number)
{
    record(SHIM_MARK, -1, number, NULL, 0);
}

size_t shim_events(const struct shim_event **ret)
{
    *ret = shim.ev;
    return shim.count;
}

static int name_index(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    int found = -1;
    if (!name)
        return -1; /* a temporary file of SQLite */
    pthread_mutex_lock(&shim.lock);
    for (int i = 0; i < FILES_MAX && found < 0; i++) {
        if (shim.names[i][0] == '\0')
            strncpy(shim.names[i], name, sizeof(shim.names[i]) - 1);
        if (strcmp(shim.names[i], name) == 0)
            found = i;
    }
    pthread_mutex_unlock(&shim.lock);
    return found;
}

const char *shim_name(int file)
{
    return file >= 0 && file < FILES_MAX && shim.names[file][0] != '\0' ? shim.names[file] : NULL;
}

/* --- files -------------------------------------------------------------------------------- */

static int f_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int f_read(sqlite3_file *f, void *buf, int len, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), buf, len, at);
}

static int f_write(sqlite3_file *f, const void *buf, int len, sqlite3_int64 at)
{
    int e = next_result();
    int n = e == SQLITE_OK ? len : len / 2;
    int real = real_of(f)->pMethods->xWrite(real_of(f), buf, n, at);
    record(SHIM_WRITE, index_of(f), (uint64_t)at, buf, (size_t)n);
    return e == SQLITE_OK ? real : e;
}

static int f_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int e = next_result();
    if (e != SQLITE_OK)
        return e;
    record(SHIM_CUT, index_of(f), (uint64_t)size, NULL, 0);
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int f_sync(sqlite3_file *f, int flags)
{
    int e = next_result();
    if (e != SQLITE_OK)
        return e;
    e = real_of(f)->pMethods->xSync(real_of(f), flags);
    record(SHIM_SYNC, index_of(f), 0, NULL, 0);
    return e;
}

static int f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), ret);
}

static int f_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int f_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int f_reserved(sqlite3_file *f, int *ret)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret);
}

static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int f_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

/* Nothing is promised: neither that a write is whole nor that a page is safe beside another. */
static int f_traits(sqlite3_file *f)
{
    (void)f;
    return 0;
}

static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, ret);
}

static int f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void f_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int f_shm_unmap(sqlite3_file *f, int unlink_it)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), unlink_it);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_traits,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    (void)v;
    struct shim_file *sf = (struct shim_file *)(void *)f;
    sf->base.pMethods = NULL;
    sf->index = name_index(name);
    sf->real = (sqlite3_file *)(void *)(sf + 1);
    int e = shim.real->xOpen(shim.real, name, sf->real, flags, ret_flags);
    if (sf->real->pMethods)
        sf->base.pMethods = &methods;
    return e;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
    (void)v;
    int e = shim.real->xDelete(shim.real, name, sync_dir);
    if (e == SQLITE_OK)
        record(SHIM_DELETE, name_index(name), sync_dir ? 1 : 0, NULL, 0);
    return e;
}

void shim_install(void)
{
    shim.real = sqlite3_vfs_find(NULL);
    shim.vfs = *shim.real; /* what is not about files goes to the system's functions as it is */
    shim.vfs.szOsFile = (int)sizeof(struct shim_file) + shim.real->szOsFile;
    shim.vfs.zName = "shim";
    shim.vfs.pNext = NULL;
    shim.vfs.xOpen = v_open;
    shim.vfs.xDelete = v_delete;
    if (sqlite3_vfs_register(&shim.vfs, 1) != SQLITE_OK)
        abort();
}

/* Writes down what a process does to the files of one folder, in order, for a disk to be played back.

   Loaded before the C library (LD_PRELOAD). Only files below POWER_CUT_FOLDER are told, to the file
   POWER_CUT_LOG; the calls themselves go on unchanged. One record: operation (1 byte), length of the
   path (4), offset (8), length of the data (8), path, data; numbers in the machine's own order.
   Operations: O made, W written, T cut to the offset, S synced, U removed, R renamed (data: the new
   path), D the folder itself synced. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES_MAX 4096
#define REAL(name) ((name##_fn)real(#name))

static char *path_of[FILES_MAX];
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int log_file = -1;

typedef int (*open_fn)(const char *, int, ...);
typedef int (*openat_fn)(int, const char *, int, ...);
typedef int (*close_fn)(int);
typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite64_fn)(int, const void *, size_t, off64_t);
typedef int (*ftruncate64_fn)(int, off64_t);
typedef int (*fsync_fn)(int);
typedef int (*unlink_fn)(const char *);
typedef int (*rename_fn)(const char *, const char *);

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

static const char *folder(void) {
    const char *found = getenv("POWER_CUT_FOLDER");
    return found ? found : "/nowhere";
}

static int is_ours(const char *path) {
    size_t length = strlen(folder());
    return strncmp(path, folder(), length) == 0 && (path[length] == '/' || path[length] == 0);
}

static const char *known(int file) {
    return file >= 0 && file < FILES_MAX ? path_of[file] : NULL;
}

static void put(const void *data, size_t length) {
    const char *at = data;
    while (length > 0) {
        ssize_t done = REAL(write)(log_file, at, length);
        if (done <= 0) abort();
        at += done;
        length -= (size_t)done;
    }
}

static void tell(char what, const char *path, int64_t offset, const void *data, uint64_t length) {
    uint32_t path_length = (uint32_t)strlen(path);
    if (log_file < 0) {
        const char *name = getenv("POWER_CUT_LOG");
        if (!name) return;
        log_file = REAL(open)(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log_file < 0) abort();
    }
    put(&what, 1);
    put(&path_length, 4);
    put(&offset, 8);
    put(&length, 8);
    put(path, path_length);
    if (length) put(data, length);
}

static int remember(int file, const char *path, int flags, int was_there) {
    if (file < 0 || file >= FILES_MAX || !is_ours(path)) return file;
    pthread_mutex_lock(&turn);
    free(path_of[file]);
    path_of[file] = strdup(path);
    if ((flags & O_CREAT) && !was_there) tell('O', path, 0, NULL, 0);
    if (flags & O_TRUNC) tell('T', path, 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    return file;
}

static int there(const char *path) { return access(path, F_OK) == 0; }

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & O_CREAT) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *path, int flags, ...) {
    MODE_OF(flags)
    int before = there(path);
    return remember(REAL(open)(path, flags, mode), path, flags, before);
}

int open64(const char *path, int flags, ...) {
    MODE_OF(flags)
    int before = there(path);
    return remember(REAL(open)(path, flags | O_LARGEFILE, mode), path, flags, before);
}

int openat(int at, const char *path, int flags, ...) {
    MODE_OF(flags)
    int before = there(path);
    return remember(REAL(openat)(at, path, flags, mode), path, flags, before);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE_OF(flags)
    int before = there(path);
    return remember(REAL(openat)(at, path, flags | O_LARGEFILE, mode), path, flags, before);
}

int close(int file) {
    pthread_mutex_lock(&turn);
    if (known(file)) {
        free(path_of[file]);
        path_of[file] = NULL;
    }
    pthread_mutex_unlock(&turn);
    return REAL(close)(file);
}

ssize_t write(int file, const void *data, size_t length) {
    if (!known(file)) return REAL(write)(file, data, length);
    pthread_mutex_lock(&turn);
    struct stat state;
    int flags = fcntl(file, F_GETFL);
    off64_t at = lseek64(file, 0, SEEK_CUR);
    if ((flags & O_APPEND) && fstat(file, &state) == 0) at = state.st_size;
    ssize_t done = REAL(write)(file, data, length);
    if (done > 0) tell('W', path_of[file], at, data, (uint64_t)done);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    if (!known(file)) return REAL(pwrite64)(file, data, length, at);
    pthread_mutex_lock(&turn);
    ssize_t done = REAL(pwrite64)(file, data, length, at);
    if (done > 0) tell('W', path_of[file], at, data, (uint64_t)done);
    pthread_mutex_unlock(&turn);
    return done;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    return pwrite64(file, data, length, at);
}

int ftruncate64(int file, off64_t length) {
    pthread_mutex_lock(&turn);
    int done = REAL(ftruncate64)(file, length);
    if (done == 0 && known(file)) tell('T', path_of[file], length, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

static int synced(int file, int done) {
    if (done != 0 || !known(file)) return done;
    pthread_mutex_lock(&turn);
    tell(strcmp(path_of[file], folder()) == 0 ? 'D' : 'S', path_of[file], 0, NULL, 0);
    pthread_mutex_unlock(&turn);
    return done;
}

int fsync(int file) { return synced(file, REAL(fsync)(file)); }

int fdatasync(int file) { return synced(file, ((fsync_fn)real("fdatasync"))(file)); }

int unlink(const char *path) {
    int done = REAL(unlink)(path);
    if (done == 0 && is_ours(path)) {
        pthread_mutex_lock(&turn);
        tell('U', path, 0, NULL, 0);
        pthread_mutex_unlock(&turn);
    }
    return done;
}

int rename(const char *from, const char *to) {
    int done = REAL(rename)(from, to);
    if (done == 0 && is_ours(to)) {
        pthread_mutex_lock(&turn);
        tell('R', from, 0, to, strlen(to));
        pthread_mutex_unlock(&turn);
    }
    return done;
}

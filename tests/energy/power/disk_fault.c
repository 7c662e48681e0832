/* A disk that refuses: the k-th write or sync to the files of one folder fails, once or for good.
   Where the error is ENOSPC only what would make a file longer counts and fails, as on a full disk.

   Loaded before the C library (LD_PRELOAD). What fails is asked of the file DISK_FAULT_PLAN at each
   call: "COUNT ERROR once|good"; without that file nothing fails. COUNT counts from the moment
   that the plan is first seen; ERROR is the number of ENOSPC, EIO or another. How many calls there
   were is written to DISK_FAULT_PLAN.seen at each of them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) ((name##_fn)dlsym(RTLD_NEXT, #name))

typedef ssize_t (*write_fn)(int, const void *, size_t);
typedef ssize_t (*pwrite64_fn)(int, const void *, size_t, off64_t);
typedef int (*ftruncate64_fn)(int, off64_t);
typedef int (*fsync_fn)(int);
typedef int (*fdatasync_fn)(int);

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static long seen = 0;

static int is_ours(int file) {
    char name[64], path[PATH_MAX];
    const char *folder = getenv("DISK_FAULT_FOLDER");
    if (!folder || file < 3) return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

static int grows(int file, off64_t end) {
    struct stat state;
    return fstat(file, &state) == 0 && end > state.st_size;
}

/* The error of this call, which writes up to `end` (-1: a sync); 0 where it goes on. */
static int refused(int file, off64_t end) {
    if (!is_ours(file)) return 0;
    int error = 0;
    pthread_mutex_lock(&turn);
    FILE *plan = fopen(getenv("DISK_FAULT_PLAN"), "r");
    if (plan) {
        long count;
        int number;
        char how[8] = "";
        if (fscanf(plan, "%ld %d %7s", &count, &number, how) == 3 &&
            (number != ENOSPC || grows(file, end))) {
            seen++;
            if (seen == count || (seen > count && strcmp(how, "good") == 0)) error = number;
            char name[PATH_MAX];
            snprintf(name, sizeof name, "%s.seen", getenv("DISK_FAULT_PLAN"));
            FILE *told = fopen(name, "w");
            if (told) {
                fprintf(told, "%ld", seen);
                fclose(told);
            }
        }
        fclose(plan);
    } else {
        seen = 0;
    }
    pthread_mutex_unlock(&turn);
    if (error) errno = error;
    return error;
}

ssize_t write(int file, const void *data, size_t length) {
    off64_t at = lseek64(file, 0, SEEK_CUR);
    return refused(file, at + (off64_t)length) ? -1 : REAL(write)(file, data, length);
}

ssize_t pwrite64(int file, const void *data, size_t length, off64_t at) {
    return refused(file, at + (off64_t)length) ? -1 : REAL(pwrite64)(file, data, length, at);
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) {
    return refused(file, at + (off64_t)length) ? -1 : REAL(pwrite64)(file, data, length, at);
}

int ftruncate64(int file, off64_t length) {
    return refused(file, length) ? -1 : REAL(ftruncate64)(file, length);
}

int ftruncate(int file, off_t length) { return ftruncate64(file, length); }

int fsync(int file) { return refused(file, -1) ? -1 : REAL(fsync)(file); }

int fdatasync(int file) { return refused(file, -1) ? -1 : REAL(fdatasync)(file); }

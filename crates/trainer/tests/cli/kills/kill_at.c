// A library for LD_PRELOAD that kills the process at its N-th call that changes the file system.
//
// KILL_AT is N, counted from 1 over all threads. A write is cut in half first. KILL_COUNT is a file that receives the
// number of calls of a process that exits by itself.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static int is_due(void) {
    const char *at = getenv("KILL_AT");
    return atomic_fetch_add(&calls, 1) + 1 == (at ? atol(at) : 0);
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static void count(void) {
    if (is_due()) die();
}

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("KILL_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld", atomic_load(&calls));
        fclose(file);
    }
}

static int is_file(int fd) {
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t length) {
    if (is_file(fd) && is_due()) {
        REAL(write)(fd, bytes, length / 2);
        die();
    }
    return REAL(write)(fd, bytes, length);
}

// Calls that open a file count if they can create or empty it.
#define OPENED(name, parameters, arguments) \
    int name parameters { \
        va_list rest; \
        va_start(rest, flags); \
        mode_t mode = va_arg(rest, mode_t); \
        va_end(rest); \
        if (flags & (O_CREAT | O_TRUNC)) count(); \
        return REAL(name) arguments; \
    }

OPENED(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENED(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPENED(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

// Every other call is counted and passed on.
#define COUNTED(name, parameters, arguments) \
    int name parameters { count(); return REAL(name) arguments; }

COUNTED(mkdir, (const char *path, mode_t mode), (path, mode))
COUNTED(rmdir, (const char *path), (path))
COUNTED(unlink, (const char *path), (path))
COUNTED(unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
COUNTED(rename, (const char *from, const char *to), (from, to))
COUNTED(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
COUNTED(link, (const char *from, const char *to), (from, to))
COUNTED(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
COUNTED(ftruncate64, (int fd, off64_t length), (fd, length))
COUNTED(fsync, (int fd), (fd))
COUNTED(fdatasync, (int fd), (fd))

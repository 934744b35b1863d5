/* Put under a server by LD_PRELOAD: what the system would do on a bad day, switched on and off by files in $PENSTOCK_FAULTS.
 *
 *   clock    seconds by which the wall clock is wrong, may be negative; the monotonic clock is never touched
 *   accept   the errno with which accept4 fails
 *   fork     the errno with which fork fails
 *
 * Each file holds one number; without the file nothing is wrong. Looked at on every call, which is slow and simple.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* The number in that file; 0 without one. */
static long fault(const char *name) {
    int before = errno;
    const char *directory = getenv("PENSTOCK_FAULTS");
    char path[512], text[32];
    if (directory == NULL || snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path)
        return 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        errno = before;
        return 0;
    }
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    text[length > 0 ? length : 0] = 0;
    errno = before;
    return atol(text);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*original)(clockid_t, struct timespec *);
    if (original == NULL)
        original = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = original(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += fault("clock");
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (where != NULL)
        *where = exact.tv_sec;
    return exact.tv_sec;
}

int accept4(int listener, struct sockaddr *restrict address, socklen_t *restrict length, int flags) {
    static int (*original)(int, struct sockaddr *restrict, socklen_t *restrict, int);
    if (original == NULL)
        original = (int (*)(int, struct sockaddr *restrict, socklen_t *restrict, int))dlsym(RTLD_NEXT, "accept4");
    int number = (int)fault("accept");
    if (number != 0) {
        errno = number;
        return -1;
    }
    return original(listener, address, length, flags);
}

pid_t fork(void) {
    static pid_t (*original)(void);
    if (original == NULL)
        original = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    int number = (int)fault("fork");
    if (number != 0) {
        errno = number;
        return -1;
    }
    return original();
}

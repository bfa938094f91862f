/* Users of a closed loop: from the answer to one's request to the next request without Python (see turns.py).
 *
 * Waits for answers in the epoll of the pool, takes those that look like the last one of their request and sends the
 * next request on the same connection. Whatever is unusual ends it and is left to Python. Allocates nothing, keeps
 * nothing. Times are CLOCK_MONOTONIC in nanoseconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "quick.h"

#define MOST 64 /* answers taken between two looks at the clock */
#define TICK 1000000LL /* epoll waits in milliseconds */

API const int soak_load_abi = ABI;

struct turns {
    /* Of each turn: what is sent (-1: not by us); the request that was answered before, and how long that took */
    const int32_t *next;
    int32_t *landed;
    int64_t *took;
    /* By descriptor: the request on its way (-1: not one of ours), when it was sent, how many turns there were */
    int32_t *what;
    int64_t *fired;
    int32_t *count;
    const struct request *requests;
    char *buffer;
    int64_t buffer_size;
    int64_t until;
    int32_t epoll;
    int32_t descriptors; /* the tables by descriptor end there */
    /* Why it ended */
    int32_t stranger; /* 1: there is something on a descriptor that is not ours */
    int32_t odd_fd;   /* whose answer in `buffer` is unusual, or whose request did not go out as a whole; -1: none is */
    int64_t odd_length; /* of the answer; below 0: the error that reading met, negative */
    int64_t unsent; /* bytes of the request that did not fit into the socket, or met an error there; 0: see odd_length */
};

/* What is on a descriptor of ours; 1 when that was turn `at`, 0 when it was nothing, -1 when it is left to Python. */
static int turn(struct turns *t, int32_t at, int32_t fd) {
    ssize_t length = recv(fd, t->buffer, (size_t)t->buffer_size, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    int64_t moment = now();
    if (t->next[at] < 0 || !alike(&t->requests[t->what[fd]], t->buffer, length)) {
        t->odd_fd = fd;
        t->odd_length = length < 0 ? -errno : length;
        return -1;
    }
    t->landed[at] = t->what[fd];
    t->took[at] = moment - t->fired[fd];
    t->what[fd] = t->next[at];
    t->fired[fd] = moment;
    t->count[fd]++;
    const struct request *request = &t->requests[t->what[fd]];
    ssize_t sent = send(fd, request->data, (size_t)request->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    t->unsent = request->length - (sent > 0 ? sent : 0);
    if (t->unsent) {
        t->odd_fd = fd;
    }
    return 1;
}

/* Take turns from number `first` on, up to `end`, until something is unusual; the number of the next one. */
API int32_t soak_turns(struct turns *t, int32_t first, int32_t end) {
    struct epoll_event events[MOST];
    int32_t at = first;
    t->stranger = 0;
    t->odd_fd = -1;
    t->odd_length = t->unsent = 0;
    while (at < end) {
        int64_t left = (t->until - now()) / TICK;
        int most = end - at < MOST ? end - at : MOST;
        int found = left > 0 ? epoll_wait(t->epoll, events, most, (int)left) : 0;
        if (found <= 0) {
            return at; /* the time is over, or a signal */
        }
        for (int i = 0; i < found; i++) {
            int fd = events[i].data.fd;
            if (fd < 0 || fd >= t->descriptors || t->what[fd] < 0) {
                t->stranger = 1;
                return at;
            }
            int taken = turn(t, at, fd);
            at += taken > 0;
            if (t->odd_fd >= 0) {
                return at;
            }
        }
    }
    return at;
}

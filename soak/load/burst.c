/* Requests of an open loop in close succession: from one to the next without Python (see burst.py).
 *
 * Sleeps until each is due, sends it on an idle connection, and takes answers that look like the last one of their
 * request off their sockets. Whatever is unusual ends the burst and is left to Python. Allocates nothing, keeps nothing.
 * Times are CLOCK_MONOTONIC in nanoseconds; the kernel's stamps are CLOCK_REALTIME.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>

#include "quick.h"

#define TRIES 8 /* answers that are looked for at a time, the oldest first */

struct burst {
    /* Of each arrival: when it is due and what is sent (-1: not by us); then what became of it, 0 where it did not */
    const int64_t *due;
    const int32_t *what;
    int32_t *fd;
    int64_t *fired;
    int64_t *stamp; /* the kernel's, of its answer */
    int64_t *taken; /* when its answer had been read */
    const struct request *requests;
    int32_t *idle; /* descriptors, the one to be used next last */
    char *buffer;
    int64_t buffer_size;
    int64_t near; /* longer than this is not slept here */
    int32_t idle_count;
    /* Why it ended */
    int32_t unsent; /* bytes of the last request that did not fit into its socket */
    int64_t odd_fd; /* whose answer in `buffer` is unusual; -1: none is */
    int64_t odd_length; /* below 0: the error that reading met, negative */
    int64_t odd_stamp; /* 0: the kernel gave none */
};

static int64_t stamp_of(struct msghdr *message) {
    for (struct cmsghdr *note = CMSG_FIRSTHDR(message); note; note = CMSG_NXTHDR(message, note)) {
        if (note->cmsg_level == SOL_SOCKET && note->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec t;
            memcpy(&t, CMSG_DATA(note), sizeof t);
            return t.tv_sec * SECOND + t.tv_nsec;
        }
    }
    return 0;
}

/* Read the answer to arrival `at`; 0 when it is not just like the one before it. */
static int answer(struct burst *b, int32_t at) {
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(struct timespec))];
    } notes;
    struct iovec piece = {b->buffer, (size_t)b->buffer_size};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = &notes, .msg_controllen = sizeof notes};
    const struct request *request = &b->requests[b->what[at]];
    ssize_t length = recvmsg(b->fd[at], &message, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 1;
    }
    int64_t stamp = length < 0 ? 0 : stamp_of(&message);
    if (!stamp || !alike(request, b->buffer, length)) {
        b->odd_fd = b->fd[at];
        b->odd_length = length < 0 ? -errno : length;
        b->odd_stamp = stamp;
        return 0;
    }
    b->stamp[at] = stamp;
    b->taken[at] = now();
    b->idle[b->idle_count++] = b->fd[at];
    return 1;
}

/* Read what has arrived for the arrivals from `first` to before `last`; 0 when there is more to it than that.
 *
 * To try is less work than to ask first: most of the time there is one, and its answer is there. The connections of
 * others, idle or busy before this burst, can wait until it is over.
 */
static int take(struct burst *b, int32_t first, int32_t last) {
    int tries = 0;
    for (int32_t at = first; at < last && tries < TRIES; at++) {
        if (!b->taken[at]) {
            tries++;
            if (!answer(b, at)) {
                return 0;
            }
        }
    }
    return 1;
}

/* Fire the arrivals from `first` on, up to `end`, until something is unusual; the number of the next one. */
API int32_t soak_burst(struct burst *b, int32_t first, int32_t end) {
    b->unsent = 0;
    b->odd_fd = -1;
    for (int32_t at = first; at < end; at++) {
        int64_t due = b->due[at];
        if (b->what[at] < 0 || !b->idle_count || due - now() > b->near) {
            return at;
        }
        struct timespec until = {due / SECOND, due % SECOND};
        if (due > now() && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0) {
            return at; /* a signal */
        }
        const struct request *request = &b->requests[b->what[at]];
        int32_t fd = b->idle[b->idle_count - 1];
        int64_t fired = now();
        ssize_t sent = send(fd, request->data, (size_t)request->length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            return at; /* the next one who writes there meets the error as well */
        }
        b->idle_count--;
        b->fd[at] = fd;
        b->fired[at] = fired;
        b->unsent = (int32_t)(request->length - sent);
        if (b->unsent || !take(b, first, at)) {
            return at + 1;
        }
    }
    return end;
}

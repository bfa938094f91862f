"""Forks with a C fork handler that waits for a lock, while a thread that holds it frees sampled memory.

The handler runs while the sampler's own fork handler already holds the sampler's lock: whoever waits for that lock with
the other in hand would never get on.
"""

import ctypes
import os
import threading

from common import answer, ready, total

libc = ctypes.CDLL(None)
lock = ctypes.create_string_buffer(64)  # a pthread_mutex_t, all zero
pthread_lock, pthread_unlock = libc.pthread_mutex_lock, libc.pthread_mutex_unlock
Handler = ctypes.CFUNCTYPE(None)
address = ctypes.addressof(lock)
take, give = (
    Handler(lambda: pthread_lock(ctypes.c_void_p(address))),
    Handler(lambda: pthread_unlock(ctypes.c_void_p(address))),
)
raw_malloc, raw_free = libc.PyMem_RawMalloc, libc.PyMem_RawFree
raw_malloc.restype, raw_free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
going = True


def hold_and_free():
    """Frees (without the GIL) what was sampled, with the lock in hand."""
    while going:
        blocks = [raw_malloc(ctypes.c_size_t(5000)) for _ in range(20)]
        pthread_lock(ctypes.c_void_p(address))
        for block in blocks:
            raw_free(block)
        pthread_unlock(ctypes.c_void_p(address))


def known():
    """Alive before the forks and after them."""
    return [bytes(2000) for _ in range(500)]


# glibc's pthread_atfork is not exported; __register_atfork is what it calls. Prepare handlers run last registered
# first, so this one, registered before the sampler's, runs after it: with the sampler's lock held.
# None for the child: Python code there, before the GIL has been put right, may wait for threads that are gone.
libc.__register_atfork(take, give, None, None)
sampler = ready()
sampler.start(64)
kept = known()
threads = [threading.Thread(target=hold_and_free) for _ in range(2)]
for thread in threads:
    thread.start()
codes = []
for _ in range(100):
    pid = os.fork()
    if not pid:
        os._exit(0)
    codes.append(os.waitpid(pid, 0)[1])
going = False
for thread in threads:
    thread.join()
answer(codes=codes, before=total(sampler.read(0), "known"))

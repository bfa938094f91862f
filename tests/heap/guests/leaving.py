"""Ends while daemon threads allocate and the sampler is on; in `how` ways."""

import os
import sys
import threading

from common import answer, ready


def churn():
    """Never stops; the interpreter's end stops it."""
    while True:
        [bytearray(n) for n in range(0, 4000, 100)]
        os.stat("/")  # gives up the GIL, and uses the raw domain


class Late:
    """Allocates while the interpreter is being torn down."""

    def __del__(self):
        self.more = [bytes(1000) for _ in range(100)]


sampler = ready()
sampler.start(64)
for _ in range(4):
    threading.Thread(target=churn, daemon=True).start()
late = Late()
late.itself = late
answer(sites=len(sampler.read(0)) > 0)
sys.stdout.flush()
if sys.argv[1] == "_exit":
    os._exit(0)
if sys.argv[1] == "exit":
    sys.exit(0)

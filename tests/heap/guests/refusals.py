"""Asks the sampler to run where it must not; prints the reasons it gives."""

import os
import sys

from common import answer, load

found = {}
missing = load()
missing._path = "/nonexistent/_soak_heap.so"
found["no library"] = missing.available()[1]
alien = load()
alien._path = os.__file__
found["not a library"] = alien.available()[1]

sampler = load()
sampler.available()
for minor in (8, 9, 10, 11, 12, 13, 14, 15):
    if minor != sys.version_info[1]:
        found[f"the layout of 3.{minor}"] = (
            sampler._refusal(sampler._gil.soak_heap_prepare, minor) or sampler._self_test()
        )
found["its own layout again"] = (
    sampler._refusal(sampler._gil.soak_heap_prepare, sys.version_info[1]) or sampler._self_test() or "fine"
)

if sys.version_info[1] < 13:
    import _xxsubinterpreters as interpreters
else:
    import _interpreters as interpreters
other = interpreters.create()
late = load()
found["a subinterpreter"] = late.available()[1]
interpreters.destroy(other)
try:
    late.start()
except RuntimeError as error:
    found["start after a refusal"] = str(error)
sampler.start(512)
other = interpreters.create()  # after the start: named by the line that runs it, or by no stack at all
line = sys._getframe().f_lineno + 1
interpreters.run_string(other, "import builtins; builtins.kept = [bytes(3000) for _ in range(500)]")
sites = sampler.read(0)
found["foreign"] = sum(s["bytes"] for s in sites if s["partial"] and not s["stack"])
found["caller"] = sum(s["bytes"] for s in sites if s["stack"] and s["stack"][-1][1:] == [line, "<module>"])
interpreters.destroy(other)
answer(**found)

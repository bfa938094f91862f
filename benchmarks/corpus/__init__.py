"""Leaks as they happen in published packages and in user code, and what looks like one: a folder each.

`case.json` has the versions, what grows, the frames by which a person would recognise the culprit, and the load, cycles
and limits under which the leaky version is at least three times the limit and the fixed one below a third of it.
`target.py` (or .js) is the server, on 127.0.0.1:$PORT. `benign-*` and cases marked `bounded` must not be accused;
`syn-*` and cases marked `synthetic` have one set of versions, and FIXED=1 mends the code that uses them.
"""

"""Found first on PYTHONPATH in a target: starts the agent, then makes room for the target's own sitecustomize.

Written so that any Python can at least read it (a target may start an old one); the agent itself needs 3.9.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, import-not-found"
import sys


def _begin(bootstrap):
    import os  # is there since site runs

    package = os.path.dirname(bootstrap)
    loader = sys.modules["_frozen_importlib_external"]
    frozen = sys.modules["_frozen_importlib"]
    name = "_soak_agent"
    spec = loader.spec_from_file_location(
        name, os.path.join(package, "__init__.py"), submodule_search_locations=[package]
    )
    module = frozen.module_from_spec(spec)
    sys.modules[name] = module
    before, folders = set(sys.modules), set(sys.path_importer_cache)
    spec.loader.exec_module(module)
    module._private().begin(os.environ)
    for new in set(sys.modules).difference(before):
        if not new.startswith("_"):  # what the interpreter itself imported while we started
            del sys.modules[new]
    for new in set(sys.path_importer_cache).difference(folders, sys.path):
        del sys.path_importer_cache[new]


def _in_main_interpreter():
    """False in a subinterpreter, whose site module runs as well: the process has its agent already."""
    import _signal  # built in

    try:
        _signal.set_wakeup_fd(-1)  # what it is while site runs; refused outside the main interpreter
    except ValueError:
        return False
    return True


def _chain():
    """As if soak were not there: our folder leaves the path and the import runs once more."""
    bootstrap = __file__.rpartition("/")[0]
    sys.path[:] = [entry for entry in sys.path if entry != bootstrap]
    sys.path_importer_cache.pop(bootstrap, None)
    sys.modules.pop("sitecustomize", None)
    if sys.version_info >= (3, 9) and sys.implementation.name == "cpython" and sys.platform == "linux":
        try:
            if _in_main_interpreter():
                _begin(bootstrap)
        except Exception:  # a guest that cannot start leaves the target alone
            pass
    import sitecustomize  # the target's own; ImportError is what site expects when there is none

    return sitecustomize


_chain()

"""Executed inside a process that runs already, to let the agent in; the names in capitals are put before it."""

from __future__ import annotations

import sys


def _enter(package: str, settings: dict[str, str]) -> None:
    loader = sys.modules["_frozen_importlib_external"]
    frozen = sys.modules["_frozen_importlib"]
    name = "_soak_agent"
    module = sys.modules.get(name)
    if module is None:
        path = package + "/__init__.py"
        spec = loader.spec_from_file_location(name, path, submodule_search_locations=[package])
        module = frozen.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    agent = module._private()
    agent.begin(settings)
    serves = agent.directory()
    if serves != settings["SOAK_AGENT_DIR"]:
        raise RuntimeError("an agent serves in " + serves + " already: another soak has it")


try:
    _enter(globals()["PACKAGE"], globals()["SETTINGS"])
except Exception as error:  # the target goes on as if nobody had knocked; the asker finds why beside this file
    try:
        with open(globals()["SAID"], "w") as said:
            said.write(type(error).__name__ + ": " + str(error))
    except Exception:
        pass

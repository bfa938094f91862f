"""Putting the agent into targets that were not made for it, and leaving those alone that it cannot enter."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import soak_agent
from tests.common import wait_until

from .conftest import Guest

READY = """
import sys
print("ready", flush=True)
sys.stdin.readline()
"""


def test_environment_keeps_the_path_of_the_target_behind_ours(tmp_path: Path) -> None:
    """PYTHONPATH begins with the bootstrap folder; an empty one adds no empty entry (the current folder)."""
    assert soak_agent.environment(tmp_path / "a", base_env={})["PYTHONPATH"] == soak_agent.BOOTSTRAP
    kept = soak_agent.environment(tmp_path / "a", base_env={"PYTHONPATH": "/x:/y"})["PYTHONPATH"]
    assert kept == f"{soak_agent.BOOTSTRAP}:/x:/y"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700


def test_hello_says_who_it_is_and_what_of_the_process_is_ours(launch: Callable[..., Guest], python: str) -> None:
    """Own thread and own descriptors are named, and are what the kernel shows beyond the target's own."""
    guest = launch(READY, python=python)
    assert guest.line() == "ready"
    hello = guest.client.connect(guest.pid)
    assert hello is not None
    assert hello["pid"] == guest.pid
    start = int(Path(f"/proc/{guest.pid}/stat").read_text().rpartition(")")[2].split()[19])
    assert hello["start_time"] == start
    tasks = {int(name) for name in os.listdir(f"/proc/{guest.pid}/task")}
    assert tasks - {guest.pid} == set(hello["threads"])
    links = [os.stat(f"/proc/{guest.pid}/fd/{name}").st_ino for name in os.listdir(f"/proc/{guest.pid}/fd")]
    assert sorted(links[3:]) == hello["inodes"]


@pytest.mark.parametrize("option", ["-E", "-I", "-S"])
def test_a_target_that_ignores_its_environment_runs_without_the_agent(
    launch: Callable[..., Guest], option: str
) -> None:
    """With -E, -I or -S nothing of us gets in: the target runs and the client says that nobody is there."""
    guest = launch(READY, options=(option,))
    assert guest.line() == "ready"
    assert guest.client.connect(guest.pid) is None


def test_the_targets_own_modules_are_the_ones_it_gets(
    launch: Callable[..., Guest], python: str, tmp_path: Path
) -> None:
    """Modules that bear the names of ours or of the standard library's stay the target's; readings work beside them."""
    names = ("logging", "storage", "probes", "soak_agent", "struct", "json", "select", "typing", "tracemalloc", "types")
    for name in names:
        (tmp_path / f"{name}.py").write_text("mine = True\n")
    source = f"""
    import sys
    for name in {names[:-1]!r}:
        if name in sys.modules or name in sys.builtin_module_names:
            continue
        assert __import__(name).mine, name
    print("ready", flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python, heap="auto", env={"PYTHONPATH": str(tmp_path)})
    assert guest.line() == "ready", guest.errors()
    reading = guest.read()
    assert reading["gc_objects"] > 1000
    assert reading["warnings"] == []


def test_the_targets_own_sitecustomize_runs(launch: Callable[..., Guest], python: str, tmp_path: Path) -> None:
    """sitecustomize and usercustomize of the target are executed once and are what sys.modules names."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("runs = [1]\nimport sys; sys.custom = len(runs)\n")
    source = """
    import sys, sitecustomize
    print(sys.custom, sitecustomize.__file__, flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python, env={"PYTHONPATH": str(site)})
    assert guest.line() == f"1 {site}/sitecustomize.py"
    assert guest.client.connect(guest.pid) is not None


def test_an_error_in_the_targets_sitecustomize_is_told_as_ever(launch: Callable[..., Guest], tmp_path: Path) -> None:
    """What site prints about a broken sitecustomize is what it prints without soak."""
    (tmp_path / "sitecustomize.py").write_text("raise RuntimeError('mine')\n")
    env = {"PYTHONPATH": str(tmp_path)}
    with_agent, without = launch(READY, env=env), launch(READY, env=env, agent=False)
    assert (with_agent.line(), without.line()) == ("ready", "ready")
    assert with_agent.client.connect(with_agent.pid) is not None
    assert with_agent.errors() == without.errors() != ""


def test_a_folder_that_cannot_be_written_leaves_the_target_running(
    launch: Callable[..., Guest], tmp_path: Path
) -> None:
    """When the socket cannot be made (here: the folder is a file) the target runs on and prints nothing of ours."""
    (tmp_path / "blocked").write_text("")
    guest = launch(READY, env={}, agent=True)
    guest.process.kill()
    variables = {**soak_agent.environment(tmp_path / "agent"), "SOAK_AGENT_DIR": str(tmp_path / "blocked")}
    done = subprocess.run(
        [sys.executable, "-c", "print('ran')"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("ran\n", "")


def bound_by_modes(*command: str) -> list[str]:
    """A command that may write only where the mode of a folder allows it; root may everywhere by its capabilities."""
    if os.geteuid() != 0:
        return list(command)
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    try:
        subprocess.run([*bare, "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"as root, it needs setpriv and leave to drop capabilities: {error}")
    return bare


def test_a_target_with_a_patched_open_and_a_read_only_folder(launch: Callable[..., Guest], tmp_path: Path) -> None:
    """builtins.open replaced by something that raises, and a folder without write permission, change nothing."""
    folder = tmp_path / "readonly"
    folder.mkdir(mode=0o500)
    source = """
    import builtins, os, sys
    def refuse(*args, **kwargs): raise RuntimeError("no open here")
    builtins.open = refuse
    print("may write:", os.access(".", os.W_OK), flush=True)
    sys.stdin.readline()
    """
    python, *options = bound_by_modes(sys.executable)
    guest = launch(source, python=python, options=tuple(options), cwd=folder)
    assert guest.line() == "may write: False"
    reading = guest.read()
    assert reading["warnings"] == []
    assert guest.errors() == ""


def test_a_subinterpreter_gets_no_agent_of_its_own(launch: Callable[..., Guest], python: str) -> None:
    """site runs in each subinterpreter too: there is one thread and one socket of ours all the same."""
    source = """
    import os, sys
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    inside = interpreters.create()
    code = "import os, sys; os.write(1, repr([n for n in sys.modules if 'soak' in n]).encode() + bytes([10]))"
    (getattr(interpreters, "exec", None) or interpreters.run_string)(inside, code)
    print(len(os.listdir("/proc/self/task")), flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python)
    assert guest.line() == "[]"
    assert guest.line() == "2"
    assert guest.client.connect(guest.pid) is not None


def test_start_by_import(launch: Callable[..., Guest], python: str, tmp_path: Path) -> None:
    """A target may start the agent itself; a second start changes nothing."""
    package = Path(soak_agent.__file__).parent.parent
    source = f"""
    import sys
    sys.path.append({str(package)!r})
    import soak_agent
    began = soak_agent.start({str(tmp_path / "agent")!r}, heap="off")
    print(began, soak_agent.start(), soak_agent.started(), flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python, agent=False)
    assert guest.line() == "True True True", guest.errors()
    assert guest.client.connect(guest.pid) is not None


def test_start_never_raises(tmp_path: Path) -> None:
    """A folder that is not private is refused with False."""
    tmp_path.chmod(0o755)
    code = f"import soak_agent; print(soak_agent.start({str(tmp_path)!r}), soak_agent.started())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


def test_detach_leaves_only_what_it_says(launch: Callable[..., Guest], python: str) -> None:
    """After detach the thread, the descriptors and the socket are gone; the reply names what remains."""
    source = """
    import asyncio, os, sys, threading
    print("ready", flush=True)
    sys.stdin.readline()
    import gc
    gc.collect()
    threads, descriptors = os.listdir("/proc/self/task"), os.listdir("/proc/self/fd")
    print(type(threading._limbo).__name__, len(threads), len(descriptors), flush=True)
    sys.stdin.readline()
    """
    guest = launch(source, python=python, heap="tracemalloc")
    assert guest.line() == "ready"
    remains = guest.client.request(guest.pid, "detach")["remains"]
    assert any("audit hook" in item for item in remains)
    assert any("fork hooks" in item for item in remains)
    wait_until(lambda: len(os.listdir(f"/proc/{guest.pid}/task")) == 1)
    assert guest.go() == "dict 1 4"  # three standard descriptors and the listing itself
    assert guest.client.connect(guest.pid) is None
    assert guest.client.pids() == []

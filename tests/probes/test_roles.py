"""Which part a process plays."""

from __future__ import annotations

import pytest

from soak_probes.roles import role_of

PARENT = ("python", "app.py")


@pytest.mark.parametrize(
    ("cmdline", "role"),
    [
        (("python", "app.py"), "worker"),
        (("gunicorn: worker [app]",), "worker"),
        (("nginx: worker process",), "worker"),
        (("php-fpm: pool www",), "worker"),
        (("[celeryd: celery@host:ForkPoolWorker-2]",), "worker"),
        (("python", "-c", "from multiprocessing.spawn import spawn_main; spawn_main()"), "worker"),
        (("python", "-c", "from multiprocessing.resource_tracker import main;main(5)"), "child"),
        (("git", "gc"), "child"),
        ((), "child"),
    ],
)
def test_role_of_a_descendant(cmdline: tuple[str, ...], role: str) -> None:
    """Forked without exec or called a worker; multiprocessing's bookkeeper and everything else is a child."""
    assert role_of(cmdline, PARENT, is_root=False, reaches_root=True) == role


def test_roots_and_orphans() -> None:
    """Where it stands decides before what it is called."""
    assert role_of(("nginx: worker process",), (), is_root=True, reaches_root=True) == "main"
    assert role_of(("nginx: worker process",), (), is_root=False, reaches_root=False) == "orphan"

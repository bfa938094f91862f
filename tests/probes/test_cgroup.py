"""Control groups of both versions, from trees on disk; the real ones where this machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from soak_probes.ceilings import ceilings, parse_limit
from soak_probes.cgroup import (
    GroupMemory,
    controller_folder,
    group_memory,
    group_pids,
    oom_kills,
    parse_cgroup,
    parse_mounts,
    tightest,
)

LIMITS = (
    "Limit                     Soft Limit           Hard Limit           Units     \n"
    "Max processes             96365                96365                processes \n"
    "Max open files            1024                 524288               files     \n"
    "Max locked memory         unlimited            unlimited            bytes     \n"
)


class FakeSystem:
    """A /proc with one process and a cgroup mount, version 1 (memory and pids apart) or 2."""

    def __init__(self, root: Path, version: int, group: str = "/system.slice/app.service", shown: str = "/") -> None:
        self.proc, self.cgroup = root / "proc", root / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "60").mkdir()
        relative = group.removeprefix(shown.rstrip("/")).lstrip("/")
        if version == 2:
            mounts = f"30 20 0:26 {shown} {self.cgroup} rw - cgroup2 cgroup2 rw,nsdelegate\n"
            groups = f"0::{group}\n"
            self.memory = self.pids = self.cgroup / relative
        else:
            mounts = (
                f"31 20 0:27 {shown} {self.cgroup}/memory rw - cgroup cgroup rw,memory\n"
                f"32 20 0:28 {shown} {self.cgroup}/pids rw - cgroup cgroup rw,pids\n"
                f"33 20 0:29 / {self.cgroup}/unified rw - cgroup2 cgroup2 rw\n"
            )
            groups = f"8:pids:{group}\n4:memory:{group}\n1:name=systemd:{group}\n0::/\n"
            self.memory, self.pids = self.cgroup / "memory" / relative, self.cgroup / "pids" / relative
            (self.cgroup / "unified").mkdir(parents=True)
        self.memory.mkdir(parents=True)
        self.pids.mkdir(parents=True, exist_ok=True)
        (self.proc / "self" / "mountinfo").write_text(f"22 1 0:21 / /proc rw - proc proc rw\n{mounts}")
        (self.proc / "60" / "cgroup").write_text(groups)
        (self.proc / "60" / "limits").write_text(LIMITS)

    def write(self, **files: str) -> None:
        """Files of the memory group; the first _ of a name stands for the dot."""
        for name, text in files.items():
            (self.memory / name.replace("_", ".", 1)).write_text(text)


@pytest.fixture(params=[1, 2])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> FakeSystem:
    """The same test on both versions."""
    return FakeSystem(tmp_path, request.param)


def test_the_group_is_found(system: FakeSystem) -> None:
    """Through /proc/PID/cgroup and the mounts, each controller where it lies."""
    assert controller_folder("memory", 60, str(system.proc)) == system.memory
    assert controller_folder("pids", 60, str(system.proc)) == system.pids


def test_a_process_that_is_gone_has_no_group(system: FakeSystem) -> None:
    """None, not an error."""
    assert controller_folder("memory", 61, str(system.proc)) is None


def test_a_mount_that_shows_a_part(tmp_path: Path) -> None:
    """In a container the mount's root is the container's group: paths are relative to it."""
    system = FakeSystem(tmp_path, 2, group="/docker/abc/app", shown="/docker/abc")
    assert controller_folder("memory", 60, str(system.proc)) == system.cgroup / "app"


def test_a_group_outside_the_namespace_cannot_be_seen(tmp_path: Path) -> None:
    """The kernel writes /.. for it: rather nothing than another group's figures."""
    system = FakeSystem(tmp_path, 2)
    (system.proc / "60" / "cgroup").write_text("0::/../other\n")
    assert controller_folder("memory", 60, str(system.proc)) is None


def test_cgroup_file_of_both_versions() -> None:
    """Several controllers in a line, a name for systemd's own, and a path with a colon."""
    groups = parse_cgroup("5:cpu,cpuacct:/a\n1:name=systemd:/b\n0::/c:d\n")
    assert groups == {"cpu": "/a", "cpuacct": "/a", "systemd": "/b", "": "/c:d"}


def test_mount_points_with_spaces_and_optional_fields() -> None:
    """Any number of optional fields stands before the dash; a space is written as an octal number."""
    (mount,) = parse_mounts(
        "30 20 0:26 / /mnt/a\\040b rw shared:4 master:1 - cgroup2 none rw\n30 20 0:1 / / rw - ext4 x rw\n"
    )
    assert mount.point == "/mnt/a b"


def test_working_set_of_version_2(tmp_path: Path) -> None:
    """Usage less inactive file pages: 1000 - 300; the whole page cache is told apart."""
    system = FakeSystem(tmp_path, 2)
    system.write(memory_current="1000\n", memory_stat="anon 600\nfile 400\ninactive_file 300\nactive_file 100\n")
    assert group_memory(system.memory) == GroupMemory(usage=1000, working_set=700, cache=400)


def test_working_set_of_version_1(tmp_path: Path) -> None:
    """The same from the hierarchical (total_) figures; the group's own ones leave its sub-groups out."""
    system = FakeSystem(tmp_path, 1)
    system.write(
        memory_usage_in_bytes="1000\n",
        memory_stat="cache 1\ninactive_file 1\ntotal_cache 400\ntotal_inactive_file 300\n",
    )
    assert group_memory(system.memory) == GroupMemory(usage=1000, working_set=700, cache=400)


def test_no_memory_controller(system: FakeSystem) -> None:
    """A folder without its files is no memory group: None, not zero."""
    assert group_memory(system.memory) is None


def test_oom_kills_are_counted(system: FakeSystem) -> None:
    """memory.events in version 2, memory.oom_control in version 1; gone with the group: cannot tell."""
    name = "memory_oom_control" if "memory" in system.memory.parts else "memory_events"
    system.write(**{name: "low 0\noom 3\noom_kill 2\n"})
    read = oom_kills(60, str(system.proc))
    assert read() == 2
    system.write(**{name: "oom_kill 5\n"})
    assert read() == 5
    (system.memory / name.replace("_", ".", 1)).unlink()
    (system.proc / "vmstat").write_text("oom_kill 9\n")
    assert read() is None


def test_without_a_group_the_machine_counts(system: FakeSystem) -> None:
    """vmstat's counter is better than none: together with SIGKILL it tells."""
    (system.proc / "vmstat").write_text("nr_free_pages 5\noom_kill 9\n")
    assert oom_kills(60, str(system.proc))() == 9


def test_the_tightest_limit_above_counts(system: FakeSystem) -> None:
    """A group without a limit in one that has one, below one with a larger one."""
    (system.memory / "memory.max").write_text("max\n")
    (system.memory.parent / "memory.max").write_text("5000\n")
    (system.memory.parent.parent / "memory.max").write_text("9000\n")
    assert tightest(system.memory, "memory.max") == (5000, system.memory.parent / "memory.max")


def test_version_1_says_unlimited_with_a_number(system: FakeSystem) -> None:
    """9223372036854771712 bytes is no limit."""
    (system.memory / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert tightest(system.memory, "memory.limit_in_bytes") is None


def test_members_of_a_group_and_its_sub_groups(system: FakeSystem) -> None:
    """Kubernetes and podman put the processes one level down."""
    system.write(cgroup_procs="60\n61\n")
    (system.memory / "inner" / "deep").mkdir(parents=True)
    (system.memory / "inner" / "deep" / "cgroup.procs").write_text("70\n")
    assert sorted(group_pids(system.memory)) == [60, 61, 70]


def test_ceilings(system: FakeSystem) -> None:
    """Soft RLIMIT_NOFILE, pids.max and the memory limit, each with where it is set."""
    (system.pids / "pids.max").write_text("512\n")
    name = "memory.limit_in_bytes" if "memory" in system.memory.parts else "memory.max"
    (system.memory / name).write_text(f"{256 << 20}\n")
    found = ceilings(60, str(system.proc))
    assert {series: ceiling.limit for series, ceiling in found.items()} == {
        "fds": 1024,
        "threads": 512,
        "rss": 256 << 20,
    }
    assert str(system.pids / "pids.max") in found["threads"].where
    assert name in found["rss"].where


def test_what_is_unlimited_has_no_ceiling() -> None:
    """Neither has what is not listed."""
    assert parse_limit(LIMITS, "Max locked memory") is None
    assert parse_limit(LIMITS, "Max nothing") is None
    assert parse_limit("", "Max open files") is None


def test_the_real_process_has_the_limit_that_the_kernel_says() -> None:
    """RLIMIT_NOFILE of this very process."""
    import resource

    assert ceilings(os.getpid())["fds"].limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]

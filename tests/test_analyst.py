"""The analysis beside a run: one that breaks or hangs is an error with its reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from soak import analyst as analyst_module
from soak.analyst import LONGEST, Analyst
from soak.errors import SoakError
from soak_storage import open_store
from tests.common import PATIENCE_S, wait_until
from tests.report.runs import Plan, make_run


@pytest.fixture(autouse=True)
def not_nice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside tests that are not nice, an analysis that is takes a minute for its second of work."""
    monkeypatch.setattr(analyst_module, "NICENESS", 0)


def test_an_analysis_that_breaks_says_why(tmp_path: Path) -> None:
    """A store that is not there: the last line of the complaint is in the message."""
    with pytest.raises(SoakError) as caught:
        Analyst(f"sqlite:///{tmp_path / 'none.db'}", 1).finish()
    assert caught.value.code == "analysis_failed"
    assert "none.db" in caught.value.message


def test_an_analysis_of_a_run_that_goes_on_stores_its_report_by_itself(tmp_path: Path) -> None:
    """Soak learns the verdict, the store has the report; what soak knows to be secret, here a name, is masked in it."""
    with open_store(f"sqlite:///{tmp_path / 'soak.db'}") as store:
        run = make_run(store, Plan(heap_growth=3_000_000))
        analyst = Analyst(store.url, run)
        analyst.start(8, 480.0, ["handler"])
        found = wait_until(analyst.poll, 2 * PATIENCE_S)
        assert (found.verdict, found.stop, found.unkept) == ("leak", True, None)
        report = store.latest_analysis(run)
        assert report is not None and report["verdict"] == store.run(run).verdict == "leak"
        assert report["findings"][0]["sites"][0]["function"] == "***"
        final = analyst.finish()
        assert final["findings"][0]["sites"][0]["function"] == "handler"


def test_an_analysis_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is killed, so that the next one can begin."""
    monkeypatch.setattr(analyst_module, "COMMAND", ("sleep", "600"))
    times = iter([0.0, LONGEST - 1.0, LONGEST + 1.0])
    analyst = Analyst(f"sqlite:///{tmp_path / 'none.db'}", 1, lambda: next(times))
    analyst.start(1, 20.0)
    assert analyst.poll() is None
    with pytest.raises(SoakError, match="signal 9"):
        analyst.poll()
    assert not analyst.busy


def test_an_analysis_is_never_less_nice_than_its_soak(tmp_path: Path) -> None:
    """Under `nice` it stays as nice as soak is: going back would be refused to all but root."""
    code = "import os\nfrom soak.analyst import Analyst\nos.nice(19)\n"
    code += f"one = Analyst('sqlite:///{tmp_path / 'none.db'}', 1)\none.start(1, 20.0)\n"
    code += "print(os.getpriority(os.PRIO_PROCESS, one._process.pid))\none.stop()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "19\n"


def reads_its_order(pid: int) -> bool:
    """Whether a process waits in read(0, ...): its imports and its beginning are behind it."""
    try:
        return Path(f"/proc/{pid}/syscall").read_text().split()[:2] in (["0", "0x0"], ["63", "0x0"])  # x86-64, arm64
    except OSError:
        return False


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_an_analysis_does_not_outlive_its_soak() -> None:
    """After kill -9 of soak the analysis ends too, though its order may still come: the pipe is held open here."""
    code = "import subprocess as s, sys, time\n"
    code += "print(s.Popen([sys.executable, '-P', '-m', 'soak.report.compute']).pid, flush=True)\ntime.sleep(600)"
    soak = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert soak.stdout is not None
        pid = int(soak.stdout.readline())
        wait_until(lambda: reads_its_order(pid))
        soak.kill()
        wait_until(lambda: is_gone(pid))
    finally:
        soak.kill()
        soak.communicate()

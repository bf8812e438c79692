"""What the console costs: `pytest -m benchmark tests/benchmarks/test_console.py -s` prints each figure and its budget.

Measured in a real terminal of 120x40 on a store of 1,000 to 100,000 devices, with a worker that runs. Nothing is
asserted of the clock: how fast it is depends on the machine and on what else it does. The processor time beside the
time on the clock tells the two apart.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import pytest

from tests.benchmarks.relay import Relay
from tests.benchmarks.stopwatch import Repaint, Stopwatch
from tests.end_to_end.installation import FIELDHAND

DOWN, UP, PAGE_DOWN, FIRST = b"j", b"k", b"\x1b[6~", b"g"
CURSOR = "▸".encode()
FIRST_DEVICE = b"AHU-0 floor 0"
ON_THE_SCREEN = 21
"""A device, by its id, that can be seen at the top of the list, and is provisioned."""
TABS = b"Licenses"
KEYS_IN_VIEW = 30
KEYS_THROUGH_PAGES = 120
CHANGES = 20
IDLE_SECONDS = 0.7
"""Longer than the console ever waits between two reads of the store."""
BUSY_SECONDS = 4.0
BUSY_RATE = 500
STARTS = 5
RUNS = 11
AGO_SECONDS = 3600
"""A device that was seen so long ago has another age than one that was seen now."""


class BusyWorker:
    """See `tests.benchmarks.busy_worker`."""

    def __init__(self, directory: Path, devices: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.busy_worker", str(directory), str(devices)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._read()

    def tell(self, line: str) -> float:
        """Have it do something; the time at which it was done, or begun."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self._process.communicate()

    def _read(self) -> float:
        assert self._process.stdout is not None
        return float(self._process.stdout.readline())


@dataclass(frozen=True)
class Site:
    """A store of so many devices, a worker on it, and consoles to be opened."""

    devices: int
    worker: BusyWorker
    relay: Relay
    environment: dict[str, str]

    @contextmanager
    def console(self) -> Iterator[Stopwatch]:
        """A console that shows the devices and is idle."""
        console = Stopwatch(FIELDHAND, self.environment)
        try:
            yield console
        finally:
            console.close()


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which modules are compiled once, as they are where the program is installed."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("compiled"))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


@pytest.fixture(params=[1_000, 10_000, 100_000], ids=str)
def site(request: pytest.FixtureRequest, tmp_path: Path, compiled: dict[str, str]) -> Iterator[Site]:
    behind, consoles = tmp_path / "worker", tmp_path / "consoles"
    worker = BusyWorker(behind, request.param)
    relay = Relay(behind, consoles)
    yield Site(request.param, worker, relay, {**compiled, "FIELDHAND_STATE": str(consoles)})
    relay.close()
    worker.close()


def p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * len(values))]


def head(title: str) -> None:
    print(f"\n{title}; load of the machine {os.getloadavg()[0]:.1f}")
    print(f"  {'':<56}{'measured':>10} {'':<6}{'budget':>8}  holds")


def tell(what: str, figure: float, unit: str, budget: float | None = None) -> None:
    against = ""
    if budget is not None:
        against = f"{budget:>8,.0f}  {'yes' if figure < budget else f'NO, {figure / budget:.1f} times as much'}"
    print(f"  {what:<56}{figure:>10,.1f} {unit:<6}{against}")


def repaints(console: Stopwatch, key: bytes, times: int) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds, bytes, and milliseconds of processor time of each."""
    seen: list[Repaint] = []
    used: list[float] = []
    for _ in range(times):
        before = console.cpu_seconds
        seen.append(console.key(key))
        used.append((console.cpu_seconds - before) * 1000)
    return [one.milliseconds for one in seen], [float(one.bytes) for one in seen], used


@pytest.mark.benchmark
def test_what_the_console_costs(site: Site) -> None:
    head(f"{site.devices:,} devices")
    starting(site)
    with site.console() as console:
        console.until(f"{site.devices:,} devices".encode())
        console.settle(IDLE_SECONDS)
        moving(console)
        changing(site, console)
        busy(site, console, "all on the screen", 1, 25)
        busy(site, console, "anywhere", 1, site.devices)
        tell("memory", console.resident_mb, "MB", 75 if site.devices <= 10_000 else None)


def starting(site: Site) -> None:
    painted, used, usable = [], [], []
    for _ in range(1 + STARTS):
        with site.console() as console:
            painted.append(console.until(TABS) * 1000)
            used.append(console.cpu_seconds * 1000)
            console.until(FIRST_DEVICE)
            console.key_until(DOWN, CURSOR)
            usable.append((time.perf_counter() - console.started) * 1000)
    tell("start to first paint, median", median(painted[1:]), "ms", 400 if site.devices <= 10_000 else None)
    tell("start to first paint, processor time, least", min(used[1:]), "ms")
    tell("open to usable (a key moves the cursor), median", median(usable[1:]), "ms", 1500)


def moving(console: Stopwatch) -> None:
    for key in (DOWN, UP):  # once through everything that is made when it is first needed
        repaints(console, key, 5)
    milliseconds, sizes, used = repaints(console, DOWN, KEYS_IN_VIEW)
    tell("cursor move, p95", p95(milliseconds), "ms", 6)
    tell("cursor move, median", median(milliseconds), "ms")
    tell("cursor move, processor time, p95", p95(used), "ms")
    tell("cursor move, median", median(sizes), "bytes", 700)
    tell("cursor move, most (other keys are offered)", max(sizes), "bytes")
    milliseconds, sizes, used = repaints(console, DOWN, KEYS_THROUGH_PAGES)
    tell("scroll by one, p95", p95(milliseconds), "ms", 12)
    tell("scroll by one, mean", mean(milliseconds), "ms")
    tell("scroll by one, processor time, p95", p95(used), "ms")
    tell("scroll by one, mean", mean(sizes), "bytes", 2500)
    milliseconds, *_ = repaints(console, PAGE_DOWN, 10)
    tell("page down, p95", p95(milliseconds), "ms")
    console.key(FIRST)


def changing(site: Site, console: Stopwatch) -> None:
    from_commit, from_notice, sizes, used = [], [], [], []
    for _ in range(1 + CHANGES):
        console.settle(IDLE_SECONDS)
        before = console.cpu_seconds
        site.relay.told.clear()
        committed = site.worker.tell(f"change {ON_THE_SCREEN} 0")
        seen = console.repaint(committed)
        used.append((console.cpu_seconds - before) * 1000)
        from_commit.append(seen.milliseconds)
        from_notice.append(seen.milliseconds - (site.relay.told[0] - committed) * 1000)
        sizes.append(float(seen.bytes))
    console.settle(IDLE_SECONDS)
    with_age = console.repaint(site.worker.tell(f"change {ON_THE_SCREEN} {AGO_SECONDS}")).bytes
    tell("one status change, the console is told to painted, p95", p95(from_notice[1:]), "ms", 6)
    tell("one status change, told to painted, median", median(from_notice[1:]), "ms")
    tell("one status change, commit in the worker to painted, p95", p95(from_commit[1:]), "ms")
    tell("one status change, commit to painted, median", median(from_commit[1:]), "ms")
    tell("one status change, processor time, median", median(used[1:]), "ms")
    tell("one status change, p95", p95(sizes[1:]), "bytes", 150)
    tell("a change of status and age, the other end of the row", with_age, "bytes")


def busy(site: Site, console: Stopwatch, where: str, first: int, last: int) -> None:
    site.worker.tell(f"busy {first} {last} {BUSY_RATE} {BUSY_SECONDS}")
    before = console.cpu_seconds
    written = console.written(BUSY_SECONDS)
    share = (console.cpu_seconds - before) / BUSY_SECONDS
    console.settle(IDLE_SECONDS)
    tell(f"{BUSY_RATE} changes/s {where}, CPU", 100 * share, "%", 20)
    tell(f"{BUSY_RATE} changes/s {where}, written", written / BUSY_SECONDS / 1000, "kB/s")
    site.worker.tell(f"busy {first} {last} {BUSY_RATE} {BUSY_SECONDS}")
    end, milliseconds = time.perf_counter() + BUSY_SECONDS, []
    while time.perf_counter() < end - 0.5:
        for key in (DOWN, UP):
            milliseconds.append(console.key_until(key, CURSOR))
            console.written(0.03)  # as fast as a key repeats
    console.settle(IDLE_SECONDS)
    tell(f"{BUSY_RATE} changes/s {where}, key p95", p95(milliseconds), "ms", 40)


@pytest.mark.benchmark
@pytest.mark.parametrize("arguments", [("--version",), ("devices",)], ids=" ".join)
def test_what_a_command_costs(tmp_path: Path, compiled: dict[str, str], arguments: tuple[str, ...]) -> None:
    worker = BusyWorker(tmp_path, 100)
    environment = {**compiled, "FIELDHAND_STATE": str(tmp_path)}

    def run() -> None:
        subprocess.run([*FIELDHAND, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)

    run()
    taken, used = zip(*(timed(run) for _ in range(RUNS)), strict=True)
    worker.close()
    command = f"fieldhand {' '.join(arguments)}"
    head(command)
    tell(f"{command}, median", median(taken), "ms", 150)
    tell(f"{command}, processor time, least", min(used), "ms")


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Milliseconds on the clock, and of the processor in the processes that it waits for."""
    start, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return (time.perf_counter() - start) * 1000, used * 1000

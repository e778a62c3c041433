"""What a group of processes costs: processor time and memory.

On a machine with version 1 control groups, and as root, a target runs in groups of its
own, which also count processes that have ended. Elsewhere the live process tree is added up.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import psutil

_CPU: Final = Path("/sys/fs/cgroup/cpuacct")
_NANOSECONDS: Final = 1e9
_MIB: Final = 2**20


class Meter:
    """Reads what the processes of one target have used."""

    def __init__(self, name: str) -> None:
        """Make an empty group called ``name``."""
        self._group: Path | None = _CPU / f"pillarbox-bench-{name}-{os.getpid()}"
        try:
            self._group.mkdir(parents=True)
        except OSError:
            self._group = None
        self._roots: list[int] = []

    def enter(self) -> None:
        """Put the calling process into the group; what it starts stays there."""
        if self._group is not None:
            (self._group / "cgroup.procs").write_text(str(os.getpid()))

    def leave(self) -> None:
        """Take the calling process out again."""
        if self._group is not None:
            (_CPU / "cgroup.procs").write_text(str(os.getpid()))

    def watch(self, pid: int) -> None:
        """Count a process and what it starts, where there are no control groups."""
        self._roots.append(pid)

    def remove(self) -> None:
        """Take the group away; its processes must have ended."""
        if self._group is None:
            return
        for _ in range(100):
            try:
                self._group.rmdir()
            except OSError:  # the kernel has not reaped all of them yet
                time.sleep(0.05)
            else:
                return

    def cpu_seconds(self) -> float:
        """Return the processor time that the target has used so far."""
        if self._group is not None:
            return int((self._group / "cpuacct.usage").read_text()) / _NANOSECONDS
        total = 0.0
        for process in self._processes():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def rss_mib(self) -> float:
        """Return the memory that the target's processes hold; shared pages count once each."""
        total = 0
        for process in self._processes():
            try:
                total += process.memory_info().rss
            except psutil.Error:
                continue
        return total / _MIB

    def pss_mib(self) -> float:
        """Return the same with shared pages divided among those that share them."""
        total = 0
        for process in self._processes():
            try:
                total += process.memory_full_info().pss
            except psutil.Error:
                continue
        return total / _MIB

    def _processes(self) -> list[psutil.Process]:
        if self._group is not None:
            pids = [int(pid) for pid in (self._group / "cgroup.procs").read_text().split()]
        else:
            pids = list(self._roots)
            for root in self._roots:
                if psutil.pid_exists(root):
                    pids += [child.pid for child in psutil.Process(root).children(recursive=True)]
        return [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]

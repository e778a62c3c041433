"""How much memory this process may use, and whether it is about to exceed it.

The limit is three quarters of the smallest of: the machine's memory, the control group's limit,
and RLIMIT_AS. Above it new mail is deferred, so that accepted mail can still be delivered. Memory
that the C library has freed but not returned counts too, so it is asked to return it before
anybody is turned away.
"""

from __future__ import annotations

import ctypes
import os
import resource
from pathlib import Path
from typing import Final

__all__ = ["MemoryGuard", "memory_limit"]

_SHARE: Final = 0.75
_LOOK_EVERY: Final = 0.5  # seconds
_TRIM_EVERY: Final = 5.0  # seconds
_STATM: Final = Path("/proc/self/statm")
_CGROUP_LIMITS: Final = ("memory.max", "memory.limit_in_bytes")  # version 2, version 1
_CGROUPS: Final = Path("/sys/fs/cgroup")


def memory_limit(cgroups: Path = _CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """Return the octets that the machine and our control groups let us use.

    Args:
        cgroups: Where the control groups are mounted.
        own: The file that names ours.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _own_groups(cgroups, own):
        for name in _CGROUP_LIMITS:
            try:
                limits.append(int((folder / name).read_text(encoding="ascii")))
            except (OSError, ValueError):  # not there, or "max"
                continue
    return min(limits)


def _own_groups(cgroups: Path, own: Path) -> list[Path]:
    # A limit holds for all that is below it, so each folder up to the mount point counts.
    folders = [cgroups, cgroups / "memory"]
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        return folders
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in {"", "memory"}:
            continue
        folder = cgroups / controllers / path.lstrip("/")
        while folder != cgroups and cgroups in folder.parents:
            folders.append(folder)
            folder = folder.parent
    return folders


class MemoryGuard:
    """Says when memory is short. Looking costs a few microseconds, twice a second at most."""

    __slots__ = (
        "_is_short",
        "_limit",
        "_looked_at",
        "_page",
        "_space_limit",
        "_statm",
        "_trimmed_at",
    )

    def __init__(self, limit: int | None = None, statm: Path = _STATM) -> None:
        """Guard a limit in octets; None: what ``memory_limit`` and RLIMIT_AS say."""
        self._limit = _SHARE * memory_limit() if limit is None else limit
        space, _ = resource.getrlimit(resource.RLIMIT_AS)
        self._space_limit = float("inf") if space == resource.RLIM_INFINITY else _SHARE * space
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._statm = statm
        self._looked_at = self._trimmed_at = float("-inf")
        self._is_short = False

    def is_short(self, now: float) -> bool:
        """Whether the process uses more than its limit.

        Args:
            now: The monotonic clock, seconds.
        """
        if now - self._looked_at >= _LOOK_EVERY:
            self._looked_at = now
            self._is_short = self._look()
            if self._is_short and now - self._trimmed_at >= _TRIM_EVERY:
                self._trimmed_at = now
                _give_back_free_memory()
                self._is_short = self._look()
        return self._is_short

    def _look(self) -> bool:
        try:
            space, resident = self._statm.read_text(encoding="ascii").split()[:2]
        except OSError:  # no /proc: nothing to go by
            return False
        return (
            int(resident) * self._page > self._limit or int(space) * self._page > self._space_limit
        )


def _give_back_free_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl needs none
    if trim is not None:
        trim(0)

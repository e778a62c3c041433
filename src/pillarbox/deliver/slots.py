"""The limit on all connections, with fair turns for opening one.

Sites that wait for a slot queue in the lanes of their mail; the lanes take turns, so that one
sender's ten thousand destinations do not block another sender.
"""

from __future__ import annotations

from collections import deque

from pillarbox.deliver.sites import Site

__all__ = ["Slots"]


class Slots:
    """A number of slots, handed out in turns."""

    def __init__(self, limit: int) -> None:
        """Hand out at most ``limit`` slots."""
        self.limit = limit
        self._used = 0
        self._lines: dict[str, deque[Site]] = {}

    @property
    def used(self) -> int:
        """Return how many slots are taken."""
        return self._used

    @property
    def is_contested(self) -> bool:
        """Whether somebody waits."""
        return bool(self._lines)

    def take(self, site: Site, lane: str) -> bool:
        """Take a slot for a site, or queue it in ``lane``; return whether it got one."""
        if self._used < self.limit and not self._lines:
            self._used += 1
            return True
        if not site.is_waiting:
            site.is_waiting = True
            self._lines.setdefault(lane, deque()).append(site)
        return False

    def release(self) -> None:
        """Release a slot."""
        self._used -= 1

    def next(self) -> Site | None:
        """Give a free slot to a waiting site and return the site, or None."""
        if self._used >= self.limit or not self._lines:
            return None
        lane, line = next(iter(self._lines.items()))
        site = line.popleft()
        del self._lines[lane]
        if line:
            self._lines[lane] = line  # to the end of the lanes
        site.is_waiting = False
        self._used += 1
        return site

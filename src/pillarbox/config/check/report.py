"""How checks record their findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pillarbox.config.loader import Loaded, show_address
from pillarbox.findings import Finding, Level

__all__ = ["Check", "Report"]

Check = Callable[[Loaded], Iterator[Finding]]


class Report:
    """Makes findings about one key, with the place that its value came from."""

    def __init__(self, loaded: Loaded, *address: str) -> None:
        """Report on the key at ``address``."""
        self._evidence = (loaded.origin(address),)
        self.key = show_address(address)

    def error(self, number: int, what: str, why: str, fix: str) -> Finding:
        """Return a finding that keeps the node from starting; ``{key}`` is replaced."""
        return self._finding(Level.ERROR, number, what, why, fix)

    def warning(self, number: int, what: str, why: str, fix: str) -> Finding:
        """Return a finding that the operator may decide to live with."""
        return self._finding(Level.WARNING, number, what, why, fix)

    def _finding(self, level: Level, number: int, what: str, why: str, fix: str) -> Finding:
        return Finding(
            level=level,
            code=f"PB-CONFIG-{number:03}",
            what=what.replace("{key}", self.key),
            why=why,
            fix=fix.replace("{key}", self.key),
            evidence=self._evidence,
        )

"""The error of an unusable configuration, with everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable

from pillarbox.errors import PermanentError
from pillarbox.findings import Finding

__all__ = ["ConfigError"]


class ConfigError(PermanentError):
    """A configuration cannot be used; ``findings`` says all that is wrong, not only the first."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Carry the findings; the error's text is their first sentences."""
        self.findings = tuple(findings)
        super().__init__("; ".join(finding.what for finding in self.findings))

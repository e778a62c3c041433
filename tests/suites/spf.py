"""The SPF suites of openspf.org, as they come with pyspf."""

from __future__ import annotations

from typing import Final

from tests.suites.registry import Suite

__all__ = ["SUITES"]

SUITES: Final[tuple[Suite, ...]] = ()

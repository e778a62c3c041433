"""All outside suites that we run; each module of this folder brings its own."""

from __future__ import annotations

from typing import Final

from tests.suites import (
    arc,
    dkim,
    dmarc,
    dmarc_reports,
    explain,
    html,
    mime_others,
    mime_stalwart,
    spf,
    tlsrpt,
)
from tests.suites.registry import Suite

__all__ = ["SUITES"]

SUITES: Final[tuple[Suite, ...]] = (
    *arc.SUITES,
    *dkim.SUITES,
    *dmarc.SUITES,
    *dmarc_reports.SUITES,
    *explain.SUITES,
    *html.SUITES,
    *mime_others.SUITES,
    *mime_stalwart.SUITES,
    *spf.SUITES,
    *tlsrpt.SUITES,
)

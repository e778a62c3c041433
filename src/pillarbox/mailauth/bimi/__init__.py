"""BIMI: the logo that a domain asserts, and whether it may be shown."""

from __future__ import annotations

from pillarbox.mailauth.bimi.lookup import (
    Bimi,
    BimiResult,
    LogoFetcher,
    find_bimi,
    find_record,
    read_selector,
    with_logo,
)
from pillarbox.mailauth.bimi.record import BimiRecord, parse_bimi_record
from pillarbox.mailauth.bimi.svg import MAX_LOGO_SIZE, check_logo

__all__ = [
    "MAX_LOGO_SIZE",
    "Bimi",
    "BimiRecord",
    "BimiResult",
    "LogoFetcher",
    "check_logo",
    "find_bimi",
    "find_record",
    "parse_bimi_record",
    "read_selector",
    "with_logo",
]

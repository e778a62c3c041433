"""TLS reports of real senders, as they come with parsedmarc."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Final

from tests.suites.registry import Case, Suite

from pillarbox.mailauth.tls_rpt import ReportError, parse_report

__all__ = ["SUITES"]

# The policy domain, and how many sessions succeeded and failed, in the first policy of each.
_WANTED: Final = {
    "rfc8460.json": ("company-y.example", 5326, 303),
    "mail.ru.json": ("example.com", 0, 1),
    "smtp_tls.json": ("example.com", 0, 3),
    "google.com_smtp_tls_report.eml": ("cardinalhealth.ca", 48, 0),
}


def _cases(folder: Path) -> Iterator[Case]:
    for path in sorted((folder / "parsedmarc").iterdir()):
        if path.suffix in {".json", ".eml"}:
            yield Case(path.name, partial(_check, path))


def _check(path: Path) -> str:
    try:
        report = parse_report(_octets(path))
    except ReportError as error:
        return str(error)
    first = report.policies[0]
    found = (first.policy.domain, first.successes, first.failed)
    wanted = _WANTED[path.name]
    return "" if found == wanted else f"{found}, not {wanted}"


def _octets(path: Path) -> bytes:
    octets = path.read_bytes()
    if path.suffix != ".eml":
        return octets
    parts = message_from_bytes(octets).walk()
    attached = next(part for part in parts if part.get_content_type() == "application/tlsrpt+gzip")
    packed = attached.get_payload(decode=True)
    if not isinstance(packed, bytes):
        raise TypeError(f"{path.name} has no attachment")
    return gzip.decompress(packed)


SUITES: Final[tuple[Suite, ...]] = (Suite("tlsrpt/parsedmarc", _cases),)

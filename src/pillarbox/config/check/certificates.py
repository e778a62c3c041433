"""Checks of the certificates: complete, matching, not about to expire."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from cryptography import x509

from pillarbox.clock import SystemClock
from pillarbox.config.check.report import Check, Report
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import AcmeChallenge
from pillarbox.findings import Finding

__all__ = ["CERTIFICATE_CHECKS"]

_DAY: Final = 86_400.0
_SOON: Final = 30  # days
_VERY_SOON: Final = 7


def _either_files_or_names(loaded: Loaded) -> Iterator[Finding]:
    for name, each in loaded.settings.certificate.items():
        if (each.certificate is None) == (not each.names):
            yield Report(loaded, "certificate", name, "certificate").error(
                80,
                f"[certificate.{name}] needs either a certificate or names, but not both.",
                "With files it is used as it is; with names it is obtained from an authority.",
                '{key} = "/etc/pillarbox/...", or names = ["mail.example.org"]',
            )


def _acme(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    if not any(each.names for each in settings.certificate.values()):
        return
    if not settings.acme.agree:
        yield Report(loaded, "acme", "agree").error(
            81,
            "Certificates are to be obtained, but {key} is not set.",
            "An authority issues them only to those who agree to its terms of service.",
            "Read them (their address is in the authority's directory), then {key} = true",
        )
    if settings.acme.challenge is AcmeChallenge.DNS and settings.acme.dns_hook is None:
        yield Report(loaded, "acme", "dns_hook").error(
            82,
            "dns-01 is configured, but {key} is missing.",
            "A program has to write the record that the authority looks for.",
            '{key} = "/usr/local/bin/..." (called with set or clear, the name and the value)',
        )
    for name, each in settings.certificate.items():
        if settings.acme.challenge is AcmeChallenge.HTTP and any("*" in n for n in each.names):
            yield Report(loaded, "certificate", name, "names").error(
                83,
                "{key} has a wildcard, which http-01 cannot prove.",
                "An authority asks for a DNS record before it certifies a wildcard.",
                'acme.challenge = "dns-01"',
            )


def _ends(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    files: list[tuple[Path | None, tuple[str, ...]]] = [
        (settings.tls.certificate, ("tls", "certificate")),
        *(
            (each.certificate, ("certificate", name, "certificate"))
            for name, each in settings.certificate.items()
        ),
    ]
    for path, address in files:
        end = None if path is None else _end_of(path)
        if end is not None:
            yield from _ends_soon(
                Report(loaded, *address), path, (end - SystemClock().now()) / _DAY
            )


def _ends_soon(report: Report, path: Path | None, days: float) -> Iterator[Finding]:
    why = "Clients that verify certificates, and servers with MTA-STS, send nothing after that."
    fix = "Renew it; the node reads the new file by itself. Or have it fetched: [acme]."
    if days < 0:
        yield report.error(84, f"The certificate in {path} has expired.", why, fix)
    elif days < _VERY_SOON:
        text = f"The certificate in {path} expires in {days:.0f} days: this is the last week."
        yield report.warning(85, text, why, fix)
    elif days < _SOON:
        text = f"The certificate in {path} expires in {days:.0f} days."
        yield report.warning(86, text, why, fix)


def _end_of(path: Path) -> float | None:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None  # another check tells of files that cannot be read


CERTIFICATE_CHECKS: Final[tuple[Check, ...]] = (_either_files_or_names, _acme, _ends)

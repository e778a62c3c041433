"""Checks of reports and of the MTA-STS policies that we publish."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_host_name
from pillarbox.config.loader import Loaded
from pillarbox.findings import Finding
from pillarbox.smtp.address import Mailbox, ascii_domain
from pillarbox.smtp.path import AddressError, parse_mailbox

__all__ = ["REPORT_CHECKS"]

_LONGEST_AGE: Final = 31_557_600  # seconds (RFC 8461 §3.2)


def _sender(loaded: Loaded) -> Iterator[Finding]:
    reports = loaded.settings.reports
    if not reports.sender:
        return
    report = Report(loaded, "reports", "sender")
    sender = _mailbox(reports.sender)
    if sender is None:
        yield report.error(
            300,
            f'{{key}} is "{reports.sender}", which is not an address.',
            "Reports are mail, and mail has a sender.",
            '{key} = "postmaster@example.org"',
        )
    elif (reports.tls or reports.dmarc) and not _is_local(loaded, sender):
        yield report.warning(
            301,
            "{key} is not at a local domain.",
            "Receivers trust reports that are signed for the sender's domain (RFC 8460 §3), "
            "and questions are sent to it.",
            "Use an address of a [domain] here that has a DKIM key.",
        )


def _receive(loaded: Loaded) -> Iterator[Finding]:
    for text in loaded.settings.reports.receive:
        report = Report(loaded, "reports", "receive")
        address = _mailbox(text)
        if address is None:
            yield report.error(
                302,
                f'{{key}} has "{text}", which is not an address.',
                "Nothing could arrive there.",
                '{key} = ["dmarc@example.org", "tls@example.org"]',
            )
        elif not _is_local(loaded, address):
            yield report.warning(
                303,
                f"{{key}} has {text}, which is not at a local domain.",
                "Only mail that is accepted for an address can be read.",
                f'Add [domain."{address.ascii_domain}"], or leave it out.',
            )


def _policies(loaded: Loaded) -> Iterator[Finding]:
    for name, policy in loaded.settings.sts_domain.items():
        if name != ascii_domain(name) or not is_host_name(name):
            yield Report(loaded, "sts_domain", name).error(
                304,
                f'sts_domain."{name}" is not a domain as DNS writes it.',
                "Others look for the policy at mta-sts. followed by that name.",
                'Write it as [sts_domain."example.org"], with quotes.',
            )
        for host in policy.mx:
            if not is_host_name(ascii_domain(host.removeprefix("*."))):
                yield Report(loaded, "sts_domain", name, "mx").error(
                    305,
                    f'{{key}} has "{host}", which is neither a host nor *. and a domain.',
                    "Senders that follow the policy would not deliver (RFC 8461 §4.1).",
                    '{key} = ["mx.example.org"]',
                )
        if not 0 <= policy.max_age <= _LONGEST_AGE:
            yield Report(loaded, "sts_domain", name, "max_age").error(
                306,
                f"{{key}} is longer than a year, {_LONGEST_AGE} seconds.",
                "No longer time is valid (RFC 8461 §3.2).",
                '{key} = "14 d"',
            )


def _policy_certificates(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    if settings.tls.certificate or any(
        each.certificate is not None for each in settings.certificate.values()
    ):
        return  # what is in files is seen when it is shown: `pillarbox mta-sts --check`
    names = {name.lower() for each in settings.certificate.values() for name in each.names}
    for domain in settings.sts_domain:
        host = f"mta-sts.{ascii_domain(domain)}"
        if host not in names and f"*.{ascii_domain(domain)}" not in names:
            yield Report(loaded, "sts_domain", domain).warning(
                307,
                f"No certificate is for {host}.",
                "Others fetch the policy only over TLS that verifies (RFC 8461 §3.3).",
                f"Add {host} to the names of a [certificate] section.",
            )


def _mailbox(text: str) -> Mailbox | None:
    try:
        return parse_mailbox(text)
    except AddressError:
        return None


def _is_local(loaded: Loaded, mailbox: Mailbox) -> bool:
    return mailbox.ascii_domain in {ascii_domain(name) for name in loaded.settings.domain}


REPORT_CHECKS: Final[tuple[Check, ...]] = (_sender, _receive, _policies, _policy_certificates)

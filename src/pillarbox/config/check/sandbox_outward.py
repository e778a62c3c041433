"""Checks of what may leave a sandbox: the relay, forwarding rules, webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_loopback
from pillarbox.config.loader import Loaded
from pillarbox.config.mail_url import MailUrl, MailUrlInvalid, parse_mail_url
from pillarbox.config.settings import TlsMode
from pillarbox.errors import PermanentError
from pillarbox.findings import Finding
from pillarbox.policy.senders import NoSenderPattern, Senders
from pillarbox.search.language import QueryError, parse_query
from pillarbox.smtp.path import parse_mailbox

__all__ = ["SANDBOX_OUTWARD_CHECKS"]

_RELEASE: Final = "sandbox_release"
_FORWARD: Final = "sandbox_forward"
_WEBHOOK: Final = "sandbox_webhook"
_IN_CLEAR: Final = frozenset({TlsMode.NONE, TlsMode.OPPORTUNISTIC})


def _relay(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings.sandbox_release
    report = Report(loaded, _RELEASE, "relay")
    if not settings.relay:
        return
    try:
        relay = parse_mail_url(settings.relay)
    except MailUrlInvalid as error:
        yield report.error(
            315,
            f"{{key}} names no mail server: {error}.",
            "Mail could not be released.",
            '{key} = "smtp://user@mail.example.com:587"',
        )
        return
    yield from _doubts(report, relay)
    if not settings.recipients:
        yield Report(loaded, _RELEASE, "recipients").error(
            316,
            "{key} is empty, so nobody could get released mail.",
            "A relay without a list of recipients does nothing.",
            '{key} = ["@example.org"], or remove sandbox_release.relay.',
        )


def _doubts(report: Report, relay: MailUrl) -> Iterator[Finding]:
    if relay.warning:
        yield report.warning(
            317,
            f"{{key}}: {relay.warning}.",
            "Elsewhere smtps:// is TLS from the first octet.",
            f'{{key}} = "smtp+starttls://{relay.host}:{relay.port}"',
        )
    if relay.user and relay.tls in _IN_CLEAR and not is_loopback(relay.host):
        yield report.warning(
            318,
            "{key} has a user name, and TLS is not required.",
            "An attacker on the network can have the password sent in the clear.",
            "Take tls=never or tls=may out of the URL.",
        )


def _people(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings.sandbox_release
    for key, patterns in (("recipients", settings.recipients), ("blocked", settings.blocked)):
        report = Report(loaded, _RELEASE, key)
        for pattern in patterns:
            if _senders((pattern,)) is None:
                yield report.error(
                    319,
                    f'{{key}} has "{pattern}", which is not an address pattern.',
                    "It would match nobody.",
                    '{key} = ["ann@example.org", "@example.org", "@*.example.org"]',
                )
    if settings.relay and "*" in settings.recipients:
        yield Report(loaded, _RELEASE, "recipients").warning(
            320,
            '{key} has "*": everybody may get released mail.',
            "Test mail can reach customers with one click, or one rule.",
            "Name the testers, or their domain.",
        )
    if settings.return_path and not _is_address(settings.return_path):
        yield Report(loaded, _RELEASE, "return_path").error(
            321,
            f'{{key}} is "{settings.return_path}", which is not an address.',
            "Bounces of released mail go there.",
            '{key} = "postmaster@example.org"',
        )


def _forwards(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    allowed = _senders(settings.sandbox_release.recipients)
    blocked = _senders(settings.sandbox_release.blocked)
    for name, rule in settings.sandbox_forward.items():
        if not settings.sandbox_release.relay:
            yield Report(loaded, _FORWARD, name).error(
                322,
                "{key} forwards mail, and there is no sandbox_release.relay.",
                "Nothing leaves a sandbox without one.",
                'sandbox_release.relay = "smtp://user@mail.example.com:587"',
            )
        for text in rule.recipients:
            is_allowed = _is_address(text) and (
                allowed is None or blocked is None or _may(text, allowed, blocked)
            )
            if not is_allowed:
                yield Report(loaded, _FORWARD, name, "recipients").error(
                    323,
                    f'{{key}} has "{text}", who must not get released mail.',
                    "A rule cannot go beyond sandbox_release.recipients.",
                    f'Add "{text}" to sandbox_release.recipients, or leave it out here.',
                )
        yield from _search(Report(loaded, _FORWARD, name, "search"), rule.search)
        yield from _project(loaded, _FORWARD, name, rule.project)


def _webhooks(loaded: Loaded) -> Iterator[Finding]:
    for name, webhook in loaded.settings.sandbox_webhook.items():
        if not _is_http(webhook.url):
            yield Report(loaded, _WEBHOOK, name, "url").error(
                324,
                "{key} is not an http or https URL.",
                "Nobody could be told of new mail.",
                '{key} = "http://localhost:3000/mail"',
            )
        yield from _search(Report(loaded, _WEBHOOK, name, "search"), webhook.search)
        yield from _project(loaded, _WEBHOOK, name, webhook.project)


def _search(report: Report, text: str) -> Iterator[Finding]:
    try:
        parse_query(text, now=0.0)
    except QueryError as error:
        yield report.error(
            325,
            f"{{key}} is malformed: {error}",
            "It would find nothing.",
            "docs/search.md has the words.",
        )


def _project(loaded: Loaded, section: str, name: str, project: str) -> Iterator[Finding]:
    known = {"", "inbox", *loaded.settings.sandbox_project}
    if project not in known:
        yield Report(loaded, section, name, "project").warning(
            326,
            f'{{key}} is "{project}", and there is no [sandbox_project.{project}].',
            "It does nothing until somebody makes that project on the page.",
            f"Add [sandbox_project.{project}], or correct the name.",
        )


def _senders(patterns: tuple[str, ...]) -> Senders | None:
    try:
        return Senders(patterns)
    except NoSenderPattern:
        return None


def _may(text: str, allowed: Senders, blocked: Senders) -> bool:
    address = parse_mailbox(text)
    return address in allowed and address not in blocked


def _is_address(text: str) -> bool:
    try:
        parse_mailbox(text)
    except PermanentError:
        return False
    return True


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc
        )
    except ValueError:
        return False


SANDBOX_OUTWARD_CHECKS: Final[tuple[Check, ...]] = (_relay, _people, _forwards, _webhooks)

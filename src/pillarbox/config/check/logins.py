"""Checks of how clients log in here, and how we log in to smart hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_loopback
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import SourceKind
from pillarbox.findings import Finding
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret

__all__ = ["LOGIN_CHECKS"]

_KNOWN: Final = ", ".join(MECHANISMS)
_WHY_NOT: Final = {
    "DIGEST-MD5": "It is historic (RFC 6331): it rests on MD5, and no two programs agree on it.",
    "NTLM": "It can be relayed and cracked; its own maker has given it up.",
    "SCRAM-SHA-1": "SCRAM-SHA-256 takes its place (RFC 7677).",
    "GSSAPI": "Kerberos is not supported.",
    "EXTERNAL": "Client certificates identify nobody here.",
}


def _known_mechanisms(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    lists = [
        (settings.auth.mechanisms, ("auth", "mechanisms")),
        *(
            (route.mechanisms, ("route", name, "mechanisms"))
            for name, route in settings.route.items()
        ),
    ]
    for names, address in lists:
        for name in names:
            if name.upper() not in MECHANISMS:
                yield Report(loaded, *address).error(
                    90,
                    f"{{key}} names {name}, which is not a known mechanism.",
                    _WHY_NOT.get(name.upper(), "Nobody could log in by it."),
                    f"Use some of {_KNOWN}.",
                )


def _doubtful_mechanisms(loaded: Loaded) -> Iterator[Finding]:
    offered = {name.upper() for name in loaded.settings.auth.mechanisms}
    report = Report(loaded, "auth", "mechanisms")
    if "CRAM-MD5" in offered:
        yield report.warning(
            91,
            "{key} offers CRAM-MD5.",
            "Passwords for it are stored in a form from which they can be read again, "
            "and an eavesdropper can try passwords offline.",
            "Offer SCRAM-SHA-256 instead, unless a client supports nothing better.",
        )
    if "SCRAM-SHA-256-PLUS" in offered and "SCRAM-SHA-256" not in offered:
        yield report.warning(
            92,
            "{key} offers SCRAM-SHA-256-PLUS without SCRAM-SHA-256.",
            "Clients that know SCRAM, but not our kind of channel binding, cannot use it.",
            "Add SCRAM-SHA-256 after it.",
        )


def _token_sources(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    knows_tokens = any(
        source.kind in {SourceKind.JWKS, SourceKind.INTROSPECTION}
        for source in settings.auth_source.values()
    )
    offered = {name.upper() for name in settings.auth.mechanisms}
    takes_tokens = any(
        MECHANISMS[name].secret is Secret.TOKEN for name in offered if name in MECHANISMS
    )
    report = Report(loaded, "auth", "mechanisms")
    if takes_tokens and not knows_tokens:
        yield report.warning(
            97,
            "{key} offers a mechanism for tokens, but no source of users supports them.",
            "Clients that use it are always refused.",
            "Add an [auth_source.NAME] of kind jwks or introspection.",
        )
    if knows_tokens and not takes_tokens:
        yield report.warning(
            98,
            "{key} offers no mechanism for tokens, but a source of users supports them.",
            "It is never asked.",
            '{key} = ["OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]',
        )


def _one_secret(loaded: Loaded) -> Iterator[Finding]:
    for name, route in loaded.settings.route.items():
        given = [key for key in ("password", "token_file", "token_url") if getattr(route, key)]
        if len(given) > 1:
            yield Report(loaded, "route", name, given[1]).error(
                93,
                f"{{key}} is set, and {given[0]} as well.",
                "Only one of them can be what the smart host wants.",
                "Leave one out.",
            )
        usable = {each.upper() for each in route.mechanisms} & {
            each for each, mechanism in MECHANISMS.items() if mechanism.secret is Secret.TOKEN
        }
        has_token = bool(route.token_file or route.token_url)
        if has_token and route.mechanisms and not usable:
            yield Report(loaded, "route", name, "mechanisms").error(
                94,
                "{key} names no mechanism for a token, and there is one to log in with.",
                "No login can succeed.",
                '{key} = ["OAUTHBEARER", "XOAUTH2"], or leave it out.',
            )


def _issuers(loaded: Loaded) -> Iterator[Finding]:
    for name, route in loaded.settings.route.items():
        if not route.token_url:
            continue
        try:
            parts = urlsplit(route.token_url)
            host = parts.hostname or ""
        except ValueError:
            parts, host = urlsplit(""), ""
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
        if not (host and is_safe):
            yield Report(loaded, "route", name, "token_url").error(
                95,
                "{key} is not an https:// address.",
                "The secret for getting tokens would cross the network in the clear.",
                '{key} = "https://..."',
            )
        if not route.token_client:
            yield Report(loaded, "route", name, "token_client").error(
                96,
                "{key} is missing, and there is a token_url.",
                "An issuer grants tokens only to clients it knows.",
                '{key} = "..."',
            )


LOGIN_CHECKS: Final[tuple[Check, ...]] = (
    _known_mechanisms,
    _doubtful_mechanisms,
    _token_sources,
    _one_secret,
    _issuers,
)

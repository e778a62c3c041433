"""Checks of how clients log in here, and how we log in to smart hosts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.loader import Loaded
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
                    f"{{key}} names {name}, which is no mechanism that we know.",
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
            "The passwords of who uses it are kept in a form from which they can be read again, "
            "and who listens to a login can try passwords at leisure.",
            "Offer SCRAM-SHA-256 instead, unless a client knows nothing better.",
        )
    if "SCRAM-SHA-256-PLUS" in offered and "SCRAM-SHA-256" not in offered:
        yield report.warning(
            92,
            "{key} offers SCRAM-SHA-256-PLUS without SCRAM-SHA-256.",
            "Clients that know SCRAM, but not our kind of channel binding, cannot use it.",
            "Add SCRAM-SHA-256 behind it.",
        )


def _one_secret(loaded: Loaded) -> Iterator[Finding]:
    for name, route in loaded.settings.route.items():
        if route.token_file is None:
            continue
        if route.password:
            yield Report(loaded, "route", name, "token_file").error(
                93,
                "{key} is set, and a password as well.",
                "Only one of them can be what the smart host wants.",
                "Leave one out.",
            )
        usable = {each.upper() for each in route.mechanisms} & {
            each for each, mechanism in MECHANISMS.items() if mechanism.secret is Secret.TOKEN
        }
        if route.mechanisms and not usable:
            yield Report(loaded, "route", name, "mechanisms").error(
                94,
                "{key} names no mechanism for a token, and there is a token_file.",
                "No login can succeed.",
                '{key} = ["OAUTHBEARER", "XOAUTH2"], or leave it out.',
            )


LOGIN_CHECKS: Final[tuple[Check, ...]] = (_known_mechanisms, _doubtful_mechanisms, _one_secret)

"""Checks of the user sources: that they can be queried, and that doing so is safe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import SplitResult, urlsplit

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_loopback
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import Settings, SourceKind, SourceSettings
from pillarbox.findings import Finding

__all__ = ["SOURCE_CHECKS"]

_OWN: Final = frozenset({"store", "file"})
_SHORTEST_KEY: Final = 32
_SCRAM: Final = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"})
_UNSAFE: Final = frozenset({"NONE", "HS256", "HS384", "HS512"})
_USER: Final = "{user}"
_NEEDED: Final = {
    SourceKind.LDAP: ("url", "bind_dn"),
    SourceKind.JWKS: ("issuer", "audiences"),
    SourceKind.INTROSPECTION: ("url", "client_id"),
}


def _order(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    for name in settings.auth.sources:
        if name not in _OWN and name not in settings.auth_source:
            yield Report(loaded, "auth", "sources").error(
                150,
                f'{{key}} names "{name}", which is not a source.',
                "Nobody could be asked about users.",
                f"Use store, file, or add [auth_source.{name}].",
            )
    for name in settings.auth_source:
        if settings.auth.sources and name not in settings.auth.sources:
            yield Report(loaded, "auth_source", name, "kind").warning(
                151,
                f"[auth_source.{name}] is not in auth.sources.",
                "It is never asked.",
                f'Add "{name}" to auth.sources, or remove the table.',
            )


def _key(loaded: Loaded) -> Iterator[Finding]:
    settings, report = loaded.settings, Report(loaded, "auth", "key")
    key = settings.auth.key
    if key and len(key) < _SHORTEST_KEY:
        yield report.error(
            152,
            f"{{key}} has {len(key)} characters.",
            "It protects stored secrets, and could be guessed.",
            "openssl rand -base64 32",
        )
    offered = set(map(str.upper, settings.auth.mechanisms))
    if not key and settings.store.url.startswith("postgres") and offered & _SCRAM:
        yield report.warning(
            153,
            "{key} is not set, SCRAM is offered, and nodes may share the store.",
            "Each node generates its own: by asking two of them, anybody can learn which users there "
            "are; and none knows a former secret of another.",
            "Give all nodes the same {key}_file: openssl rand -base64 32",
        )
    if not key and "CRAM-MD5" in offered:
        yield report.warning(
            154,
            "CRAM-MD5 is offered, and {key} is not set.",
            "Without it no secret can be stored reversibly, so nobody can log in with CRAM-MD5.",
            "Remove CRAM-MD5 from auth.mechanisms; or set {key}_file.",
        )


def _complete(loaded: Loaded) -> Iterator[Finding]:
    for name, source in loaded.settings.auth_source.items():
        for key in _NEEDED[source.kind]:
            if not getattr(source, key):
                yield Report(loaded, "auth_source", name, key).error(
                    155,
                    f"{{key}} is missing, which a source of kind {source.kind.value} needs.",
                    "It cannot be asked.",
                    "See docs/credentials.md.",
                )


def _directories(loaded: Loaded) -> Iterator[Finding]:
    for name, source in loaded.settings.auth_source.items():
        if source.kind is not SourceKind.LDAP:
            continue
        template = "search_filter" if source.search_base else "bind_dn"
        if _USER not in getattr(source, template):
            yield Report(loaded, "auth_source", name, template).error(
                156,
                "{key} does not say where the user name goes.",
                "Everybody would be checked against one and the same entry.",
                f"Write {_USER} in its place.",
            )
        url = _split(source.url)
        if url.scheme not in {"ldap", "ldaps"}:
            yield Report(loaded, "auth_source", name, "url").error(
                157,
                f'{{key}} is "{source.url}", which is not an ldap:// or ldaps:// URL.',
                "It cannot be asked.",
                '{key} = "ldaps://ldap.example.org"',
            )
        elif url.scheme == "ldap" and source.start_tls is False and not _is_here(url):
            yield Report(loaded, "auth_source", name, "start_tls").warning(
                158,
                "{key} is false, and the server is not on this machine.",
                "Passwords go over the network in the clear.",
                "Remove {key}, or use ldaps://.",
            )
        if not source.identity_attribute and _names_credentials(loaded.settings):
            yield Report(loaded, "auth_source", name, "identity_attribute").warning(
                162,
                "{key} is not set, and rules or owners name credentials.",
                "Directories ignore case: a client that logs in as ANN is not the ann "
                "that they name.",
                '{key} = "uid"; in Active Directory "userPrincipalName"',
            )


def _names_credentials(settings: Settings) -> bool:
    named = [each.credentials for each in settings.rule.values()]
    named += [each.credentials for each in settings.owner.values()]
    named += [each.credentials for each in settings.rate.values()]
    return any(name != "*" for names in named if names for name in names)


def _tokens(loaded: Loaded) -> Iterator[Finding]:
    for name, source in loaded.settings.auth_source.items():
        if source.kind is SourceKind.LDAP:
            continue
        unsafe = _UNSAFE.intersection(map(str.upper, source.algorithms))
        if unsafe:
            yield Report(loaded, "auth_source", name, "algorithms").error(
                159,
                f"{{key}} has {', '.join(sorted(unsafe))}.",
                "Anybody could make a token: the key would be public, or there is none.",
                '{key} = ["RS256", "ES256", "EdDSA"]',
            )
        for key in _urls(source):
            url = _split(getattr(source, key))
            if not (url.scheme == "https" or (url.scheme == "http" and _is_here(url))):
                yield Report(loaded, "auth_source", name, key).error(
                    160,
                    "{key} is not an https:// URL.",
                    "An attacker on the network could let in anybody.",
                    "Use https://; http:// only to this machine.",
                )
        if source.kind is SourceKind.INTROSPECTION and not source.audiences:
            yield Report(loaded, "auth_source", name, "audiences").warning(
                161,
                "{key} is empty.",
                "A token issued for any other service would be accepted here as well.",
                "Name the audience of tokens for mail.",
            )


def _urls(source: SourceSettings) -> Iterator[str]:
    if source.url:
        yield "url"
    if source.kind is SourceKind.JWKS and source.issuer:
        yield "issuer"


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _is_here(url: SplitResult) -> bool:
    return is_loopback(url.hostname or "")


SOURCE_CHECKS: Final[tuple[Check, ...]] = (_order, _key, _complete, _directories, _tokens)
"""All of them."""

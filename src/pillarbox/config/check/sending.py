"""Checks of sending: routes, queue times, resolvers, the store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_host_name, is_loopback, parse_endpoint, parse_network
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import ListenerKind, RouteKind, RouteSettings, TlsMode
from pillarbox.findings import Finding
from pillarbox.smtp.address import ascii_domain

__all__ = ["SENDING_CHECKS"]

_SCHEMES: Final = ("sqlite:", "postgresql://", "postgres://", "memory:")
_TLS_VERSIONS: Final = ("1.2", "1.3")
_LOG_LEVELS: Final = ("all", "notice", "warning")
_FIELDS: Final = ("{domain}", "{local}", "{address}")


def _default_route(loaded: Loaded) -> Iterator[Finding]:
    routes = loaded.settings.route
    inward = {ListenerKind.MX, ListenerKind.SANDBOX}
    takes_mail_out = any(each.kind not in inward for each in loaded.settings.listener.values())
    has_default = any("*" in route.recipients for route in routes.values())
    if takes_mail_out and not has_default:
        yield Report(loaded, "route").error(
            40,
            'No route accepts mail for all domains (recipients = ["*"]).',
            "Mail for other domains could not be delivered.",
            'Add [route.out] with kind = "mx" (or "smarthost" and host) and recipients = ["*"].',
        )
    seen_all = ""
    for name, route in routes.items():
        if seen_all and route.recipients:
            yield Report(loaded, "route", name, "recipients").warning(
                41,
                f"route {name} is never taken: route {seen_all} before it takes everything.",
                "The first route that matches is taken.",
                f"Put [route.{name}] above [route.{seen_all}].",
            )
        if "*" in route.recipients and not route.senders:
            seen_all = seen_all or name


def _hosts(loaded: Loaded) -> Iterator[Finding]:
    for name, route in loaded.settings.route.items():
        report = Report(loaded, "route", name, "host")
        if route.kind in {RouteKind.SMART_HOST, RouteKind.LMTP}:
            is_socket = route.kind is RouteKind.LMTP and route.host.startswith("/")
            if not route.host:
                yield report.error(
                    42,
                    f"{{key}} is missing, and route {name} is of kind {route.kind.value}.",
                    "There is nowhere to connect to.",
                    '{key} = "smtp.example.net:587"',
                )
            elif not is_socket and parse_endpoint(route.host) is None:
                yield report.error(
                    43,
                    f'{{key}} is "{route.host}", which is not a host with a port.',
                    "It cannot be connected to.",
                    'Write it as "smtp.example.net:587", "192.0.2.1:25" or "[2001:db8::1]:25".',
                )
        elif route.host:
            yield report.warning(
                44,
                f"{{key}} is set, and route {name} is of kind {route.kind.value}.",
                "The host is not used.",
                'Set kind = "smarthost", or remove host.',
            )
        if route.kind is RouteKind.MAILDIR:
            yield from _maildir(loaded, name, route)


def _maildir(loaded: Loaded, name: str, route: RouteSettings) -> Iterator[Finding]:
    report = Report(loaded, "route", name, "path")
    if route.path is None:
        yield report.error(
            45,
            f"{{key}} is missing, and route {name} is of kind maildir.",
            "There is no directory to deliver into.",
            '{key} = "/var/mail/{domain}/{local}"',
        )
    elif not any(field in str(route.path) for field in _FIELDS):
        yield report.warning(
            46,
            "{key} has none of {domain}, {local}, {address} in it.",
            "Mail for all recipients goes into one directory.",
            '{key} = "/var/mail/{domain}/{local}", unless that is what you want.',
        )


def _credentials(loaded: Loaded) -> Iterator[Finding]:
    for name, route in loaded.settings.route.items():
        report = Report(loaded, "route", name, "tls")
        endpoint = parse_endpoint(route.host)
        is_remote = (
            route.kind in {RouteKind.SMART_HOST, RouteKind.LMTP}
            and endpoint is not None
            and not is_loopback(endpoint.host)
        )
        has_secret = bool(route.password or route.token_file or route.token_url)
        if has_secret and not route.user:
            yield Report(loaded, "route", name, "user").error(
                47,
                "{key} is missing, and there is a password or a token.",
                "Nobody can log in with that alone.",
                '{key} = "..."',
            )
        if is_remote and has_secret and route.tls in {TlsMode.NONE, TlsMode.OPPORTUNISTIC}:
            yield report.error(
                48,
                f'{{key}} is "{route.tls.value}", and there is a password or a token.',
                f"It could go to {route.host} in the clear.",
                '{key} = "starttls" (port 587) or "implicit" (port 465)',
            )
        elif is_remote and route.kind is RouteKind.SMART_HOST and route.tls is TlsMode.NONE:
            yield report.warning(
                49,
                f'{{key}} is "none", and {route.host} is another machine.',
                "All mail on this route can be read on the way.",
                '{key} = "starttls"',
            )


def _patterns(loaded: Loaded) -> Iterator[Finding]:
    for name, route in loaded.settings.route.items():
        for pattern in route.recipients:
            domain = pattern.removeprefix("*.")
            if pattern != "*" and not is_host_name(ascii_domain(domain)):
                yield Report(loaded, "route", name, "recipients").error(
                    50,
                    f'{{key}} has "{pattern}", which is not a pattern of domains.',
                    "It would never match.",
                    'Write it as "example.org", "*.example.org" or "*".',
                )
        for sender in route.senders:
            if "@" not in sender and sender != "<>":
                yield Report(loaded, "route", name, "senders").error(
                    51,
                    f'{{key}} has "{sender}", which is not a sender.',
                    "It would never match.",
                    'Write it as "ann@example.org", "@example.org" or "<>".',
                )
        if route.source and parse_network(route.source) is None:
            yield Report(loaded, "route", name, "source").error(
                52,
                f'{{key}} is "{route.source}", which is not an address.',
                "Connections cannot come from it.",
                'Write it as "192.0.2.1" or "2001:db8::1".',
            )


def _times(loaded: Loaded) -> Iterator[Finding]:
    queue = loaded.settings.queue
    if queue.first_retry <= 0 or queue.first_retry > queue.max_retry:
        yield Report(loaded, "queue", "first_retry").error(
            53,
            f"{{key}} is {queue.first_retry:g} s; it must be over 0 and at most queue.max_retry.",
            "The waits grow from this to that.",
            '{key} = "5 min"',
        )
    if queue.lifetime < queue.first_retry:
        yield Report(loaded, "queue", "lifetime").error(
            54,
            "{key} is shorter than queue.first_retry.",
            "Nothing would be tried a second time (RFC 5321 §4.5.4.1 asks for four or five days).",
            '{key} = "5 d"',
        )


def _words(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    if not settings.store.url.startswith(_SCHEMES):
        yield Report(loaded, "store", "url").error(
            55,
            "{key} starts with none of sqlite:, postgresql:// and memory:.",
            "It is unknown where to store mail.",
            '{key} = "sqlite:pillarbox.db"',
        )
    for section, key, value, choices in (
        ("tls", "minimum_version", settings.tls.minimum_version, _TLS_VERSIONS),
        ("log", "level", settings.log.level, _LOG_LEVELS),
    ):
        if value not in choices:
            listed = ", ".join(f'"{choice}"' for choice in choices)
            yield Report(loaded, section, key).error(
                56, f'{{key}} is "{value}".', f"It is one of {listed}.", f'{{key}} = "{choices[0]}"'
            )
    for server in settings.dns.servers:
        endpoint = parse_endpoint(server)
        is_address = parse_network(server if endpoint is None else endpoint.host) is not None
        if not is_address:
            yield Report(loaded, "dns", "servers").error(
                57,
                f'{{key}} has "{server}", which is not an address.',
                "A resolver cannot be found by a name.",
                'Write it as "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:53".',
            )


SENDING_CHECKS: Final[tuple[Check, ...]] = (
    _default_route,
    _hosts,
    _credentials,
    _patterns,
    _times,
    _words,
)

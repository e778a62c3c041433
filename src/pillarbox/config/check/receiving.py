"""Checks of receiving: the node, its listeners, its local domains, its limits."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import (
    is_host_name,
    is_loopback,
    parse_endpoint,
    parse_network,
)
from pillarbox.config.loader import Loaded
from pillarbox.config.relay import is_trustworthy
from pillarbox.config.settings import ListenerKind, ListenerSettings, RouteKind, Settings
from pillarbox.findings import Finding
from pillarbox.smtp.address import ascii_domain

__all__ = ["RECEIVING_CHECKS"]

_SHARDS: Final = 1024
_MIN_COMMAND_LINE: Final = 512  # RFC 5321 §4.5.3.1.4
_MIN_TEXT_LINE: Final = 1000  # RFC 5321 §4.5.3.1.6
_MIN_RECIPIENTS: Final = 100  # RFC 5321 §4.5.3.1.8


def _node(loaded: Loaded) -> Iterator[Finding]:
    node = loaded.settings.node
    if node.shard >= _SHARDS:
        yield Report(loaded, "node", "shard").error(
            20,
            f"{{key}} is {node.shard}, and must be 0 to {_SHARDS - 1}.",
            "It is part of every message id.",
            "Give each node a different number, starting with 0.",
        )
    if node.hostname and not is_host_name(ascii_domain(node.hostname)):
        yield Report(loaded, "node", "hostname").error(
            21,
            f'{{key}} is "{node.hostname}", which is not a host name.',
            "Servers refuse a greeting that is not a name.",
            'Use the fully qualified name of this machine, such as "mail.example.org".',
        )


def _hostname(loaded: Loaded) -> Iterator[Finding]:
    sends_to_the_world = any(route.kind is RouteKind.MX for route in loaded.settings.route.values())
    if loaded.settings.node.hostname or not sends_to_the_world:
        return
    name = socket.getfqdn()
    if "." not in name.strip("."):
        yield Report(loaded, "node", "hostname").warning(
            19,
            f'{{key}} is not set, and this machine calls itself "{name}".',
            "Many servers refuse a greeting that is not a fully qualified name.",
            '{key} = "mail.example.org", a name that resolves to this machine',
        )


def _no_listener(loaded: Loaded) -> Iterator[Finding]:
    if not loaded.settings.listener:
        yield Report(loaded, "listener").warning(
            22,
            "There is no listener.",
            "No mail can come in; what is in the queue is delivered.",
            'Add [listener.submission] with kind = "submission" and bind = ["127.0.0.1:2525"].',
        )


def _binds(loaded: Loaded) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, listener in loaded.settings.listener.items():
        report = Report(loaded, "listener", name, "bind")
        if not listener.bind:
            yield report.error(
                23,
                "{key} is empty.",
                "A listener needs an address.",
                '{key} = ["127.0.0.1:2525"]',
            )
        for bind in listener.bind:
            endpoint = parse_endpoint(bind)
            if endpoint is None or endpoint.port is None or not _is_address(endpoint.host):
                yield report.error(
                    24,
                    f'{{key}} has "{bind}", which is not an address with a port.',
                    "A listener binds addresses, not names.",
                    'Write it as "0.0.0.0:25", "[::]:25" or "127.0.0.1:2525".',
                )
            elif endpoint.port and (other := seen.setdefault(str(endpoint), name)) != name:
                yield report.error(
                    25,
                    f'listener {name} and listener {other} both bind "{endpoint}".',
                    "An address with its port can be bound once.",
                    "Give one of them another port.",
                )


def _networks(loaded: Loaded) -> Iterator[Finding]:
    for name, listener in loaded.settings.listener.items():
        for key in ("trusted_networks", "proxies"):
            report = Report(loaded, "listener", name, key)
            networks: tuple[str, ...] = getattr(listener, key)
            for text in networks:
                network = parse_network(text)
                if network is None:
                    yield report.error(
                        26,
                        f'{{key}} has "{text}", which is not a network.',
                        "Host bits behind the prefix must be zero.",
                        'Write it as "10.0.0.0/8", "fd00::/8" or "127.0.0.1".',
                    )
                elif key == "trusted_networks" and not is_trustworthy(network, loaded.settings):
                    yield report.error(
                        27,
                        f'{{key}} has "{text}", which is not a private network.',
                        "Everybody in it could send mail to anywhere through this server: "
                        "an open relay.",
                        "Let these clients log in (auth.file); or, where you answer for every "
                        f'one of them, policy.acknowledged_networks = ["{network}"].',
                    )


def _mx_rules(loaded: Loaded) -> Iterator[Finding]:
    for name, listener in loaded.settings.listener.items():
        if listener.kind is not ListenerKind.MX:
            continue
        if listener.normalize_line_ends:
            yield Report(loaded, "listener", name, "normalize_line_ends").error(
                28,
                "{key} is true on an mx listener.",
                "Repairing a bare LF lets strangers smuggle messages.",
                "Remove it.",
            )
        if not loaded.settings.domain:
            yield Report(loaded, "listener", name, "kind").warning(
                29,
                f"listener {name} is an mx, and there is no local domain.",
                "It refuses every recipient.",
                'Add [domain."example.org"] with recipients and a route.',
            )


def _login(loaded: Loaded) -> Iterator[Finding]:
    for name, listener in loaded.settings.listener.items():
        if listener.kind in {ListenerKind.MX, ListenerKind.SANDBOX}:
            continue
        if _wants_auth(listener) and not _knows_users(loaded.settings):
            if listener.trusted_networks:
                continue
            yield Report(loaded, "listener", name, "kind").error(
                30,
                f"Nobody can send through listener {name}: no source knows users, and no network is "
                "trusted.",
                "Every client would be refused.",
                'Add "store" to auth.sources (`pillarbox credential add`), or set '
                f'listener.{name}.trusted_networks = ["127.0.0.1"].',
            )
        elif not _wants_auth(listener) and not _is_local(listener):
            yield Report(loaded, "listener", name, "require_auth").error(
                31,
                "{key} is false on a submission listener.",
                "Everybody who reaches it could send mail to anywhere: an open relay.",
                "Remove it, and list trusted_networks.",
            )


def _knows_users(settings: Settings) -> bool:
    auth = settings.auth
    return not auth.sources or any(name != "file" or auth.file is not None for name in auth.sources)


def _wants_auth(listener: ListenerSettings) -> bool:
    return listener.require_auth is not False


def _is_local(listener: ListenerSettings) -> bool:
    endpoints = [parse_endpoint(bind) for bind in listener.bind]
    return all(endpoint is not None and is_loopback(endpoint.host) for endpoint in endpoints)


def _limits(loaded: Loaded) -> Iterator[Finding]:
    limits, intake = loaded.settings.limits, loaded.settings.intake
    for key, value, least, section in (
        ("command_line", limits.command_line, _MIN_COMMAND_LINE, "§4.5.3.1.4"),
        ("text_line", limits.text_line, _MIN_TEXT_LINE, "§4.5.3.1.6"),
        ("recipients", limits.recipients, _MIN_RECIPIENTS, "§4.5.3.1.8"),
        ("recipients_submission", limits.recipients_submission, _MIN_RECIPIENTS, "§4.5.3.1.8"),
    ):
        if value < least:
            yield Report(loaded, "limits", key).error(
                32,
                f"{{key}} is {value}; RFC 5321 {section} asks for {least} at least.",
                "Mail that conforms to the standard would be refused.",
                f"{{key}} = {least}",
            )
    for section_name, key, number in (
        ("limits", "connections", limits.connections),
        ("limits", "connections_per_client", limits.connections_per_client),
        ("intake", "max_message_size", intake.max_message_size),
        ("queue", "in_memory", loaded.settings.queue.in_memory),
        ("delivery", "connections", loaded.settings.delivery.connections),
        ("auth", "hash_workers", loaded.settings.auth.hash_workers),
    ):
        if number == 0:
            yield Report(loaded, section_name, key).error(
                33,
                "{key} is 0.",
                "Nothing could ever pass.",
                "Remove it to use the default.",
            )


def _domains(loaded: Loaded) -> Iterator[Finding]:
    routes = loaded.settings.route
    for name, domain in loaded.settings.domain.items():
        if not is_host_name(ascii_domain(name)) or "." not in name.strip("."):
            yield Report(loaded, "domain", name).error(
                34,
                f'domain."{name}" is not a domain name.',
                "No address can be in it.",
                'Write it as [domain."example.org"], with quotes.',
            )
        report = Report(loaded, "domain", name, "route")
        if domain.route not in routes:
            named = f'is "{domain.route}", which is not a route' if domain.route else "is missing"
            yield report.error(
                35,
                f"{{key}} {named}.",
                "Mail for the local recipients could not be delivered.",
                f"Use one of: {', '.join(routes) or '(there is no [route.NAME] yet)'}.",
            )
        is_empty = not (domain.recipients or domain.recipients_file or domain.aliases_file)
        if is_empty and not domain.catch_all:
            yield Report(loaded, "domain", name).warning(
                36,
                f'domain."{name}" has no recipient.',
                "All of its mail is refused with 550 5.1.1.",
                "Set recipients, recipients_file, aliases_file or catch_all.",
            )
        if len(domain.subaddress_separator) > 1:
            yield Report(loaded, "domain", name, "subaddress_separator").error(
                37, "{key} is longer than one character.", "It is a character.", '{key} = "+"'
            )


def _postmaster(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    if settings.node.postmaster:
        if "@" not in settings.node.postmaster:
            yield Report(loaded, "node", "postmaster").error(
                38,
                f'{{key}} is "{settings.node.postmaster}", which is not an address.',
                "Mail to <postmaster> goes there (RFC 5321 §4.5.1).",
                '{key} = "ann@example.org"',
            )
        return
    for name, domain in settings.domain.items():
        known = {part.lower() for part in domain.recipients}
        listed_elsewhere = domain.recipients_file or domain.aliases_file or domain.catch_all
        if "postmaster" not in known and not listed_elsewhere:
            yield Report(loaded, "domain", name, "recipients").warning(
                39,
                f"postmaster@{name} is not a recipient.",
                "Every domain must accept mail for its postmaster (RFC 5321 §4.5.1).",
                "Add it to recipients or as an alias, or set node.postmaster.",
            )


def _is_address(text: str) -> bool:
    return parse_network(text) is not None and "/" not in text


RECEIVING_CHECKS: Final[tuple[Check, ...]] = (
    _node,
    _hostname,
    _no_listener,
    _binds,
    _networks,
    _mx_rules,
    _login,
    _limits,
    _domains,
    _postmaster,
)

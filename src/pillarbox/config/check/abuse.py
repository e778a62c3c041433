"""Checks of the protections against abuse: rates, DNS lists, greylisting, bans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_host_name, parse_network
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import DnsListAction, DnsListKind, ListenerKind, RateSubject
from pillarbox.findings import Finding
from pillarbox.policy.dns_lists import parse_code
from pillarbox.policy.rate import parse_rate
from pillarbox.smtp.address import ascii_domain

__all__ = ["ABUSE_CHECKS"]

_RATE: Final = 'Write it as "10/s", "500/h", "20/10 min" or "5000/day"; from 1 s to 7 d.'


def _rates(loaded: Loaded) -> Iterator[Finding]:
    for name, rate in loaded.settings.rate.items():
        for key, texts in (("messages", rate.messages), ("recipients", rate.recipients)):
            for text in texts:
                if parse_rate(text) is None:
                    yield Report(loaded, "rate", name, key).error(
                        180,
                        f'{{key}} has "{text}", which is not a rate.',
                        "It could not be enforced.",
                        _RATE,
                    )
        if not rate.messages and not rate.recipients:
            yield Report(loaded, "rate", name).warning(
                181,
                f"rate {name} limits neither messages nor recipients.",
                "It has no effect.",
                f'rate.{name}.messages = ["500/h"]',
            )
        if rate.subject is not RateSubject.CREDENTIAL and not rate.credentials:
            continue
        if _only_mx(loaded, rate.listeners):
            yield Report(loaded, "rate", name, "listeners").warning(
                182,
                f"rate {name} is about credentials, and its listeners are all mx.",
                "Nobody logs in there, so it has no effect.",
                f'rate.{name}.subject = "address", or name a submission listener.',
            )


def _only_mx(loaded: Loaded, names: tuple[str, ...]) -> bool:
    listeners = loaded.settings.listener
    kinds = {listeners[name].kind for name in names if name in listeners}
    offers = any(listeners[name].auth for name in names if name in listeners)
    return kinds == {ListenerKind.MX} and not offers


def _listeners(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    named: list[tuple[tuple[str, ...], tuple[str, ...], bool]] = [
        (("greylist", "listeners"), settings.greylist.listeners, True),
        (("client_name", "listeners"), settings.client_name.listeners, True),
    ]
    for name, rate in settings.rate.items():
        named.append((("rate", name, "listeners"), rate.listeners, False))
    for name, each in settings.dns_list.items():
        named.append((("dns_list", name, "listeners"), each.listeners, True))
    for address, listeners, wants_mx in named:
        for name in listeners:
            listener = settings.listener.get(name)
            if listener is None or (wants_mx and listener.kind is not ListenerKind.MX):
                what = "there is no such listener" if listener is None else "it is no mx listener"
                yield Report(loaded, *address).error(
                    183,
                    f'{{key}} has "{name}": {what}.',
                    "It would have no effect there.",
                    f"Use some of: {', '.join(settings.listener) or '(there is none yet)'}.",
                )


def _networks(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    named: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        (("guessing",), settings.guessing.except_networks),
        (("harvesting",), settings.harvesting.except_networks),
        (("greylist",), settings.greylist.except_networks),
        (("client_name",), settings.client_name.except_networks),
    ]
    named += [(("rate", name), rate.except_networks) for name, rate in settings.rate.items()]
    named += [
        (("dns_list", name), each.except_networks) for name, each in settings.dns_list.items()
    ]
    for address, networks in named:
        for text in networks:
            if parse_network(text) is None:
                yield Report(loaded, *address, "except_networks").error(
                    184,
                    f'{{key}} has "{text}", which is not a network.',
                    "Host bits behind the prefix must be zero.",
                    'Write it as "10.0.0.0/8", "fd00::/8" or "127.0.0.1".',
                )


def _dns_lists(loaded: Loaded) -> Iterator[Finding]:
    screening = loaded.settings.screening
    for zone, each in loaded.settings.dns_list.items():
        if not is_host_name(ascii_domain(zone)) or "." not in zone.strip("."):
            yield Report(loaded, "dns_list", zone).error(
                185,
                f'dns_list."{zone}" is not a domain.',
                "Nothing could be looked up in it.",
                'Write it as [dns_list."zen.example.org"], with quotes.',
            )
        for text in each.codes:
            if parse_code(text) is None:
                yield Report(loaded, "dns_list", zone, "codes").error(
                    186,
                    f'{{key}} has "{text}", which is not a return code.',
                    "No answer could match it.",
                    'Write it as "127.0.0.2", "127.0.0.2-11" or "127.0.*.3".',
                )
        scores = each.kind is DnsListKind.BLOCK and each.action is DnsListAction.SCORE
        if scores and not (screening.defer_score or screening.refuse_score):
            yield Report(loaded, "dns_list", zone, "action").warning(
                187,
                '{key} is "score", and no score has a consequence.',
                "Listings are only noted.",
                "screening.refuse_score = 3, or another sum of weights.",
            )


def _greylist(loaded: Loaded) -> Iterator[Finding]:
    greylist = loaded.settings.greylist
    if greylist.enabled and greylist.window <= greylist.delay:
        yield Report(loaded, "greylist", "window").error(
            188,
            "{key} is not longer than greylist.delay.",
            "No retry could ever come in time: all mail from strangers would be lost.",
            "Remove both to use the defaults.",
        )


ABUSE_CHECKS: Final[tuple[Check, ...]] = (
    _rates,
    _listeners,
    _networks,
    _dns_lists,
    _greylist,
)

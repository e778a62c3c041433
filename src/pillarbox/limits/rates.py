"""The configured rates, and what a client may still send under them.

A message must be within all rates that match its client; if any of them defers it, none counts it.
A check costs a few microseconds, or nothing if no rate matches the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from pillarbox.config.settings import OverRate, RateSettings, RateSubject
from pillarbox.limits.meter import Meter
from pillarbox.policy.networks import TrustedNetworks, parse_network
from pillarbox.policy.patterns import CredentialNames
from pillarbox.policy.rate import parse_rate
from pillarbox.policy.ruling import Action, Ruling
from pillarbox.receive.clients import client_key, show_client
from pillarbox.smtp.reply import Reply

__all__ = ["RateTable"]

_MESSAGES: Final = "messages"
_RECIPIENTS: Final = "recipients"
_CODES: Final = {_MESSAGES: 451, _RECIPIENTS: 452}


@dataclass(frozen=True, slots=True)
class _Table:
    """One table of the configuration."""

    name: str
    settings: RateSettings
    credentials: CredentialNames | None  # to which it applies; None: to everybody
    exempt: CredentialNames
    networks: TrustedNetworks  # to which it does not apply
    meters: Mapping[str, tuple[Meter, ...]]  # of messages, of recipients

    def subject(self, listener: str, client: str, identity: str) -> str | None:
        """Return the subject that this client counts as, or None if the rate does not apply."""
        settings = self.settings
        if settings.listeners and listener not in settings.listeners:
            return None
        if self.credentials is not None and identity not in self.credentials:
            return None
        if identity in self.exempt or client in self.networks:
            return None
        if settings.subject is RateSubject.CREDENTIAL:
            return identity or None
        if settings.subject is RateSubject.ADDRESS:
            return show_client(client_key(client))
        return listener if settings.subject is RateSubject.LISTENER else "all"


@dataclass(frozen=True, slots=True)
class _Held:
    """A rate that applies to a client."""

    table: _Table
    meter: Meter
    subject: str


class _Allowance:
    """What one client may still send."""

    __slots__ = ("_messages", "_now", "_recipients")

    def __init__(
        self, messages: Sequence[_Held], recipients: Sequence[_Held], now: Callable[[], float]
    ) -> None:
        self._messages = messages
        self._recipients = recipients
        self._now = now

    def message(self) -> Ruling | None:
        return self._take(self._messages, _MESSAGES) if self._messages else None

    def recipient(self) -> Ruling | None:
        return self._take(self._recipients, _RECIPIENTS) if self._recipients else None

    def _take(self, rates: Sequence[_Held], what: str) -> Ruling | None:
        now = self._now()
        longest, last = 0.0, rates[0]
        for held in rates:
            wait = held.meter.wait(held.subject, now)
            if wait > 0.0:
                settings = held.table.settings
                if settings.over is OverRate.DEFER or wait > settings.longest_wait:
                    return _deferred(held, wait, what)
                if wait > longest:
                    longest, last = wait, held
        for held in rates:
            held.meter.charge(held.subject, now)
        return _queued(last, longest, what, now) if longest else None


class RateTable:
    """All rates of a node, in one configuration."""

    def __init__(
        self,
        settings: Mapping[str, RateSettings],
        now: Callable[[], float],
        *,
        before: RateTable | None = None,
    ) -> None:
        """Prepare the rates.

        Args:
            settings: The validated tables of the configuration.
            now: The wall clock, seconds since 1970.
            before: The previous rates; unchanged ones keep their counts.
        """
        self._now = now
        self._tables = tuple(_table(name, each) for name, each in settings.items())
        if before is not None:
            for meter in self.meters:
                meter.take_over(before.meters)

    @property
    def meters(self) -> tuple[Meter, ...]:
        """The meters of all rates."""
        kinds = (each for table in self._tables for each in table.meters.values())
        return tuple(meter for meters in kinds for meter in meters)

    def allowance(self, listener: str, client: str, identity: str) -> _Allowance | None:
        """Return the allowance of a client; None: no rate applies to it."""
        held: dict[str, list[_Held]] = {_MESSAGES: [], _RECIPIENTS: []}
        for table in self._tables:
            subject = table.subject(listener, client, identity)
            if subject is not None:
                for what, meters in table.meters.items():
                    held[what] += [_Held(table, meter, subject) for meter in meters]
        if not any(held.values()):
            return None
        return _Allowance(held[_MESSAGES], held[_RECIPIENTS], self._now)


def _table(name: str, settings: RateSettings) -> _Table:
    networks = map(parse_network, settings.except_networks)
    return _Table(
        name=name,
        settings=settings,
        credentials=CredentialNames(settings.credentials) if settings.credentials else None,
        exempt=CredentialNames(settings.except_credentials),
        networks=TrustedNetworks(each for each in networks if each is not None),
        meters={
            _MESSAGES: _meters(name, _MESSAGES, settings.messages),
            _RECIPIENTS: _meters(name, _RECIPIENTS, settings.recipients),
        },
    )


def _meters(name: str, what: str, texts: Iterable[str]) -> tuple[Meter, ...]:
    rates = (parse_rate(text) for text in texts)
    return tuple(
        Meter(f"{name} {what} {rate.amount}/{rate.period:g}", rate)
        for rate in rates
        if rate is not None
    )


def _deferred(held: _Held, wait: float, what: str) -> Ruling:
    seconds = ceil(wait)
    unit = "second" if seconds == 1 else "seconds"
    text = f"Too many {what}, try again in {seconds} {unit}"
    return Ruling(
        action=Action.DEFER,
        by=f"rate {held.table.name}",
        reply=Reply.of(_CODES[what], "4.7.1", text),
        reason=_reason(held, what),
    )


def _queued(held: _Held, wait: float, what: str, now: float) -> Ruling:
    return Ruling(
        action=Action.NOTE,
        by=f"rate {held.table.name}",
        reason=f"{_reason(held, what)}; it waits for {ceil(wait)} s",
        not_before=now + wait,
    )


def _reason(held: _Held, what: str) -> str:
    subject = held.table.settings.subject
    whose = "everybody" if subject is RateSubject.ALL else f"{subject.value} {held.subject}"
    return f"more than {held.meter.rate} ({what}) of {whose}"

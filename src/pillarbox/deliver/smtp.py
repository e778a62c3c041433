"""Delivery by SMTP to the hosts of a site, and by LMTP (RFC 2033) to a mail store.

Hosts are tried by preference, equal ones in random order (RFC 5321 §5.1), each at all of its
addresses, until one accepts us. An address that could not be reached is tried last for a while, so
that a dead first exchanger does not cost every connection its timeout.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Final

from msgspec import structs

from pillarbox.clock import Clock
from pillarbox.deliver.resolve import Host, Resolution
from pillarbox.deliver.security import Refused, Secured
from pillarbox.deliver.transport import Bounds, NoCarrier, Peer
from pillarbox.events.types import Sink, TlsSessionMade
from pillarbox.message.reencoding import in_seven_bits
from pillarbox.net.channel import Channel, OpenFailed
from pillarbox.net.dialer import Dialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts
from pillarbox.net.transaction import (
    Content,
    RecipientOutcome,
    Transaction,
    TransactionResult,
)
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.client_plan import NO_REQUIRETLS
from pillarbox.smtp.reply import Reply

__all__ = ["Dialing", "SmtpCarrier", "SmtpTransport"]

_MAX_ADDRESSES: Final = 10  # tried for one connection; RFC 5321 §5.1 asks for two at least
_FAILED: Final = "validation-failure"  # RFC 8460 §4.3: no more specific type
_AVOIDED_FOR: Final = 300.0  # seconds
_NO_TLS: Final = RecipientOutcome(
    is_delivered=False,
    stage=Stage.MAIL,
    reply=Reply.of(550, "5.7.10", "Encryption needed: no host of the destination can be trusted"),
    is_local=True,
)


@dataclass(frozen=True, slots=True)
class Dialing:
    """Services shared by all connections of a process."""

    dialer: Dialer
    contexts: TlsContexts
    clock: Clock
    random: Random
    sink: Sink | None = None  # receives TLS results


Secure = Callable[[Host, int, ChannelOptions], Awaitable[Secured | Refused]]
"""Returns the TLS requirements for a host and port, given a route's options."""


@dataclass(slots=True)
class _Tries:
    """The results for the addresses that were tried for one connection."""

    peer: Peer
    failed: OpenFailed | None = None  # the last failure
    said: list[str] = field(default_factory=list)
    is_final: bool = True  # whether all of them failed permanently

    def lost(self, endpoint: Endpoint, error: OpenFailed, *, is_final: bool = False) -> None:
        """Note an address that did not accept us."""
        self.failed = error
        self.is_final = self.is_final and is_final
        self.peer = replace(self.peer, host=endpoint.host, address=endpoint.address)
        # The dialer's message begins with the address and the port.
        reason = error.reason.removeprefix(f"{endpoint.address} port {endpoint.port}: ")
        self.said += [f"* {endpoint}: {reason}", *error.conversation]

    def refused(self, endpoint: Endpoint, refused: Refused) -> None:
        """Note a host that we must not use."""
        error = OpenFailed(Stage.TLS, refused.reason)
        self.lost(endpoint, error, is_final=refused.is_final)


class SmtpCarrier:
    """An open channel."""

    def __init__(self, channel: Channel, on_lie: Callable[[], None]) -> None:
        """Send over ``channel``; ``on_lie`` is called if offered CHUNKING is refused."""
        self._channel = channel
        self._on_lie = on_lie
        self.peer = Peer(
            host=channel.endpoint.host,
            address=channel.endpoint.address,
            source=channel.options.source,
            tls=str(channel.tls or ""),
        )
        offered = channel.extensions
        self.bounds = Bounds(offered.max_recipients, offered.max_messages)
        self._opening = tuple(channel.opening)

    @property
    def is_usable(self) -> bool:
        """Whether the channel can take a message now."""
        return self._channel.is_usable

    async def carry(self, transaction: Transaction) -> TransactionResult:
        """Send a message; the first one's transcript includes the opening."""
        if transaction.has_8bit and not self._channel.extensions.eight_bit_mime:
            transaction = _converted(transaction)
        result = await self._channel.transact(transaction)
        if result.chunking_failed:
            self._on_lie()
        if self._opening:
            said = (*self._opening, *result.conversation)
            self._opening = ()
            return structs.replace(result, conversation=said)
        return result

    async def close(self) -> None:
        """Say QUIT and close."""
        await self._channel.quit()


class SmtpTransport:
    """Connections to the hosts of one site."""

    takes_long_lines = False

    def __init__(
        self,
        locate: Callable[[], Awaitable[Resolution]],
        port: int,
        options: ChannelOptions,
        dialing: Dialing,
        secure: Secure | None = None,
        destination: str = "",
        *,
        is_tls_required: bool = False,
    ) -> None:
        """Connect to a site.

        Args:
            locate: Finds its hosts.
            port: Their port.
            options: The route's options.
            dialing: The services shared by all connections.
            secure: Returns the TLS requirements for each host; None: those of the route.
            destination: The recipients' domain that reports are about.
            is_tls_required: Whether its mail came with REQUIRETLS: every server has to offer it,
                and if none does, waiting does not help (RFC 8689 §4.2.1).
        """
        self._is_tls_required = is_tls_required
        self._secure = secure
        self._destination = destination
        self._locate = locate
        self._port = port
        self._options = options
        self._dialing = dialing
        self._found: tuple[float, Resolution] | None = None
        self._avoided: dict[str, float] = {}  # address: until when
        self._without_chunking: set[str] = set()  # addresses that offer BDAT and refuse it

    @property
    def is_final(self) -> bool:
        """Whether this is LMTP, whose replies come from the mailbox."""
        return self._options.is_lmtp

    def know(self, resolution: Resolution) -> None:
        """Use hosts that have been looked up already."""
        self._found = (self._dialing.clock.monotonic() + resolution.ttl, resolution)

    async def open(self) -> SmtpCarrier:
        """Open a channel to the first host that accepts us.

        Raises:
            NoCarrier: No host does, or there is no host.
        """
        resolution = await self._hosts()
        if resolution.failure is not None:
            raise NoCarrier(resolution.failure, Peer())
        secured = await self._terms(resolution.hosts)
        tries = _Tries(Peer(source=self._options.source))
        for endpoint in self._endpoints(resolution.hosts)[:_MAX_ADDRESSES]:
            terms = secured[endpoint.host]
            if isinstance(terms, Refused):
                tries.refused(endpoint, terms)
                self._tell(endpoint, terms, terms.result_type, terms.reason)
                continue
            channel = await self._try(endpoint, terms, tries)
            if channel is not None:
                self._avoided.pop(endpoint.address, None)
                return SmtpCarrier(channel, partial(self._without_chunking.add, endpoint.address))
            self._avoid(endpoint.address)
        raise NoCarrier(self._outcome(tries), tries.peer, tries.said)

    def _outcome(self, tries: _Tries) -> RecipientOutcome:
        """Return the outcome for mail that no address accepts."""
        failed = tries.failed
        if failed is None:
            reason = "no address of the site can be reached from the route's source address"
            return RecipientOutcome(
                is_delivered=False, stage=Stage.CONNECT, reply=None, reason=reason
            )
        if self._is_tls_required and tries.is_final:
            unmet = _NO_TLS if failed.stage is Stage.TLS else NO_REQUIRETLS
            return structs.replace(unmet, reason=failed.reason)
        return RecipientOutcome(
            is_delivered=False, stage=failed.stage, reply=failed.reply, reason=failed.reason
        )

    async def _terms(self, hosts: tuple[Host, ...]) -> dict[str, Secured | Refused]:
        """Return the TLS requirements for each host."""
        secure = self._secure
        if secure is None:
            plain = Secured(options=self._options, policy_type="")
            return dict.fromkeys((host.name for host in hosts), plain)
        found = await asyncio.gather(*(secure(host, self._port, self._options) for host in hosts))
        return {host.name: terms for host, terms in zip(hosts, found, strict=True)}

    async def _try(self, endpoint: Endpoint, terms: Secured, tries: _Tries) -> Channel | None:
        if terms.tries_first is None:
            return await self._open(endpoint, terms.options, terms, tries)
        # A policy in testing mode: try it, report, and continue. The second result is not reported,
        # too, because a session counts once (RFC 8460 §4.4).
        channel = await self._open(endpoint, terms.tries_first, terms, tries)
        if channel is not None or tries.failed is None or tries.failed.stage is not Stage.TLS:
            return channel
        return await self._open(endpoint, terms.options, None, tries)

    async def _open(
        self, endpoint: Endpoint, options: ChannelOptions, told: Secured | None, tries: _Tries
    ) -> Channel | None:
        """Open a channel; the TLS result is reported for ``told``."""
        if endpoint.address in self._without_chunking:
            options = replace(options, use_chunking=False)
        dialing = self._dialing
        try:
            channel = await open_channel(endpoint, options, dialing.dialer, dialing.contexts)
        except OpenFailed as error:
            tries.lost(endpoint, error, is_final=bool(error.result_type))
            if error.stage is Stage.TLS and told is not None:
                self._tell(endpoint, told, error.result_type or _FAILED, error.reason)
            return None
        if told is not None:
            self._tell(endpoint, told, *_result(channel))
        if self._is_tls_required and not channel.extensions.requiretls:
            reason = "the server does not offer REQUIRETLS"
            failure = OpenFailed(Stage.HELLO, reason, conversation=channel.opening)
            tries.lost(endpoint, failure, is_final=True)
            await channel.quit()
            return None
        return channel

    def _tell(self, endpoint: Endpoint, terms: Secured | Refused, result: str, reason: str) -> None:
        """Report the TLS result, if a TLS report needs it (RFC 8460 §4)."""
        sink = self._dialing.sink
        if sink is not None and terms.policy_type:
            sink(
                TlsSessionMade(
                    at=self._dialing.clock.now(),
                    destination=self._destination,
                    host=endpoint.host,
                    address=endpoint.address,
                    policy=terms.policy_type,
                    result=result,
                    reason=reason,
                    source=self._options.source,
                    policy_lines=list(terms.policy_lines),
                )
            )

    async def _hosts(self) -> Resolution:
        now = self._dialing.clock.monotonic()
        if self._found is None or self._found[0] <= now:
            resolution = await self._locate()
            if resolution.failure is not None:
                self._found = None
                return resolution
            self.know(resolution)
            return resolution
        return self._found[1]

    def _endpoints(self, hosts: tuple[Host, ...]) -> list[Endpoint]:
        random, now = self._dialing.random, self._dialing.clock.monotonic()
        ordered = sorted(hosts, key=lambda host: (host.preference, random.random()))
        endpoints = [
            Endpoint(host.name, address, self._port)
            for host in ordered
            for address in host.addresses
            if _can_reach(self._options.source, address)
        ]
        # A stable sort: those to avoid go last, and keep their order.
        return sorted(endpoints, key=lambda end: self._avoided.get(end.address, 0.0) > now)

    def _avoid(self, address: str) -> None:
        now = self._dialing.clock.monotonic()
        self._avoided[address] = now + _AVOIDED_FOR


def _converted(transaction: Transaction) -> Transaction:
    """Convert a transaction for a server without 8BITMIME (RFC 6152 §3), if possible."""
    content = transaction.content
    # Larger contents are not in memory; they fail like those that cannot be converted.
    octets = None if content.octets is None else in_seven_bits(content.octets)
    if octets is None or transaction.envelope.smtputf8:
        return transaction
    return structs.replace(transaction, content=Content(len(octets), octets), has_8bit=False)


def _can_reach(source: str, address: str) -> bool:
    """Whether an address has the family of the source address, if one is set."""
    if not source or address.startswith("/"):
        return True
    return ipaddress.ip_address(source).version == ipaddress.ip_address(address).version


def _result(channel: Channel) -> tuple[str, str]:
    """Return the result type of RFC 8460 §4.3 and its reason, "" for TLS."""
    if channel.tls is not None:
        return "", ""
    failure = channel.tls_failure
    if failure is None:
        return "starttls-not-supported", "the server does not offer STARTTLS"
    return failure.result_type or _FAILED, failure.reason

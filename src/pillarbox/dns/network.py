"""The resolver over the network: queries to the configured recursive resolvers.

* Each query has a random id and its own socket (and so its own port); a response from elsewhere, to
  another query, or malformed is ignored (RFC 5452 §9).
* UDP with EDNS (RFC 6891) of 1,232 octets; retried over TCP if the response is truncated.
* A server that is silent or fails goes to the end of the list, and the next one is asked.
* The AD bit is requested (RFC 6840 §5.7), and trusted only if the settings say so.

Nothing is raised: a failure is an answer with the outcome ``UNAVAILABLE``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, TypeVar

import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.resolver

from pillarbox.dns.answers import (
    ADDRESS,
    ADDRESS_6,
    Kind,
    both_families,
    question_name,
)
from pillarbox.dns.lookups import Lookups
from pillarbox.errors import PermanentError
from pillarbox.mailauth.resolver import Answer, Outcome

__all__ = ["NetworkResolver", "nameservers"]

Record = TypeVar("Record")

_PORT: Final = 53
_PAYLOAD: Final = 1232  # fits every path without fragmentation
_TRIES: Final = 3
_QUESTIONS_AT_ONCE: Final = 256  # each holds a socket
_NEVER_EXISTS_TTL: Final = 3600.0


class NetworkResolver(Lookups):
    """Asks recursive resolvers, one after the other."""

    def __init__(
        self, *, servers: Sequence[str] = (), timeout: float = 5.0, trust_ad: bool = False
    ) -> None:
        """Ask ``servers`` (``ADDRESS`` or ``ADDRESS:PORT``); without any, the system's.

        Args:
            servers: Where to ask; an IPv6 address with a port needs brackets.
            timeout: Seconds to wait for one server.
            trust_ad: Whether the servers and the path to them are trusted.

        Raises:
            PermanentError: An entry of ``servers`` is no address.
        """
        self._servers = nameservers(servers)
        self._timeout = timeout
        self._trust_ad = trust_ad
        self._slots = asyncio.Semaphore(_QUESTIONS_AT_ONCE)

    async def addresses(self, name: str) -> Answer[str]:
        """Return the IPv6 and IPv4 addresses of a host, as text, CNAMEs followed."""
        question = question_name(name)
        six, four = await asyncio.gather(
            self._ask(name, question, ADDRESS_6), self._ask(name, question, ADDRESS)
        )
        return both_families(six, four)

    async def _ask(
        self, name: str, question: dns.name.Name | None, kind: Kind[Record]
    ) -> Answer[Record]:
        if question is None:
            return kind.missing(name, Outcome.NO_SUCH_NAME, _NEVER_EXISTS_TTL)
        reason = "no server to ask"
        for _ in range(max(_TRIES, len(self._servers)) if self._servers else 0):
            server = self._servers[0]
            try:
                async with self._slots:
                    response = await self._exchange(question, kind, server)
                return self._read(name, response, kind)
            except (dns.exception.DNSException, OSError, EOFError, ValueError, TypeError) as error:
                reason = f"{server[0]}: {_words(error)}"
                self._put_last(server)
        return kind.unavailable(name, reason)

    async def _exchange(
        self, question: dns.name.Name, kind: Kind[Record], server: tuple[str, int]
    ) -> dns.message.Message:
        address, port = server
        query = dns.message.make_query(question, kind.rdatatype, use_edns=0, payload=_PAYLOAD)
        query.flags |= dns.flags.AD
        response = await self._send(query, address, port, is_lenient=kind.may_be_empty)
        if response.rcode() in {dns.rcode.FORMERR, dns.rcode.NOTIMP}:
            # Some forwarders do not support EDNS (RFC 6891 §7).
            plain = dns.message.make_query(question, kind.rdatatype)
            response = await self._send(plain, address, port)
        return response

    async def _send(
        self, query: dns.message.Message, address: str, port: int, *, is_lenient: bool = False
    ) -> dns.message.Message:
        try:
            # Not lenient: a malformed response may be forged, and the real one may follow.
            response, _ = await dns.asyncquery.udp_with_fallback(
                query, address, timeout=self._timeout, port=port, ignore_errors=not is_lenient
            )
        except dns.exception.FormError:
            return await self._send_leniently(query, address, port)
        return response

    async def _send_leniently(
        self, query: dns.message.Message, address: str, port: int
    ) -> dns.message.Message:
        """Query over TCP, which is hard to spoof, and drop unreadable records."""
        async with asyncio.timeout(self._timeout):
            reader, writer = await asyncio.open_connection(address, port)
            try:
                writer.write(query.to_wire(prepend_length=True))
                size = int.from_bytes(await reader.readexactly(2), "big")
                octets = await reader.readexactly(size)
            finally:
                writer.close()
        response = dns.message.from_wire(octets, continue_on_error=True)
        if not query.is_response(response):
            raise ValueError("answered another question")
        return response

    def _read(self, name: str, response: dns.message.Message, kind: Kind[Record]) -> Answer[Record]:
        rcode = response.rcode()
        if rcode not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise ValueError(f"answered {dns.rcode.to_text(rcode)}")
        if not isinstance(response, dns.message.QueryMessage):
            raise TypeError("not an answer to a question")  # an update, say
        authenticated = self._trust_ad and bool(response.flags & dns.flags.AD)
        chain = response.resolve_chaining()
        ttl = float(chain.minimum_ttl)
        if chain.answer is not None:
            return kind.found(name, chain.answer, ttl, authenticated=authenticated)
        if response.errors:
            return kind.found(name, (), ttl, authenticated=authenticated)
        missing = rcode == dns.rcode.NXDOMAIN
        outcome = Outcome.NO_SUCH_NAME if missing else Outcome.NO_SUCH_DATA
        return kind.missing(name, outcome, ttl, authenticated=authenticated)

    def _put_last(self, server: tuple[str, int]) -> None:
        # Another query may have moved it meanwhile.
        if self._servers[0] == server:
            self._servers.append(self._servers.pop(0))


def nameservers(servers: Sequence[str]) -> list[tuple[str, int]]:
    """Return the address and port of each server; without any, the system's.

    Raises:
        PermanentError: An entry is no address.
    """
    return [_server(name) for name in tuple(servers) or _system_servers()]


def _system_servers() -> tuple[str, ...]:
    try:
        configured = dns.resolver.Resolver(configure=True).nameservers
    except (dns.exception.DNSException, OSError):
        return ("127.0.0.1",)  # the C library's default without resolv.conf
    return tuple(str(server) for server in configured)


def _server(text: str) -> tuple[str, int]:
    """Read ``ADDRESS``, ``ADDRESS:PORT``, or ``[ADDRESS]:PORT``."""
    address, port = text, str(_PORT)
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port if bracket else ""
    elif text.count(":") == 1:
        address, _, port = text.partition(":")
    if not dns.inet.is_address(address) or not (port.isascii() and port.isdigit()):
        raise PermanentError(f"{text!r} is not the address of a DNS server")
    return address, int(port)


def _words(error: Exception) -> str:
    if isinstance(error, dns.exception.Timeout | TimeoutError):
        return "timed out"
    return str(error) or type(error).__name__

"""Asks every authoritative server for a name, bypassing all caches.

The recursive resolver supplies the aliases of a name, its zone, and the zone's servers; then each
of their addresses is queried without recursion. Nothing is raised: a failure is an answer with the
outcome ``UNAVAILABLE``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from pillarbox.dns.answers import TXT, host_text, question_name
from pillarbox.dns.network import nameservers
from pillarbox.mailauth.authorities import ServerAnswer
from pillarbox.mailauth.resolver import Answer, Outcome, Resolver

__all__ = ["NetworkAuthorities", "ResolverAuthority"]

_MAX_HOSTS: Final = 13
_MAX_ADDRESSES: Final = 26
_PORT: Final = 53
_PAYLOAD: Final = 1232
_LOST: Final = (dns.exception.DNSException, OSError, EOFError, ValueError)
_FAMILIES: Final = (dns.rdatatype.AAAA, dns.rdatatype.A)


class ResolverAuthority:
    """Treats a resolver, such as one that reads a zone file, as the only server."""

    def __init__(self, resolver: Resolver, name: str) -> None:
        """Ask ``resolver``, which is shown as ``name``."""
        self._resolver = resolver
        self._name = name

    async def txt(self, name: str) -> tuple[ServerAnswer, ...]:
        """Return the resolver's answer."""
        answer = await self._resolver.txt(name)
        return (ServerAnswer(server=self._name, answer=answer, aliases=None),)


class NetworkAuthorities:
    """Asks the authoritative servers of a name over the network."""

    def __init__(
        self, *, servers: Sequence[str] = (), timeout: float = 5.0, port: int = _PORT
    ) -> None:
        """Find authoritative servers with the recursive resolvers ``servers``.

        Args:
            servers: Addresses of recursive resolvers, ``ADDRESS`` or ``ADDRESS:PORT``;
                without any, the system's.
            timeout: Seconds to wait for one server.
            port: Where authoritative servers listen.

        Raises:
            PermanentError: An entry of ``servers`` is no address.
        """
        self._servers = nameservers(servers)
        self._timeout = timeout
        self._port = port

    async def txt(self, name: str) -> tuple[ServerAnswer, ...]:
        """Return the TXT records of a name as each authoritative server has them."""
        question = question_name(name)
        if question is None:
            return (_nobody(name, "it is no domain name"),)
        try:
            chain = (await self._recursive(question, dns.rdatatype.TXT)).resolve_chaining()
            target = chain.canonical_name
            hosts = await self._hosts(target)
            servers = await self._addresses(hosts)
        except _LOST as error:
            return (_nobody(name, f"its servers cannot be found: {_words(error)}"),)
        if not servers:
            return (_nobody(name, "its servers have no addresses"),)
        answers = await asyncio.gather(
            *(self._ask(name, target, address) for _, address in servers)
        )
        aliases = tuple(_alias(rrset) for rrset in chain.cnames)
        return tuple(
            ServerAnswer(server=f"{host} ({address})", answer=answer, aliases=aliases)
            for (host, address), answer in zip(servers, answers, strict=True)
        )

    async def _hosts(self, name: dns.name.Name) -> tuple[dns.name.Name, ...]:
        """Return the servers of the zone that a name is in: the next NS records upward."""
        while name != dns.name.root:
            response = await self._recursive(name, dns.rdatatype.NS)
            for rrset in response.answer:
                if rrset.rdtype == dns.rdatatype.NS and rrset.name == name:
                    records: list[Any] = list(rrset)
                    return tuple(record.target for record in records[:_MAX_HOSTS])
            name = name.parent()
        raise ValueError("no zone has it")

    async def _addresses(self, hosts: Sequence[dns.name.Name]) -> list[tuple[str, str]]:
        """Return host and address of each server."""
        found = []
        for host in sorted(hosts):
            for family in _FAMILIES:
                response = await self._recursive(host, family)
                rrset: Any = response.resolve_chaining().answer or ()
                shown = host_text(host) or host.to_text()
                found += [(shown, str(record.address)) for record in rrset]
        return found[:_MAX_ADDRESSES]

    async def _recursive(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType
    ) -> dns.message.QueryMessage:
        """Ask the recursive resolvers, one after the other."""
        query = dns.message.make_query(name, kind, use_edns=0, payload=_PAYLOAD)
        lost: Exception = ValueError("no server to ask")
        for address, port in self._servers:
            try:
                return await self._exchange(query, address, port)
            except _LOST as error:
                lost = error
        raise lost

    async def _ask(self, shown: str, name: dns.name.Name, address: str) -> Answer[bytes]:
        """Ask one authoritative server."""
        query = dns.message.make_query(
            name, dns.rdatatype.TXT, use_edns=0, payload=_PAYLOAD, flags=0
        )
        try:
            response = await self._exchange(query, address, self._port)
            chain = response.resolve_chaining()
        except _LOST as error:
            return TXT.unavailable(shown, _words(error))
        if chain.answer is not None:
            return TXT.found(shown, chain.answer, float(chain.minimum_ttl), authenticated=False)
        is_missing = response.rcode() == dns.rcode.NXDOMAIN
        outcome = Outcome.NO_SUCH_NAME if is_missing else Outcome.NO_SUCH_DATA
        return TXT.missing(shown, outcome, float(chain.minimum_ttl))

    async def _exchange(
        self, query: dns.message.Message, address: str, port: int
    ) -> dns.message.QueryMessage:
        response, _ = await dns.asyncquery.udp_with_fallback(
            query, address, timeout=self._timeout, port=port, ignore_errors=True
        )
        if response.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
            raise ValueError(f"answered {dns.rcode.to_text(response.rcode())}")
        if not isinstance(response, dns.message.QueryMessage):
            raise ValueError("not an answer to a question")  # noqa: TRY004 - an update, say
        return response


def _nobody(name: str, reason: str) -> ServerAnswer:
    return ServerAnswer(server="nobody", answer=TXT.unavailable(name, reason))


def _alias(rrset: Any) -> str:
    target = rrset[0].target
    return host_text(target) or str(target.to_text())


def _words(error: Exception) -> str:
    if isinstance(error, dns.exception.Timeout):
        return "timed out"
    return str(error) or type(error).__name__

"""A name server on loopback that answers from the text of a zone file, over UDP and TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from pillarbox.dns import zone

__all__ = ["serve_zone"]

_MAX_ALIASES = 8


class _Answering(asyncio.DatagramProtocol):
    """The answers of one zone file."""

    def __init__(self, text: str) -> None:
        self._zones = zone._parse(text)
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(self.answer(data), addr)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the questions of one connection over TCP."""
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                octets = self.answer(await reader.readexactly(size))
                writer.write(len(octets).to_bytes(2, "big") + octets)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    def answer(self, octets: bytes) -> bytes:
        """Return the answer to a question."""
        response = dns.message.make_response(dns.message.from_wire(octets))
        response.flags |= dns.flags.RA | dns.flags.AA
        name, kind = response.question[0].name, response.question[0].rdtype
        for _ in range(_MAX_ALIASES):
            owner = zone._owner(self._zones, name)
            if owner is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            found = self._zones.records.get((owner, kind))
            alias = self._zones.records.get((owner, dns.rdatatype.CNAME))
            if found is None and alias is None:
                break
            rrset = found if found is not None else alias
            shown = dns.rrset.from_rdata_list(name, rrset.ttl, list(rrset))
            response.answer.append(shown)
            if found is not None:
                break
            name = alias[0].target
        if not response.answer:
            soa = dns.rrset.from_text(".", 60, "IN", "SOA", "ns. admin. 1 60 60 60 60")
            response.authority.append(soa)
        return response.to_wire(max_size=65_535)


@asynccontextmanager
async def serve_zone(text: str) -> AsyncIterator[int]:
    """Serve a zone file on a port of loopback, which is given."""
    answering = _Answering(text)
    loop = asyncio.get_running_loop()
    tcp = await asyncio.start_server(answering.serve, "127.0.0.1", 0)
    port: int = tcp.sockets[0].getsockname()[1]
    udp, _ = await loop.create_datagram_endpoint(lambda: answering, local_addr=("127.0.0.1", port))
    try:
        yield port
    finally:
        udp.close()
        tcp.close()

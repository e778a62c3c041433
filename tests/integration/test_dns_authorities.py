"""Every authoritative server of a name is asked itself, past all caches."""

from __future__ import annotations

import asyncio
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from pillarbox.dns.authorities import NetworkAuthorities
from pillarbox.mailauth.resolver import Outcome

# What the recursive resolver (on 127.0.0.1) says.
RECURSIVE = {
    ("s._domainkey.example.org.", "TXT"): [
        ("s._domainkey.example.org.", "CNAME", "s.keys.example.net."),
        ("s.keys.example.net.", "TXT", '"stale"'),
    ],
    ("lost._domainkey.example.org.", "TXT"): [],
    ("keys.example.net.", "NS"): [("keys.example.net.", "NS", "ns1.test. ns2.test. ns3.test.")],
    ("ns1.test.", "A"): [("ns1.test.", "A", "127.0.0.2")],
    ("ns2.test.", "A"): [("ns2.test.", "A", "127.0.0.3")],
    ("ns3.test.", "A"): [("ns3.test.", "A", "127.0.0.4")],
}


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP on one address; ``text`` is what it has, None that it has nothing."""

    def __init__(self, text: str | None, *, is_recursive: bool = False) -> None:
        self._text = text
        self._is_recursive = is_recursive

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        query = dns.message.from_wire(data)
        response = dns.message.make_response(query)
        name = query.question[0].name
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        if self._is_recursive:
            for owner, rdtype, values in RECURSIVE.get((name.to_text(), kind), []):
                texts = [values] if rdtype == "TXT" else values.split()
                response.answer.append(dns.rrset.from_text(owner, 60, "IN", rdtype, *texts))
        elif query.flags & dns.flags.RD or self._text is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        else:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "TXT", f'"{self._text}"'))
        self._transport.sendto(response.to_wire(), address)


async def listen(address: str, server: NameServer, port: int = 0) -> asyncio.DatagramTransport:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(address, port))
    return transport


def test_each_server_is_asked_itself() -> None:
    """The alias is followed, and what each server has is told apart, silence too."""

    async def main() -> None:
        recursive = await listen("127.0.0.1", NameServer(None, is_recursive=True))
        port = recursive.get_extra_info("sockname")[1]
        others = [
            await listen("127.0.0.2", NameServer("fresh"), port),
            await listen("127.0.0.3", NameServer(None), port),
        ]  # nobody listens at 127.0.0.4
        authorities = NetworkAuthorities(servers=[f"127.0.0.1:{port}"], timeout=0.3, port=port)
        answers = await authorities.txt("s._domainkey.example.org")
        (nobody,) = await authorities.txt("lost._domainkey.example.org")
        (never,) = await authorities.txt("no name")
        for transport in (recursive, *others):
            transport.close()
        assert [each.server for each in answers] == [
            "ns1.test (127.0.0.2)",
            "ns2.test (127.0.0.3)",
            "ns3.test (127.0.0.4)",
        ]
        assert [each.answer.outcome for each in answers] == [
            Outcome.FOUND,
            Outcome.NO_SUCH_NAME,
            Outcome.UNAVAILABLE,
        ]
        assert answers[0].answer.records == (b"fresh",)
        assert {each.aliases for each in answers} == {("s.keys.example.net",)}
        assert nobody.answer.outcome is Outcome.UNAVAILABLE
        assert "no zone" in nobody.answer.reason
        assert never.answer.outcome is Outcome.UNAVAILABLE

    asyncio.run(main())

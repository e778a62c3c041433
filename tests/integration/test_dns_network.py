"""The resolver over the network, against a name server on loopback that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
import uvloop

from pillarbox.dns.network import NetworkResolver
from pillarbox.errors import PermanentError
from pillarbox.mailauth.resolver import MxRecord, Outcome

Answer = Callable[[dns.message.Message], bytes | None]


class NameServer(asyncio.DatagramProtocol):
    """Answers over UDP and TCP on one port."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        while True:
            self._tcp = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = self._tcp.sockets[0].getsockname()[1]
            try:
                self._udp, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda: self, local_addr=("127.0.0.1", self.port)
                )
            except OSError:  # somebody has this number for UDP: take another
                self._tcp.close()
            else:
                return self

    async def __aexit__(self, *_: object) -> None:
        self._udp.close()
        self._tcp.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        query = dns.message.from_wire(data)
        self.asked.append("udp")
        if (octets := self._answer(query)) is not None:
            self._transport.sendto(octets, address)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2), "big")
        query = dns.message.from_wire(await reader.readexactly(size))
        self.asked.append("tcp")
        if query.question[0].rdtype == dns.rdatatype.TLSA:
            octets = self._answer(query) or b""
            writer.write(len(octets).to_bytes(2, "big") + octets)
            await writer.drain()
            writer.close()
            return
        response = dns.message.make_response(query)
        name = query.question[0].name
        records = [f"{number} mx{number}.test." for number in range(40)]
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *records))
        octets = response.to_wire()
        writer.write(len(octets).to_bytes(2, "big") + octets)
        await writer.drain()
        writer.close()


def reply(
    *records: str, rcode: int = 0, flags: int = 0, mangle: Callable[[bytes], bytes] = bytes
) -> Answer:
    def answer(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(rcode)
        response.flags |= flags
        if records:
            name = query.question[0].name
            response.answer.append(dns.rrset.from_text(name, 60, "IN", "MX", *records))
        return mangle(response.to_wire())

    return answer


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop.run(main())


def test_exchangers_are_found() -> None:
    """An ordinary answer over UDP."""

    async def main() -> None:
        async with NameServer(reply("20 b.test.", "10 A.test.", flags=dns.flags.AD)) as server:
            resolver = NetworkResolver(servers=[f"127.0.0.1:{server.port}"], timeout=2)
            answer = await resolver.mx("example.test")
            assert answer.records == (MxRecord(10, "a.test"), MxRecord(20, "b.test"))
            assert (answer.ttl, answer.is_authenticated) == (60, False)

    run(main)


def test_the_ad_bit_counts_only_where_it_is_trusted() -> None:
    """DNSSEC's verdict is believed from a resolver that the settings trust."""

    async def main() -> None:
        async with NameServer(reply("10 a.test.", flags=dns.flags.AD)) as server:
            resolver = NetworkResolver(
                servers=[f"127.0.0.1:{server.port}"], timeout=2, trust_ad=True
            )
            assert (await resolver.mx("example.test")).is_authenticated

    run(main)


def test_a_truncated_answer_is_asked_for_again_over_tcp() -> None:
    """TC means TCP, and of forty exchangers twenty-five are looked at."""

    async def main() -> None:
        async with NameServer(reply(flags=dns.flags.TC)) as server:
            resolver = NetworkResolver(servers=[f"127.0.0.1:{server.port}"], timeout=2)
            answer = await resolver.mx("example.test")
            assert server.asked == ["udp", "tcp"]
            assert len(answer.records) == 25

    run(main)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (reply(rcode=dns.rcode.NXDOMAIN), Outcome.NO_SUCH_NAME),
        (reply(), Outcome.NO_SUCH_DATA),
        (reply(rcode=dns.rcode.SERVFAIL), Outcome.UNAVAILABLE),
        (reply(rcode=dns.rcode.REFUSED), Outcome.UNAVAILABLE),
        (lambda _: None, Outcome.UNAVAILABLE),
        (reply("10 a.test.", mangle=lambda octets: octets[:-3]), Outcome.UNAVAILABLE),
        (reply("10 a.test.", mangle=lambda octets: b"\xff\xff" + octets[2:]), Outcome.UNAVAILABLE),
        (reply(r"10 a\000b.test."), Outcome.UNAVAILABLE),
    ],
    ids=["nxdomain", "nodata", "servfail", "refused", "silent", "cut", "other id", "hostile"],
)
def test_outcomes_are_told_apart(answer: Answer, outcome: Outcome) -> None:
    """Silence, failure, and what nobody asked for are no answer, and never "no such name"."""

    async def main() -> None:
        async with NameServer(answer) as server:
            resolver = NetworkResolver(servers=[f"127.0.0.1:{server.port}"], timeout=0.05)
            assert (await resolver.mx("example.test")).outcome is outcome

    run(main)


def test_a_silent_server_makes_room_for_the_next() -> None:
    """After one time-out the other server is asked, first from then on."""

    async def main() -> None:
        async with NameServer(lambda _: None) as dead, NameServer(reply("10 a.test.")) as alive:
            resolver = NetworkResolver(
                servers=[f"127.0.0.1:{dead.port}", f"127.0.0.1:{alive.port}"], timeout=0.4
            )
            for _ in range(3):
                assert (await resolver.mx("example.test")).outcome is Outcome.FOUND
            assert len(dead.asked) == 1

    run(main)


def test_servers_have_to_be_addresses() -> None:
    """A name as the address of a name server is refused at once."""

    async def main() -> None:
        for text in ("dns.example", "127.0.0.1:x", "[::1"):
            with pytest.raises(PermanentError):
                NetworkResolver(servers=[text])
        NetworkResolver(servers=["[::1]:53", "::1", "127.0.0.1"])

    run(main)


def rrsets(*texts: tuple[str, str, str]) -> Answer:
    """Answer with these records, whatever was asked."""

    def answer(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        for name, kind, data in texts:
            response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, data))
        return response.to_wire(max_size=65_535)

    return answer


LONG = " ".join(['"' + "x" * 255 + '"'] * 200)  # 51,000 octets in 200 strings


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (rrsets(("q.test.", "CNAME", "q.test.")), Outcome.UNAVAILABLE),
        (
            rrsets(("q.test.", "CNAME", "b.test."), ("b.test.", "CNAME", "q.test.")),
            Outcome.UNAVAILABLE,
        ),
        (
            rrsets(
                ("q.test.", "CNAME", "c0.test."),
                *((f"c{n}.test.", "CNAME", f"c{n + 1}.test.") for n in range(30)),
            ),
            Outcome.UNAVAILABLE,
        ),
        (rrsets(("q.test.", "CNAME", "b.test."), ("b.test.", "TXT", '"v"')), Outcome.FOUND),
        (rrsets(("other.test.", "TXT", '"v"')), Outcome.NO_SUCH_DATA),
        (rrsets(("q.test.", "TXT", LONG)), Outcome.FOUND),
    ],
    ids=["own alias", "alias loop", "long chain", "alias", "other name", "51 KB"],
)
def test_aliases_and_sizes_are_bounded(answer: Answer, outcome: Outcome) -> None:
    """Loops and endless chains of CNAME are no answer; records of another name are not listened to."""

    async def main() -> None:
        async with NameServer(answer) as server:
            resolver = NetworkResolver(servers=[f"127.0.0.1:{server.port}"], timeout=0.2)
            found = await resolver.txt("q.test")
            assert found.outcome is outcome
            assert all(record == b"v" or len(record) == 51_000 for record in found.records)

    run(main)


def test_negative_answers_last_as_their_zone_says() -> None:
    """RFC 2308 §5: the lesser of the SOA's TTL and its minimum."""

    def answer(query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.set_rcode(dns.rcode.NXDOMAIN)
        soa = dns.rrset.from_text("test.", 900, "IN", "SOA", "ns.test. h.test. 1 2 3 4 77")
        response.authority.append(soa)
        return response.to_wire()

    async def main() -> None:
        async with NameServer(answer) as server:
            resolver = NetworkResolver(servers=[f"127.0.0.1:{server.port}"], timeout=2)
            found = await resolver.tlsa("_25._tcp.q.test")
            assert (found.outcome, found.ttl) == (Outcome.NO_SUCH_NAME, 77)

    run(main)


def test_many_questions_are_asked_at_once() -> None:
    """Five hundred names take no longer than a few: none waits for another's answer."""

    async def main() -> None:
        async with NameServer(reply("10 a.test.")) as server:
            resolver = NetworkResolver(servers=[f"127.0.0.1:{server.port}"], timeout=5)
            answers = await asyncio.gather(*(resolver.mx(f"n{n}.test") for n in range(500)))
            assert {found.outcome for found in answers} == {Outcome.FOUND}

    run(main)


def tlsa(*records: bytes) -> Answer:
    """Answer with TLSA records of any octets."""

    def answer(query: dns.message.Message) -> bytes:
        octets = dns.message.make_response(query).to_wire()
        for data in records:
            head = b"\xc0\x0c" + (52).to_bytes(2, "big") + b"\0\1\0\0\0<"
            octets += head + len(data).to_bytes(2, "big") + data
        # The additional record of EDNS stands behind the answers: leave it out.
        question = 12 + len(query.question[0].name.to_wire() or b"") + 4
        answers = octets[len(dns.message.make_response(query).to_wire()) :]
        return octets[:6] + bytes((0, len(records), 0, 0, 0, 0)) + octets[12:question] + answers

    return answer


@pytest.mark.parametrize(
    ("answer", "outcome", "count"),
    [
        (tlsa(b"\3\1\1" + bytes(32)), Outcome.FOUND, 1),
        (tlsa(b"\3\1\1" + bytes(31), b"\3\1\1" + bytes(32)), Outcome.FOUND, 1),
        *((tlsa(b"\3\1\1"[:size].ljust(size, b"x")), Outcome.FOUND, 0) for size in range(21)),
        (tlsa(*[b"\3\1\1" + bytes([n]) * 32 for n in range(200)]), Outcome.FOUND, 100),
        (tlsa(), Outcome.NO_SUCH_DATA, 0),
        (lambda _: b"nonsense", Outcome.UNAVAILABLE, 0),
    ],
)
def test_malformed_tlsa_records_are_unusable_not_absent(
    answer: Answer, outcome: Outcome, count: int
) -> None:
    """RFC 7672 §2.2: a record that cannot be read still says that the host has some."""

    async def main() -> None:
        async with NameServer(answer) as server:
            resolver = NetworkResolver(servers=[f"127.0.0.1:{server.port}"], timeout=1)
            found = await resolver.tlsa("_25._tcp.q.test")
            assert found.outcome is outcome, found.reason
            assert len(found.records) == count

    run(main)

"""Caught mail is judged; nothing leaves the machine unless it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.authentic_mail import NOW, signed, zone
from tests.catching import Running, with_sandbox
from tests.preflight_mail import WORDS, mail

from pillarbox.mailauth.resolver import Answer, Resolver
from pillarbox.net.guarded import GuardedClient
from pillarbox.preflight import Aspect, Assessment, SpamVerdict
from pillarbox.sandbox.filters import Envelope
from pillarbox.sandbox.judging import Judging
from pillarbox.sandbox.link_answers import MAX_LINKS, ask_links
from pillarbox.store.port import MessageId


class _Nobody:
    """A resolver that must not be asked."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"DNS was asked: {name}")


@dataclass
class _Counting:
    """A filter that counts how often it is asked."""

    asked: list[Envelope] = field(default_factory=list)

    async def judge(self, content: bytes, envelope: Envelope) -> SpamVerdict:
        assert content.startswith(b"Received: ")
        self.asked.append(envelope)
        return SpamVerdict(filter="counting", score=1.0, threshold=5.0)


def _judging(running: Running, resolver: Resolver | None = None, **options: object) -> Judging:
    return Judging(running.sandbox.inbox, now=lambda: NOW, resolver=resolver, **options)  # type: ignore[arg-type]


async def _assess(judging: Judging, message: MessageId, **wanted: bool) -> Assessment:
    found = await judging.assess(message, **wanted)
    assert found is not None
    return found


def test_a_caught_mail_is_judged_without_asking_anybody() -> None:
    """DNS and links stay unasked, and the next look is the same assessment from the inbox."""

    async def test(running: Running) -> None:
        octets = mail(f'<p>{WORDS} {{{{name}}}} <a href="https://acme-shop.com/">x</a></p>')
        caught = await running.send(octets)
        judging = _judging(running, _Nobody())  # type: ignore[arg-type]
        found = await _assess(judging, caught.id)
        assert "PB-MAIL-220" in {one.finding.code for one in found.findings}
        assert (found.authentication, found.links, found.spam) == (None, None, None)
        assert await judging.assess(caught.id) == found
        assert await running.sandbox.inbox.assessment(caught.id) is not None

    with_sandbox(test)


def test_there_is_nothing_to_say_of_a_mail_that_is_gone() -> None:
    """An id that is not in the inbox has no assessment."""

    async def test(running: Running) -> None:
        assert await _judging(running).assess(MessageId(1), verify=True) is None

    with_sandbox(test)


def test_what_was_asked_once_is_kept() -> None:
    """Verdicts of DNS stay when links are asked later, and the other way round."""

    async def test(running: Running) -> None:
        caught = await running.send(signed("example.net", mail(fields={"From": "a@example.net"})))
        judging = _judging(
            running, zone('example.net. TXT "v=spf1 mx -all"', signers=("example.net",))
        )
        verified = await _assess(judging, caught.id, verify=True)
        assert verified.authentication is not None
        with_links = await _assess(judging, caught.id, follow_links=True)
        assert with_links.links == ()
        assert with_links.authentication == verified.authentication
        assert await judging.assess(caught.id) == with_links

    with_sandbox(test)


def test_what_cannot_be_told_yet_is_no_failure() -> None:
    """From this machine, SPF is what receivers will ask, and a signature may be to come."""

    async def test(running: Running) -> None:
        octets = mail(fields={"From": "Ann <ann@example.net>"})
        caught = await running.send(octets, sender="ann@example.net")
        records = zone(
            'example.net. TXT "v=spf1 mx -all"', '_dmarc.example.net. TXT "v=DMARC1; p=reject"'
        )
        found = await _assess(_judging(running, records), caught.id, verify=True)
        said = {one.method: one for one in found.authentication or ()}
        assert {said[name].result for name in ("spf", "dkim", "dmarc")} == {"skipped"}
        assert said["spf"].evidence == ("example.net TXT v=spf1 mx -all",)
        assert "p=reject" in said["dmarc"].reason
        assert found.score.points == 10
        missing = await _assess(_judging(running, zone()), caught.id, verify=True)
        codes = {one.finding.code for one in missing.of(Aspect.AUTHENTICATION)}
        assert {"PB-MAIL-001", "PB-MAIL-003", "PB-MAIL-011"} <= codes

    with_sandbox(test)


def test_a_signature_is_verified_in_the_sandbox() -> None:
    """What is signed already is told: right and aligned, or broken."""

    async def test(running: Running) -> None:
        octets = signed("example.net", mail(fields={"From": "Ann <ann@example.net>"}))
        right = await running.send(octets)
        wrong = await running.send(octets.replace(b"--b--", b"--b--\r\nmore"))
        records = zone('_dmarc.example.net. TXT "v=DMARC1; p=reject"', signers=("example.net",))
        judging = _judging(running, records)
        passed = await _assess(judging, right.id, verify=True)
        said = {one.method: one for one in passed.authentication or ()}
        assert (said["dkim"].result, said["dkim"].is_aligned) == ("pass", True)
        assert said["dmarc"].result == "pass"
        failed = await _assess(judging, wrong.id, verify=True)
        assert "PB-MAIL-005" in {one.finding.code for one in failed.findings}

    with_sandbox(test)


def test_a_filter_is_asked_once_for_each_mail() -> None:
    """What a filter of the operator's says is kept with the mail."""

    async def test(running: Running) -> None:
        caught = await running.send(mail(), sender="ann@example.com", to="bob@example.org")
        counting = _Counting()
        judging = _judging(running, filters=(counting,))
        found = await _assess(judging, caught.id)
        assert found.spam is not None
        assert found.spam[0].score == 1.0
        await judging.assess(caught.id)
        assert counting.asked == [
            Envelope(reverse_path="ann@example.com", recipients=("bob@example.org",))
        ]

    with_sandbox(test)


@dataclass
class _Loopback:
    """Every name is on this machine."""

    async def addresses(self, name: str) -> Answer[str]:
        answers = zone(f"{name}. A 127.0.0.1")
        return await answers.addresses(name)


@asynccontextmanager
async def _site() -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer by the path: its number is the status; /slow never, HEAD is not known at /get."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]
        asked.append(line)
        method, path, _ = line.split(b" ")
        if path == b"/get":
            status = b"405" if method == b"HEAD" else b"200"
        else:
            status = path.strip(b"/") or b"200"
        writer.write(b"HTTP/1.1 %b X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        await server.wait_closed()


def test_links_are_asked_with_care() -> None:
    """HEAD first, GET only where it must be; what may act, or is inside, is not asked."""

    async def run() -> None:
        async with _site() as (port, asked):
            client = GuardedClient(
                _Loopback(),  # type: ignore[arg-type] # only addresses are asked for
                lambda: None,  # type: ignore[arg-type, return-value] # nothing is asked by https
                is_allowed=lambda address: address == "127.0.0.1",
                ports=(port,),
            )
            at = f"http://shop.example:{port}"
            urls = [f"{at}/200", f"{at}/404", f"{at}/get", f"{at}/unsubscribe", "http://10.0.0.1/"]
            fine, dead, got, acting, inside = await ask_links(urls, client)
            assert (fine.status, dead.status, got.status) == (200, 404, 200)
            assert (acting.is_refused, inside.is_refused) == (True, True)
            assert b"GET /200 HTTP/1.1" not in asked
            assert not any(b"unsubscribe" in line for line in asked)
            many = [f"{at}/200?{number}" for number in range(MAX_LINKS + 5)]
            answers = await ask_links(many, client)
            assert sum(one.status == 200 for one in answers) <= MAX_LINKS
            assert sum(one.is_refused for one in answers) == 5

    asyncio.run(run())

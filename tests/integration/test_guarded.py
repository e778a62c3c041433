"""Asking what others name, and never a machine inside (reliability row J01)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from pillarbox.mailauth.resolver import Answer, Outcome
from pillarbox.net.guarded import AddressRefused, GuardedClient, Reached, read_target
from pillarbox.net.https import FetchFailed


@dataclass
class _Names:
    """Answers with addresses, another one each time where several are given."""

    records: dict[str, list[tuple[str, ...]]]
    asked: list[str] = field(default_factory=list)

    async def addresses(self, name: str) -> Answer[str]:
        self.asked.append(name)
        answers = self.records.get(name)
        if answers is None:
            return Answer(name=name, type="A", outcome=Outcome.NO_SUCH_NAME)
        records = answers.pop(0) if len(answers) > 1 else answers[0]
        return Answer(name=name, type="A", outcome=Outcome.FOUND, records=records)


def _no_tls() -> ssl.SSLContext:
    raise AssertionError("nothing is asked by https here")


@asynccontextmanager
async def _server(
    answer: bytes | Callable[[bytes], bytes],
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Answer every request alike on a free port of 127.0.0.1."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        requests.append(request)
        writer.write(answer if isinstance(answer, bytes) else answer(request))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        server.close()
        await server.wait_closed()


def _client(names: _Names, *ports: int, **options: int) -> GuardedClient:
    return GuardedClient(
        names,  # type: ignore[arg-type] # only addresses are asked for
        _no_tls,
        is_allowed=lambda address: address == "127.0.0.1",
        ports=ports,
        **options,
    )


def _ask(client: GuardedClient, url: str, method: str = "GET") -> Reached:
    return asyncio.run(client.request(method, url, patience=5))


@pytest.mark.parametrize(
    "url",
    [
        "gopher://example.org/",
        "file:///etc/passwd",
        "data:text/html,x",
        "ftp://example.org/",
        "javascript:alert(1)",
        "//example.org/",
        "example.org",
        "http://",
        "http://a@b.example/",
        "http://user:secret@example.org/",
        "http://example.org:25/",
        "http://example.org:6379/",
        "http://example.org:99999/",
        "http://exa\r\nmple.org/",
        "http://example.org/\r\nX: y",
        "http://example.org/a b",
        "http://example.org\\@127.0.0.1/",
        "http://[::1",
        "http://localhost/",
        "http://intranet/",
        "http://1.2.3.4.5/",
        "http://" + "a" * 5_000,
    ],
)
def test_an_address_that_is_none_of_the_web_is_not_asked(url: str) -> None:
    """Schemes, ports, users and characters that lead elsewhere are refused before DNS is asked."""
    with pytest.raises(AddressRefused):
        read_target(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.1/",
        "http://0/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://localhost./",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:7f00:1::]/",
        "http://[fe80::5efe:7f00:1]/",
        "http://[fc00::1]/",
        "http://[fe80::1]/",
        "http://[fec0::1]/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://192.0.0.8/",
        "http://198.18.0.1/",
        "http://240.0.0.1/",
        "http://224.0.0.1/",
        "http://inside.example/",
        "http://both.example/",
        "http://nowhere.example/",
    ],
)
def test_no_form_of_an_inside_address_is_asked(url: str) -> None:
    """An address inside is refused and counted, in all its forms and behind any name."""
    names = _Names({"inside.example": [("10.0.0.1",)], "both.example": [("8.8.8.8", "127.0.0.1")]})
    client = GuardedClient(names, _no_tls)  # type: ignore[arg-type] # only addresses are asked for

    with pytest.raises(AddressRefused):
        _ask(client, url)

    assert client.refused == 1


def test_the_address_that_was_checked_is_the_one_that_is_dialed() -> None:
    """A name that has another address the next moment (DNS rebinding) changes nothing."""

    async def run() -> tuple[Reached, list[bytes], list[str]]:
        async with _server(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi") as (port, requests):
            names = _Names({"moving.example": [("127.0.0.1",), ("10.0.0.1",)]})
            client = _client(names, port)
            reached = await client.request("GET", f"http://moving.example:{port}/a?b=c", patience=5)
            return reached, requests, names.asked

    reached, requests, asked = asyncio.run(run())

    assert reached.fetched.body == b"hi"
    assert requests[0].startswith(b"GET /a?b=c HTTP/1.1\r\nhost: moving.example:")
    assert asked == ["moving.example"]


@pytest.mark.parametrize(
    "target",
    [
        "http://10.0.0.1/",
        "http://inside.example/",
        "//169.254.169.254/",
        "file:///etc/passwd",
        "http://[::1]/",
        "http://[",  # urllib itself gives up on these two
        "//inside.example[",
    ],
)
def test_a_redirect_to_a_machine_inside_is_not_followed(target: str) -> None:
    """Each hop is checked as the first one was."""

    async def run() -> int:
        answer = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        async with _server(answer.encode()) as (port, _):
            names = _Names({"out.example": [("127.0.0.1",)], "inside.example": [("10.0.0.1",)]})
            client = _client(names, port, 80)
            with pytest.raises(AddressRefused):
                await client.request("GET", f"http://out.example:{port}/", patience=5)
            return client.refused

    assert asyncio.run(run()) == 1


def test_redirects_are_followed_a_few_times_only() -> None:
    """A circle of redirects ends."""

    async def run() -> int:
        answer = b"HTTP/1.1 301 Moved\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"
        async with _server(answer) as (port, requests):
            client = _client(_Names({"out.example": [("127.0.0.1",)]}), port, redirects=3)
            with pytest.raises(FetchFailed, match="more than 3 redirects"):
                await client.request("GET", f"http://out.example:{port}/", patience=5)
            return len(requests)

    assert asyncio.run(run()) == 4


def test_an_answer_without_an_end_is_cut_off() -> None:
    """No more is read than was allowed; without a body, none of it."""

    async def run() -> int:
        answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000
        async with _server(answer) as (port, _):
            client = _client(_Names({"out.example": [("127.0.0.1",)]}), port, most=1_000)
            url = f"http://out.example:{port}/"
            with pytest.raises(FetchFailed, match="more than 1000 octets"):
                await client.request("GET", url, patience=5)
            reached = await client.request("GET", url, patience=5, wants_body=False)
            return reached.fetched.status

    assert asyncio.run(run()) == 200


def test_what_is_secret_is_not_sent_to_another_host() -> None:
    """Header fields of the caller go to the host that was named, and no further."""

    async def run() -> list[bytes]:
        async with _server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as (other, seen):
            moved = f"HTTP/1.1 307 Moved\r\nLocation: http://other.example:{other}/\r\nContent-Length: 0\r\n\r\n"
            async with _server(moved.encode()) as (port, first):
                names = _Names({"one.example": [("127.0.0.1",)], "other.example": [("127.0.0.1",)]})
                client = _client(names, port, other)
                await client.request(
                    "POST", f"http://one.example:{port}/", patience=5, fields=(("x-key", "secret"),)
                )
                return [*first, *seen]

    one, other = asyncio.run(run())

    assert b"secret" in one
    assert b"secret" not in other


def test_dns_that_does_not_answer_is_no_refusal() -> None:
    """What may be another the next minute is a failure to be tried again."""

    class Silent:
        async def addresses(self, name: str) -> Answer[str]:
            return Answer(name=name, type="A", outcome=Outcome.UNAVAILABLE, reason="time-out")

    client = GuardedClient(Silent(), _no_tls)  # type: ignore[arg-type] # only addresses are asked for

    with pytest.raises(FetchFailed, match="time-out"):
        _ask(client, "http://out.example/")


@pytest.mark.parametrize(
    ("url", "is_same"),
    [
        ("https://a.example/x", True),
        ("https://a.example:443/", True),
        ("http://a.example/", False),
        ("https://a.example:8443/", False),
        ("https://b.example/", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, is_same: bool) -> None:
    """A redirect from https to http is one to another origin."""
    assert read_target(url).has_origin_of(read_target("https://a.example/")) is is_same


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed the connection without an answer"),
        (b"<html>HTTP/0.9</html>", "does not speak HTTP"),
        (b"HTTP/1.1 200 \x00" + b"A" * 10_000 + b"\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000, "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + b"x" * 9_999, "more than 4096 oct"),
    ],
)
def test_a_hostile_answer_is_told_in_a_few_words(answer: bytes, words: str) -> None:
    """Whatever a server sends, it is a failure with a sentence, and not a long one."""

    async def run() -> str:
        async with _server(answer) as (port, _):
            client = _client(_Names({"out.example": [("127.0.0.1",)]}), port, most=4_096)
            with pytest.raises(FetchFailed, match=words) as caught:
                await client.request("GET", f"http://out.example:{port}/", patience=5)
            return str(caught.value)

    assert len(asyncio.run(run())) < 300

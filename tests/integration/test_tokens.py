"""Tokens from an issuer over HTTP: asked for once, kept, renewed, and refused with a reason."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from tests.scripted_server import dial, hang_up

from pillarbox.config.settings import TlsMode
from pillarbox.lab.clock import run_virtual
from pillarbox.lab.logins import LabLogins
from pillarbox.lab.servers import LabServer
from pillarbox.net.channel import OpenFailed
from pillarbox.net.endpoint import Endpoint
from pillarbox.net.tokens import GrantedToken, TokenGrant, TokenUnavailable
from pillarbox.smtp.options import ServerOptions


class Issuer:
    """An authorization server that answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.answers: list[tuple[int, object]] = []
        self.url = ""

    def answer(self, form: dict[str, str]) -> tuple[int, object]:
        """Take a request; without an answer told, number the tokens."""
        self.asked.append(form)
        if self.answers:
            return self.answers.pop(0)
        return 200, {"access_token": f"token-{len(self.asked)}", "expires_in": 3600}


@contextmanager
def issuing() -> Iterator[Issuer]:
    """Run an issuer on loopback."""
    issuer = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"]))
            form = {key: values[0] for key, values in parse_qs(octets.decode()).items()}
            status, body = issuer.answer(form)
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer.url = f"http://127.0.0.1:{server.server_address[1]}/token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def grant(url: str, **more: str) -> GrantedToken:
    return GrantedToken(TokenGrant(url=url, client="us", client_secret="hunter2", **more))


def test_a_client_asks_for_itself() -> None:
    """Client credentials (RFC 6749 §4.4.2), once for all that wait at the same time."""

    async def main(issuer: Issuer) -> None:
        source = grant(issuer.url, scope="mail")
        assert await asyncio.gather(*(source.current() for _ in range(5))) == ["token-1"] * 5

    with issuing() as issuer:
        asyncio.run(main(issuer))
    assert issuer.asked == [
        {
            "grant_type": "client_credentials",
            "client_id": "us",
            "client_secret": "hunter2",
            "scope": "mail",
        }
    ]


def test_a_refresh_token_gets_tokens_and_may_be_replaced() -> None:
    """The refresh token is shown, and where the issuer gives another one, that one (RFC 6749 §6)."""

    async def main(issuer: Issuer) -> None:
        source = grant(issuer.url, refresh_token="first")
        issuer.answers = [(200, {"access_token": "a", "expires_in": 9, "refresh_token": "second"})]
        assert await source.current() == "a"
        source.refused()
        assert await source.current() == "token-2"

    with issuing() as issuer:
        asyncio.run(main(issuer))
    assert [form["grant_type"] for form in issuer.asked] == ["refresh_token"] * 2
    assert [form["refresh_token"] for form in issuer.asked] == ["first", "second"]


def test_a_token_is_kept_until_a_minute_before_its_end() -> None:
    """An issuer is asked again when the token is about to end, not before."""

    async def main(issuer: Issuer) -> None:
        source = grant(issuer.url)
        seen = [await source.current()]
        for _ in range(3):
            await asyncio.sleep(1_769.0)
            seen.append(await source.current())
        assert seen == ["token-1", "token-1", "token-1", "token-2"]

    with issuing() as issuer:
        run_virtual(main(issuer))


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (400, {"error": "invalid_client", "error_description": "who?"}, "400 invalid_client who?"),
        (401, b"<html>", "says 401"),
        (503, {}, "says 503"),
        (302, {}, "says 302"),
        (200, {}, "answers without a bearer token"),
        (200, b"[]", "answers without a bearer token"),
        (200, {"access_token": "a b"}, "answers without a bearer token"),
        (200, {"access_token": "a" * 9_001}, "answers without a bearer token"),
    ],
)
def test_an_issuer_that_gives_no_token_is_told_of(status: int, body: object, reason: str) -> None:
    """Refusals, redirections and nonsense become a reason, without our secret in it."""

    async def main(issuer: Issuer) -> None:
        issuer.answers = [(status, body)]
        with pytest.raises(TokenUnavailable, match=reason) as caught:
            await grant(issuer.url).current()
        assert "hunter2" not in str(caught.value)

    with issuing() as issuer:
        asyncio.run(main(issuer))


def test_an_issuer_that_is_away_is_told_of() -> None:
    """A connection that is refused is a reason, too, and goes away by waiting."""
    with issuing() as issuer:
        pass
    with pytest.raises(TokenUnavailable, match="cannot be asked"):
        asyncio.run(grant(issuer.url).current())


@pytest.mark.parametrize(
    "said",
    [
        b"220 this is a mail server\r\n",
        b"HTTP/1.1 400 no\r\nContent-Length: 99\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 60_000,
    ],
    ids=["no HTTP", "cut off", "too deep"],
)
def test_an_issuer_that_talks_nonsense_is_told_of(said: bytes) -> None:
    """Whatever it says, the mail waits for a token and no defect is blamed."""

    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"hunter2")
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(TokenUnavailable, match="no token"):
                await grant(f"http://127.0.0.1:{port}/token").current()

    asyncio.run(main())


def test_a_login_uses_the_token_and_asks_again_once_it_is_refused() -> None:
    """A token that the smart host refuses is not shown twice."""

    async def main(issuer: Issuer) -> None:
        server = LabServer(
            "mx.test",
            options=ServerOptions(hostname="mx.test", auth_mechanisms=("XOAUTH2",)),
            logins=LabLogins(tokens={"ann": "token-2"}),
        )
        await server.start()
        endpoint = Endpoint("mx.test", "127.0.0.1", server.port)
        terms = {"tls": TlsMode.NONE, "auth_in_clear": True, "user": "ann"}
        source = grant(issuer.url)
        with pytest.raises(OpenFailed, match="535"):
            await dial(endpoint, token=source, **terms)
        for _ in range(2):
            channel = await dial(endpoint, token=source, **terms)
            await hang_up(channel)
        await server.stop()

    with issuing() as issuer:
        asyncio.run(main(issuer))
    assert len(issuer.asked) == 2


def test_no_secret_is_in_a_repr() -> None:
    """What is printed of a grant tells neither secret nor refresh token."""
    shown = repr(TokenGrant(url="u", client="us", client_secret="hunter2", refresh_token="1//x"))
    assert "hunter2" not in shown
    assert "1//x" not in shown

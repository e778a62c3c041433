"""The HTTP application as hostile clients meet it."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import time
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network

import psutil
import pytest
import uvloop
from fastapi import Request, Response, WebSocket
from pydantic import BaseModel
from starlette.responses import StreamingResponse
from tests.web_sandbox import RunningWeb, read_all, web

from pillarbox.access.hashes import hash_key
from pillarbox.errors import PermanentError, TemporaryError
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router, takes_body
from pillarbox.web.settings import MIB, ConnectionLimits, WebSettings
from pillarbox.web.sse import ServerSent, event_stream

SLOW = 0.3  # seconds of patience where a test waits for the end of it


class Item(BaseModel):
    number: int
    note: str = ""


ROUTES = Router(prefix="/api/test")


@ROUTES.get("/echo/{name}")
async def echo(request: Request, name: str) -> dict[str, str]:
    client = request.client.host if request.client else ""
    return {"name": name, "client": client, "url": str(request.url)}


@ROUTES.get("/items")
async def items() -> list[Item]:
    return []


@ROUTES.post("/items")
async def add(item: Item) -> Item:
    return item


@ROUTES.put("/large")
@takes_body(5 * MIB)
async def large(request: Request) -> dict[str, int]:
    return {"octets": len(await request.body())}


@ROUTES.get("/known")
async def known() -> None:
    raise PermanentError("that cannot be")


@ROUTES.get("/soon")
async def soon() -> None:
    raise TemporaryError("not just now")


@ROUTES.get("/defect")
async def defect() -> None:
    raise RuntimeError("secret-of-the-inside")


@ROUTES.get("/late-defect")
async def late_defect() -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("too late")

    return StreamingResponse(body())


@ROUTES.get("/events")
async def events(request: Request) -> Response:
    async def ticks() -> AsyncIterator[ServerSent]:
        yield ServerSent("one\ntwo", "tick", "7")
        await asyncio.Event().wait()

    return event_stream(ticks(), request.app.state.stopping, heartbeat=0.05)


@ROUTES.get("/big")
async def big() -> Response:
    return Response(b"x" * (32 * MIB))


@ROUTES.websocket("/socket")
async def talk(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())
    await socket.close()


@pytest.fixture(scope="module", params=[uvloop.new_event_loop, asyncio.new_event_loop])
def server(request: pytest.FixtureRequest) -> Iterator[RunningWeb]:
    limits = ConnectionLimits(head_patience=SLOW, idle=1, linger=SLOW, stalled=SLOW)
    with web(
        ROUTES, settings=WebSettings(body_patience=SLOW), limits=limits, new_loop=request.param
    ) as running:
        yield running


# --- errors --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("PUT", "/api/test/echo/a", b"", 405, "method_not_allowed"),
        ("POST", "/api/test/items", {"number": "x"}, 422, "validation_error"),
        ("POST", "/api/test/items", {}, 422, "validation_error"),
        ("POST", "/api/test/items", b'{"number": NaN}', 400, "invalid_json"),
        ("POST", "/api/test/items", b"not json", 400, "invalid_json"),
        ("GET", "/api/test/known", None, 422, "validation_error"),
        ("GET", "/api/test/soon", None, 503, "unavailable"),
        ("GET", "/api/test/defect", None, 500, "defect"),
    ],
)
def test_every_error_is_a_problem(
    server: RunningWeb, method: str, path: str, body: object, status: int, code: str
) -> None:
    """Errors are RFC 9457 documents with a code, the request's name, and all security fields."""
    answer = server.ask(method, path, body, {"Content-Type": "application/json"})
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"].endswith((".", "that cannot be", "not just now")) or problem["errors"]
    assert problem["instance"] == answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]


def test_a_wrong_method_is_told_the_right_ones(server: RunningWeb) -> None:
    """Allow names all methods of the path, and not those of one route alone."""
    assert server.ask("PATCH", "/api/test/items").headers["allow"] == "HEAD, GET, POST"
    assert server.ask("TRACE", "/api/test/large").headers["allow"] == "PUT"


def test_a_defect_is_told_to_the_log_and_not_to_the_client(server: RunningWeb) -> None:
    """A 500 has no traceback and no text of the exception in it."""
    before = len(server.defects)
    answer = server.get("/api/test/defect")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert [str(defect) for defect in server.defects[before:]] == ["secret-of-the-inside"]


def test_a_defect_behind_the_head_of_an_answer_ends_the_connection(server: RunningWeb) -> None:
    """A client never takes half an answer for a whole one."""
    answer = server.say(b"GET /api/test/late-defect HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"begun" in answer
    assert not answer.endswith(b"0\r\n\r\n")


def test_a_validation_problem_names_the_field(server: RunningWeb) -> None:
    """What is wrong, and where, is told for each field."""
    errors = server.ask("POST", "/api/test/items", {"number": [1]}).json["errors"]
    assert errors[0]["field"] == "number"
    assert errors[0]["message"]


# --- doors ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:80", "a b", "x@localhost"]
)
def test_a_foreign_host_gets_nothing(server: RunningWeb, host: str) -> None:
    """DNS rebinding ends at the Host field."""
    answer = server.get("/api/test/echo/a", Host=host)
    assert answer.status == 421
    assert answer.json["code"] == "unknown_host"
    assert "allowed hosts" in answer.json["hint"]


def test_a_request_without_a_host_or_with_two_gets_nothing(server: RunningWeb) -> None:
    """Who is asked has to be said once."""
    assert b" 421 " in server.say(b"GET /api/test/echo/a HTTP/1.1\r\nConnection: close\r\n\r\n")
    two = b"GET /api/test/echo/a HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert b" 421 " in server.say(two) or b" 400 " in server.say(two)


@pytest.mark.parametrize(
    ("method", "fields", "status"),
    [
        ("POST", {"Origin": "http://evil.example"}, 403),
        ("POST", {"Origin": "null"}, 403),
        ("POST", {"Origin": "http://localhost:1"}, 403),
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-site"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("POST", {}, 200),
        ("GET", {"Origin": "http://evil.example", "Accept": "text/event-stream"}, 403),
        ("GET", {"Sec-Fetch-Site": "cross-site", "Accept": "text/event-stream"}, 403),
    ],
)
def test_a_page_elsewhere_changes_nothing_and_hears_nothing(
    server: RunningWeb, method: str, fields: dict[str, str], status: int
) -> None:
    """Unsafe methods and live streams are for our own pages and for programs."""
    path = "/api/test/items" if method == "POST" else "/api/test/events"
    body = {"number": 1} if method == "POST" else None
    answer = server.ask(method, path, body, fields)
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403),  # <img src=...> on a page elsewhere
        ("same-site", "cors", 403),
        ("cross-site", "navigate", 200),  # a link that somebody follows
        ("same-origin", "cors", 200),
        ("none", "navigate", 200),
    ],
)
def test_a_page_elsewhere_cannot_even_ask(
    server: RunningWeb, site: str, mode: str, status: int
) -> None:
    """Reading may leave a mark, so that only people, programs and our own pages may read."""
    fields = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    assert server.ask("GET", "/api/test/echo/a", headers=fields).status == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_an_origin_elsewhere_tells_even_without_fetch_fields(
    server: RunningWeb, method: str, origin: str
) -> None:
    """Over plain HTTP browsers send Sec-Fetch fields to localhost only; an Origin is enough."""
    for path in ("/api/test/echo/a", "/api/test/events"):
        assert server.ask(method, path, headers={"Origin": origin}).status == 403


def test_who_is_not_elsewhere_reads_without_fetch_fields() -> None:
    """People, our own page, programs and allowed pages read over plain HTTP as before."""
    with web(ROUTES, settings=WebSettings(origins=frozenset({"https://app.example"}))) as server:
        for fields in (
            {"Accept": "text/html"},  # an address that is typed in, on a LAN
            {"Accept": "text/event-stream"},  # our own page's EventSource, and curl
            {"Accept": "text/event-stream", "Origin": f"http://localhost:{server.port}"},
            {"Origin": "https://app.example"},
        ):
            assert server.ask("GET", "/api/test/echo/a", headers=fields).status == 200


def test_our_own_page_may_act(server: RunningWeb) -> None:
    """The origin that names the host of the request is ours."""
    answer = server.ask(
        "POST", "/api/test/items", {"number": 1}, {"Origin": f"http://localhost:{server.port}"}
    )
    assert answer.status == 200


def test_a_preflight_is_not_answered_with_permission(server: RunningWeb) -> None:
    """There is no CORS, even for our own origin."""
    answer = server.ask(
        "OPTIONS",
        "/api/test/items",
        headers={
            "Origin": f"http://localhost:{server.port}",
            "Access-Control-Request-Method": "POST",
        },
    )
    assert answer.status == 405
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def _upgrade(server: RunningWeb, *fields: str) -> bytes:
    lines = [
        "GET /api/test/socket HTTP/1.1",
        f"Host: localhost:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        *fields,
    ]
    with server.connect() as client:
        client.sendall("\r\n".join([*lines, "", ""]).encode())
        return client.recv(4096)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:1"])
def test_a_websocket_of_a_page_elsewhere_is_refused(server: RunningWeb, origin: str) -> None:
    """CVE-2026-22689 of Mailpit: a foreign page could listen."""
    assert b" 403 " in _upgrade(server, f"Origin: {origin}").partition(b"\r\n")[0]


def test_a_websocket_of_ours_or_of_a_program_is_opened(server: RunningWeb) -> None:
    """With our origin, or without any."""
    assert b" 101 " in _upgrade(server)
    assert b" 101 " in _upgrade(server, f"Origin: http://localhost:{server.port}")


# --- bodies --------------------------------------------------------------------------


def test_a_declared_body_that_is_too_large_is_refused_at_once(server: RunningWeb) -> None:
    """The client reads why, though it is still sending."""
    begin = time.monotonic()
    answer = server.say(
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 10737418240\r\n\r\n" + b"x" * 100_000
    )
    assert b" 413 " in answer.partition(b"\r\n")[0]
    assert b"1,048,576 octets" in answer
    assert time.monotonic() - begin < 20


def test_a_chunked_body_without_end_is_cut_off_in_flat_memory(server: RunningWeb) -> None:
    """256 MiB are offered; 1 MiB is taken."""
    before = psutil.Process().memory_info().rss
    head = (
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with server.connect() as client:
        client.sendall(head)
        sent = 0
        try:
            while sent < 256 * MIB:
                client.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
    assert sent < 64 * MIB
    assert psutil.Process().memory_info().rss - before < 48 * MIB


_CHUNKED = (
    b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    "start",
    [b'd\r\n{"number": 1}\r\n0\r\nX-A: ', b'd\r\n{"number": 1}\r\n0\r\n', b"d;"],
    ids=["trailer value", "trailer name", "chunk extension"],
)
def test_what_stands_around_a_body_is_bounded_as_a_head_is(
    server: RunningWeb, start: bytes
) -> None:
    """Trailer fields without end cost no memory: 431."""
    answer = server.say(_CHUNKED + start + b"a" * 200_000)
    assert b" 431 " in answer.partition(b"\r\n")[0]


def test_many_trailer_fields_are_refused(server: RunningWeb) -> None:
    """38 MB of them took 500 MB once."""
    answer = server.say(_CHUNKED + b"0\r\n" + b"X-A: b\r\n" * 200_000)
    assert b" 431 " in answer.partition(b"\r\n")[0]


def test_a_trailer_field_is_no_field_of_the_request(server: RunningWeb) -> None:
    """What comes behind a body cannot change who asks, and by which name (RFC 9110 §6.5.1)."""
    answer = server.say(
        _CHUNKED.replace(b"Transfer", b"Connection: close\r\nTransfer")
        + b'd\r\n{"number": 1}\r\n0\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n'
    )
    assert b" 200 " in answer.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "octets",
    [
        (
            b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 10\r\n\r\n{"
        ),
        _CHUNKED + b"zz\r\n",
        _CHUNKED.replace(b"POST /api/test/items", b"GET /api/test/echo/a") + b"zz\r\n",
    ],
    ids=["half a body", "no chunk", "no chunk, and no reader"],
)
def test_a_client_that_goes_or_breaks_off_is_no_defect(server: RunningWeb, octets: bytes) -> None:
    """It is the client's right, or its mistake; our log has nothing to say of it."""
    server.defects.clear()
    with server.connect() as client:
        client.sendall(octets)
    server.get("/api/test/echo/a")
    time.sleep(0.05)
    assert server.defects == []


@pytest.mark.parametrize("field", ["Content-Length: 50", "X-A: " + "b" * 10_000])
def test_an_upgrade_that_cannot_be_one_is_refused(server: RunningWeb, field: str) -> None:
    """A body, or a field of any length: it would hold the connection, and stopping would fail."""
    assert b" 400 " in _upgrade(server, field).partition(b"\r\n")[0]


def test_a_route_may_take_more(server: RunningWeb) -> None:
    """``takes_body`` lifts the measure, and no further than it says."""
    assert server.ask("PUT", "/api/test/large", b"x" * (4 * MIB)).json == {"octets": 4 * MIB}
    assert server.ask("PUT", "/api/test/large", b"x" * (5 * MIB + 1)).status == 413


@pytest.mark.parametrize("packing", ["gzip", "deflate", "br", "gzip, identity"])
def test_a_packed_body_is_refused(server: RunningWeb, packing: str) -> None:
    """No bomb is ever unpacked."""
    answer = server.ask("POST", "/api/test/items", b"\x1f\x8b", {"Content-Encoding": packing})
    assert answer.status == 415
    assert answer.json["code"] == "packed_body"


def test_a_body_that_does_not_come_is_not_waited_for(server: RunningWeb) -> None:
    """408, and the connection ends."""
    answer = server.say(
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 10\r\n\r\n{"
    )
    assert b" 408 " in answer.partition(b"\r\n")[0]


def test_a_body_that_trickles_in_is_not_waited_for(server: RunningWeb) -> None:
    """An octet now and then does not keep a request alive."""
    head = b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    begin = time.monotonic()
    with server.connect() as client:
        client.sendall(head)
        try:
            while time.monotonic() - begin < 30:
                client.sendall(b" ")
                time.sleep(0.02)
        except OSError:
            pass
    assert time.monotonic() - begin < 20


# --- the wire ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        (
            b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        ),
        (
            b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            b"Content-Length: 5\r\n\r\nabcde"
        ),
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: +4\r\n\r\nabcd",
        b"POST /api/test/items HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0x4\r\n\r\nabcd",
        b"POST /api/test/items HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n",
        b"GET /api/test/echo/a HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
        b"GET /api/test/echo/a HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n",
        b"GET /api/test/echo/a HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        b"GET http://evil.example/api/test/echo/a HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET //evil.example HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:25 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"EHLO localhost\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /api/test/echo/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=[
        "length and chunked",
        "two lengths",
        "unknown coding",
        "two codings",
        "space before colon",
        "signed length",
        "hex length",
        "bare line feeds",
        "bare carriage return",
        "folded",
        "nul",
        "absolute target",
        "version",
        "connect",
        "smtp",
        "tls",
        "not ascii",
    ],
)
def test_what_servers_understand_differently_is_refused(
    server: RunningWeb, request_: bytes
) -> None:
    """One answer, none of them a success, and the connection ends (request smuggling)."""
    answer = server.say(
        request_ + b"GET /api/test/echo/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert b"smuggled" not in answer
    assert b" 200 " not in answer


def test_a_head_without_end_is_cut_off(server: RunningWeb) -> None:
    """More than 64 KiB of fields are a 431, and nothing is kept of them."""
    with server.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        try:
            for number in range(2_000):
                client.sendall(b"X-%d: " % number + b"x" * 100 + b"\r\n")
        except OSError:
            pass
        answer = read_all(client)
    assert answer == b"" or b" 431 " in answer.partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "octets",
    [b"", b"GET /api/test/echo/a HTTP/1.1\r\nHost: loc", b"\r\n", b"\r\n\r\n"],
    ids=["nothing", "half a head", "an empty line", "empty lines"],
)
def test_a_head_that_does_not_come_is_not_waited_for(server: RunningWeb, octets: bytes) -> None:
    """Slow clients are cut off, and so are silent ones (slowloris)."""
    begin = time.monotonic()
    server.say(octets)
    assert time.monotonic() - begin < 20


def test_a_client_that_reads_nothing_is_cut_off(server: RunningWeb) -> None:
    """An answer does not stay in memory because nobody takes it."""
    with server.connect() as client:
        client.sendall(b"GET /api/test/big HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(2 * SLOW)
        assert len(read_all(client)) < 32 * MIB


def test_connections_are_counted() -> None:
    """One too many is told so at once; the others go on."""
    with web(ROUTES, limits=ConnectionLimits(connections=3)) as server:
        held = [server.connect() for _ in range(3)]
        for client in held:
            client.sendall(b"GET /api/test/echo/a HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert b" 200 " in client.recv(4096)
        with server.connect() as late:
            assert b" 503 " in read_all(late).partition(b"\r\n")[0]
        for client in held:
            client.close()


def test_pipelined_requests_are_answered_in_order(server: RunningWeb) -> None:
    """Two requests in one packet get two answers."""
    one = b"GET /api/test/echo/%s HTTP/1.1\r\nHost: localhost\r\n%s\r\n"
    answer = server.say(one % (b"first", b"") + one % (b"second", b"Connection: close\r\n"))
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.index(b'"first"') < answer.index(b'"second"')


def test_answers_on_a_kept_connection_come_at_once(server: RunningWeb) -> None:
    """Head and body do not wait for each other (Nagle's algorithm and delayed ACKs: 40 ms)."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    took = []
    for _ in range(50):
        begin = time.monotonic()
        connection.request("GET", "/api/test/echo/a", headers={"Host": "localhost"})
        assert connection.getresponse().read()
        took.append(time.monotonic() - begin)
    assert sorted(took)[10] < 0.03, took  # a busy machine delays some, a delayed ACK nearly all
    connection.close()


def test_a_head_request_is_a_get_without_a_body(server: RunningWeb) -> None:
    """As probes send it."""
    answer = server.ask("HEAD", "/api/test/echo/a")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["content-length"]) > 10
    assert server.ask("HEAD", "/api/test/events").body == b""
    with server.connect() as client:
        client.sendall(b"HEAD /api/test/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"text/event-stream" in client.recv(4096)
        client.sendall(
            b"GET /api/test/echo/next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        assert b'"next"' in read_all(client)


@pytest.mark.parametrize("protocol", ["h2c", "foo", "websocket"])
def test_another_protocol_is_not_taken_up(server: RunningWeb, protocol: str) -> None:
    """An upgrade that nobody offers is left alone, and one to a path without a socket refused."""
    head = (
        "GET /api/test/echo/a HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        f"Upgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with server.connect() as client:
        client.sendall(head.encode())
        answer = client.recv(4096)
    assert b" 101 " not in answer.partition(b"\r\n")[0]
    assert (b" 200 " in answer) is (protocol != "websocket")


# --- streams -------------------------------------------------------------------------


def test_events_come_and_the_stream_ends_when_the_server_stops() -> None:
    """A stream sends events and heartbeats, and does not hold up the end."""
    with web(ROUTES) as server:
        client = server.connect()
        client.sendall(b"GET /api/test/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        found = b""
        while b"still here" not in found:
            found += client.recv(4096)
        assert b"text/event-stream" in found
        assert b"event: tick\nid: 7\ndata: one\ndata: two\n\n" in found
        assert (
            b"pillarbox_http_live_streams 1.0" in server.application.state.metrics.exposition()[0]
        )
        begin = time.monotonic()
    with client:
        read_all(client)
    assert time.monotonic() - begin < 15


# --- places and people ---------------------------------------------------------------


def test_everything_can_stand_below_a_path() -> None:
    """With a webroot, paths begin with it, and the way there is shown."""
    with web(ROUTES, settings=WebSettings(webroot="/mail")) as server:
        assert server.get("/mail/api/test/echo/a").json["url"].endswith("/mail/api/test/echo/a")
        assert server.get("/api/test/echo/a").status == 404
        assert server.get("/mailbox").status == 404
        redirect = server.get("/")
        assert redirect.status == 307
        assert redirect.headers["location"] == "/mail/"


def test_only_our_proxies_say_who_asks() -> None:
    """Addresses of strangers are believed from trusted networks alone."""
    fields = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    with web(ROUTES) as server:
        assert server.ask("GET", "/api/test/echo/a", headers=fields).json["client"] == "127.0.0.1"
    settings = WebSettings(trusted_networks=(ip_network("127.0.0.0/8"),))
    with web(ROUTES, settings=settings) as server:
        answer = server.ask("GET", "/api/test/echo/a", headers=fields).json
        assert answer["client"] == "192.0.2.7"
        assert answer["url"].startswith("https://")


def _basic(user: str, password: str) -> dict[str, str]:
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {encoded}"}


def test_a_user_or_a_token_is_needed_where_any_is_set() -> None:
    """Basic with a plain or a hashed password, and Bearer; all else is a 401."""
    settings = WebSettings(
        users={"ann": "plain-secret", "bo": hash_key("kept-secret")}, tokens=frozenset({"tok-1"})
    )
    right = [
        _basic("ann", "plain-secret"),
        _basic("bo", "kept-secret"),
        {"Authorization": "Bearer tok-1"},
    ]
    wrong = [
        {},
        _basic("ann", "kept-secret"),
        _basic("ann", ""),
        _basic("nobody", "plain-secret"),
        _basic("", ""),
        {"Authorization": "Bearer tok-2"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Digest x"},
    ]
    with web(ROUTES, settings=settings) as server:
        for fields in right + right:
            assert server.ask("GET", "/api/test/echo/a", headers=fields).status == 200
        for fields in wrong:
            answer = server.ask("GET", "/api/test/echo/a", headers=fields)
            assert answer.status == 401, fields
            assert answer.headers["www-authenticate"].startswith("Basic")
        assert server.get("/api/test/echo/a?token=tok-1").status == 401


def test_guessing_is_slowed_down() -> None:
    """After ten wrong passwords an address waits, even for the right one."""
    with web(ROUTES, settings=WebSettings(users={"ann": "s"})) as server:
        for _ in range(10):
            assert server.ask("GET", "/", headers=_basic("ann", "x")).status == 401
        answer = server.ask("GET", "/", headers=_basic("ann", "s"))
        assert answer.status == 429
        assert int(answer.headers["retry-after"]) > 0


def test_a_client_makes_no_new_labels() -> None:
    """Numbers are kept by route, so that no path of a stranger is in them."""
    with web(ROUTES) as server:
        for number in range(50):
            server.get(f"/api/test/echo/{number}")
            server.get(f"/nothing/{number}")
            server.ask(f"X{number}", "/api/test/echo/a")
        text = server.application.state.metrics.exposition()[0].decode()
    assert 'route="/api/test/echo/{name}"' in text
    assert text.count("pillarbox_http_requests_total{") < 8


def test_a_problem_can_be_raised_anywhere(server: RunningWeb) -> None:
    """The exception itself carries all that the client is told."""
    problem = Problem(409, "It is there already.", "taken", hint="Choose another name.")
    assert (problem.status, problem.code, problem.title) == (409, "taken", "Conflict")
    assert json.loads(server.get("/nothing").body)["type"] == "urn:pillarbox:problem:not_found"

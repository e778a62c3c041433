"""POP3 of the sandbox with real clients: Python's poplib and curl."""

from __future__ import annotations

import asyncio
import contextlib
import poplib
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import uvloop

from pillarbox.access.hashes import PasswordHasher
from pillarbox.config.settings import SandboxProjectSettings, SandboxSettings, Settings
from pillarbox.node.sandbox import SandboxNode
from pillarbox.sandbox.pop3 import server as server_module

MAIL = b"From: ann@example.com\r\nTo: bob@example.org\r\nSubject: %d\r\n\r\n.dot\r\nlast\r\n"

Work = Callable[[SandboxNode, int], Awaitable[None]]


def run(
    work: Work,
    *,
    count: int = 3,
    on_uvloop: bool = False,
    projects: dict[str, SandboxProjectSettings] | None = None,
    **fields: Any,
) -> None:
    """Run some work with a sandbox that holds some mail."""

    async def main() -> None:
        own = SandboxSettings(
            smtp=("localhost:0",), http=(), pop3=("localhost:0",), starttls=True, **fields
        )
        node = SandboxNode(Settings(sandbox=own, sandbox_project=projects or {}))
        await node.start()
        try:
            for number in range(1, count + 1):
                await node.sandbox.ingest(MAIL % number)
            await work(node, int(node.addresses.pop3[0].rpartition(":")[2]))
        finally:
            await node.stop()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop if on_uvloop else None) as runner:
        runner.run(main())


def opened(port: int, user: str = "any", password: str = "thing") -> poplib.POP3:
    """Return a client that has logged in."""
    client = poplib.POP3("localhost", port, timeout=10)
    try:
        client.user(user)
        client.pass_(password)
    except poplib.error_proto:
        client.close()
        raise
    return client


@pytest.mark.parametrize("on_uvloop", [False, True])
def test_poplib_fetches_and_deletes_over_tls(*, on_uvloop: bool) -> None:
    """STLS, a login, a mail as it was caught, and what was deleted is gone after QUIT."""

    async def work(node: SandboxNode, port: int) -> None:
        page = await node.sandbox.find()
        newest = page.summaries[0].id
        content = await node.sandbox.content(newest)

        def fetch() -> bytes:
            client = poplib.POP3("localhost", port, timeout=10)
            client.stls(ssl.create_default_context(cafile=node.certificate))
            client.user("any")
            client.pass_("any thing")
            assert client.stat()[0] == 3
            lines = client.retr(3)[1]
            client.dele(3)
            client.quit()
            return b"".join(line + b"\r\n" for line in lines)

        assert await asyncio.to_thread(fetch) == content
        left = await node.sandbox.find()
        assert newest not in {each.id for each in left.summaries}
        assert left.total == 2

    run(work, on_uvloop=on_uvloop)


def test_a_client_that_just_goes_deletes_nothing() -> None:
    """Only QUIT deletes (RFC 1939 §6)."""

    async def work(node: SandboxNode, port: int) -> None:
        def mark() -> None:
            client = opened(port)
            client.dele(1)
            client.close()

        await asyncio.to_thread(mark)
        await asyncio.sleep(0.05)
        assert (await node.sandbox.find()).total == 3

    run(work)


def test_mail_is_numbered_from_the_oldest_and_keeps_its_name() -> None:
    """What comes in later has a higher number in the next session, and names stay."""

    async def work(node: SandboxNode, port: int) -> None:
        def names() -> list[bytes]:
            client = opened(port)
            found = client.uidl()[1]
            client.quit()
            return list(found)

        before = await asyncio.to_thread(names)
        await node.sandbox.ingest(MAIL % 4)
        after = await asyncio.to_thread(names)
        assert after[:3] == before
        assert len(after) == 4

    run(work)


def test_a_user_sees_the_project_of_that_name() -> None:
    """A project has a maildrop of its own, with its password; others see the default one."""

    async def work(node: SandboxNode, port: int) -> None:
        await node.sandbox.ingest(MAIL % 9, project="shop")

        def counts() -> list[int]:
            seen = []
            for user in ("shop", "Till", "anybody"):
                client = opened(port, user, "secret")
                seen.append(client.stat()[0])
                client.quit()
            return seen

        assert await asyncio.to_thread(counts) == [1, 1, 3]
        for user in ("shop", "till"):
            with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
                await asyncio.to_thread(partial(opened, port, user, "wrong"))

    run(work, projects={"shop": SandboxProjectSettings(users=("till",), password="secret")})


def test_a_maildrop_is_locked_for_the_time_of_a_session() -> None:
    """A second session gets [IN-USE] until the first has ended; another project's is free."""

    async def work(_node: SandboxNode, port: int) -> None:
        def sessions() -> None:
            first = opened(port)
            with pytest.raises(poplib.error_proto, match=r"\[IN-USE\]"):
                opened(port, "other")
            opened(port, "shop").quit()
            first.close()  # without QUIT, as a program that dies
            until = time.monotonic() + 10
            while True:
                with contextlib.suppress(poplib.error_proto):
                    opened(port).quit()
                    return
                assert time.monotonic() < until

        await asyncio.to_thread(sessions)

    run(work, projects={"shop": SandboxProjectSettings()})


def test_apop_and_utf8_are_spoken() -> None:
    """Poplib logs in by a digest of the right password, and turns UTF-8 on."""

    async def work(_node: SandboxNode, port: int) -> None:
        def session(password: str) -> int:
            client = poplib.POP3("localhost", port, timeout=10)
            try:
                client.utf8()
                client.apop("änn", password)
                return client.stat()[0]
            finally:
                client.close()

        assert await asyncio.to_thread(session, "geheim") == 3
        with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
            await asyncio.to_thread(session, "wrong")

    run(work, pop3_users=("änn:geheim",))


def test_apop_is_not_offered_where_passwords_are_hashed() -> None:
    """A client that prefers APOP could not log in with a password of which only a hash is kept."""

    async def work(_node: SandboxNode, port: int) -> None:
        def greeting() -> bytes:
            client = poplib.POP3("localhost", port, timeout=10)
            client.close()
            return client.getwelcome()

        assert b"<" not in await asyncio.to_thread(greeting)

    run(work, pop3_users=(f"ann:{PasswordHasher.hash('slow')}",))


def test_chosen_users_have_to_be_right() -> None:
    """With users in the configuration, nobody else gets in."""

    async def work(_node: SandboxNode, port: int) -> None:
        (await asyncio.to_thread(partial(opened, port, "ann", "pass:word"))).close()
        for user, password in (("ann", "x"), ("eve", "pass:word"), ("inbox", "x")):
            with pytest.raises(poplib.error_proto, match=r"\[AUTH\]"):
                await asyncio.to_thread(partial(opened, port, user, password))

    run(work, pop3_users=("ann:pass:word",))


def test_mail_can_be_kept_from_being_deleted() -> None:
    """A mail program that is set up to delete deletes nothing."""

    async def work(node: SandboxNode, port: int) -> None:
        def delete() -> None:
            client = opened(port)
            with pytest.raises(poplib.error_proto, match="SYS/PERM"):
                client.dele(1)
            client.quit()

        await asyncio.to_thread(delete)
        assert (await node.sandbox.find()).total == 3

    run(work, pop3_read_only=True)


def test_pipelined_commands_are_answered_in_their_order() -> None:
    """RFC 2449 §6.6: all at once, and one after the other."""

    async def work(_node: SandboxNode, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"USER a\r\nPASS b\r\nRETR 1\r\nRETR 2\r\nQUIT\r\n")
        said = await reader.read(-1)
        writer.close()
        assert said.index(b"Subject: 1") < said.index(b"Subject: 2")
        assert said.endswith(b"+OK Goodbye\r\n")

    run(work)


def test_a_flood_costs_no_room() -> None:
    """A line without an end is answered once, and the connection ends."""

    async def work(_node: SandboxNode, port: int) -> None:
        def flood() -> bytes:
            said = b""
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
                try:
                    for _ in range(1_000):
                        sock.sendall(b"x" * 100_000)
                except OSError:
                    pass
                try:
                    while piece := sock.recv(65_536):
                        said += piece
                except OSError:
                    pass
            return said

        said = await asyncio.to_thread(flood)
        assert said.count(b"-ERR") <= 1

    run(work)


def test_large_mail_comes_whole() -> None:
    """Five megabytes, more than any buffer between here and there."""

    async def work(node: SandboxNode, port: int) -> None:
        content = MAIL % 1 + b"".join(b".%07d\r\n" % number for number in range(500_000))
        message = await node.sandbox.ingest(content)
        kept = await node.sandbox.content(message)

        def fetch() -> bytes:
            client = opened(port)
            lines = client.retr(1)[1]
            client.quit()
            return b"".join(line + b"\r\n" for line in lines)

        assert await asyncio.to_thread(fetch) == kept

    run(work, count=0)


def test_who_is_idle_or_there_at_the_end_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that says nothing ends; one that is open holds up no stop."""
    monkeypatch.setattr(server_module, "_IDLE", 0.05)

    async def work(_node: SandboxNode, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.read(-1)).startswith(b"+OK ")
        writer.close()
        monkeypatch.setattr(server_module, "_IDLE", 600.0)
        left.append(socket.create_connection(("127.0.0.1", port), timeout=10))
        await asyncio.to_thread(left[0].recv, 100)

    left: list[socket.socket] = []
    begun = time.monotonic()
    run(work)
    assert time.monotonic() - begun < 10
    with left[0], contextlib.suppress(ConnectionResetError):
        assert left[0].recv(100) == b""


def test_sessions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes when there are too many is told so, and others are served."""
    monkeypatch.setattr(server_module, "_MOST_SESSIONS", 2)

    async def work(_node: SandboxNode, port: int) -> None:
        open_ = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        greetings = [await reader.readline() for reader, _ in open_]
        assert all(each.startswith(b"+OK pillarbox POP3 server ready") for each in greetings[:2])
        assert greetings[2] == b"-ERR [SYS/TEMP] Too many sessions\r\n"
        for _, writer in open_:
            writer.close()

    run(work)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_fetches() -> None:
    """Curl lists and fetches over STLS, logged in by AUTH PLAIN."""

    async def work(node: SandboxNode, port: int) -> None:
        def curl(path: str) -> str:
            command = ["curl", "-sS", "--ssl-reqd", "--cacert", str(node.certificate)]
            command += ["--login-options", "AUTH=PLAIN", "-u", "ann:any thing"]
            url = f"pop3://localhost:{port}/{path}"
            done = subprocess.run([*command, url], capture_output=True, timeout=20, check=True)
            return done.stdout.decode()

        assert len((await asyncio.to_thread(curl, "")).splitlines()) == 3
        assert "Subject: 2\r\n" in await asyncio.to_thread(curl, "2")

    run(work)

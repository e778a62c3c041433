"""Waiting for mail: nothing that arrives in between is missed, and time is kept to."""

from __future__ import annotations

import asyncio

import pytest
from tests.catching import MAIL, Running, with_sandbox

from pillarbox.inbox.values import Selection
from pillarbox.search.language import QueryError


def content(subject: str) -> bytes:
    return MAIL.replace(b"Hello", subject.encode())


def test_what_is_there_is_returned_at_once() -> None:
    """The newest mail that matches is the answer, without waiting."""

    async def test(running: Running) -> None:
        await running.send(content("first order"))
        newest = await running.send(content("second order"))
        await running.send(content("other"))
        found = await running.sandbox.wait_for("subject:order", timeout=0)
        assert found == newest

    with_sandbox(test)


def test_what_comes_later_is_waited_for() -> None:
    """A mail that comes while somebody waits ends the wait; others do not."""

    async def test(running: Running) -> None:
        waiting = asyncio.create_task(running.sandbox.wait_for("subject:order", timeout=10))
        await running.send(content("other"))
        assert not waiting.done()
        caught = await running.send(content("order"))
        assert await waiting == caught

    with_sandbox(test)


def test_nothing_is_missed_however_it_arrives() -> None:
    """Fifty waits that begin at any moment of fifty arrivals each get their mail."""

    async def test(running: Running) -> None:
        async def send_and_wait(number: int) -> None:
            if number % 2:
                await running.sandbox.ingest(content(f"order {number} end"))
            found = asyncio.create_task(
                running.sandbox.wait_for(f'subject:"order {number} end"', timeout=10)
            )
            for _ in range(number % 7):
                await asyncio.sleep(0)
            if not number % 2:
                await running.sandbox.ingest(content(f"order {number} end"))
            summary = await found
            assert summary is not None
            assert summary.subject == f"order {number} end"

        await asyncio.gather(*(send_and_wait(number) for number in range(50)))
        assert running.sandbox.changes.subscribers == 0

    with_sandbox(test)


def test_only_what_comes_after_counts() -> None:
    """With `after`, a mail from before is not taken for the one that is waited for."""

    async def test(running: Running) -> None:
        old = await running.send(content("order"))
        sandbox = running.sandbox
        assert await sandbox.wait_for("subject:order", timeout=0.05, after=old.id) is None
        waiting = asyncio.create_task(sandbox.wait_for("subject:order", timeout=10, after=old.id))
        new = await running.send(content("order"))
        assert await waiting == new

    with_sandbox(test)


def test_a_wait_that_brings_nothing_ends_in_time() -> None:
    """When the time is over, the answer is that there is none."""

    async def test(running: Running) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await running.sandbox.wait_for("subject:never", timeout=0.1) is None
        assert 0.1 <= loop.time() - began < 2

    with_sandbox(test)


def test_mail_that_does_not_match_prolongs_no_wait() -> None:
    """However much else comes in, a wait is over when its time is."""

    async def test(running: Running) -> None:
        async def keep_sending() -> None:
            while True:
                await running.sandbox.ingest(MAIL)

        sending = asyncio.create_task(keep_sending())
        async with asyncio.timeout(5):
            assert await running.sandbox.wait_for("subject:never", timeout=0.2) is None
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    with_sandbox(test)


def test_a_tag_or_a_mark_ends_a_wait_as_well() -> None:
    """What matches only after a change is found then."""

    async def test(running: Running) -> None:
        caught = await running.send()
        waiting = asyncio.create_task(running.sandbox.wait_for("is:read", timeout=10))
        await asyncio.sleep(0)
        await running.sandbox.mark(Selection(ids=frozenset({caught.id})), is_read=True)
        found = await waiting
        assert found is not None
        assert found.id == caught.id

    with_sandbox(test)


def test_a_search_that_cannot_be_meant_is_refused_at_once() -> None:
    """A mistake in the search is an error, not a wait that never ends."""

    async def test(running: Running) -> None:
        with pytest.raises(QueryError):
            await running.sandbox.wait_for("subjekt:x", timeout=10)

    with_sandbox(test)

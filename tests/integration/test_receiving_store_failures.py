"""A store that fails while mail comes in: no 250, nothing half kept, and it recovers."""

from __future__ import annotations

from typing import Any

import pytest
from tests.failing_store import FailingStore
from tests.receiving import Rig, listener, receiving, wait_until

from pillarbox.config.settings import ListenerKind
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.events.types import MessageRefused, StoreFailed, StoreRecovered
from pillarbox.store.port import Fenced, StoreFull, StoreUnavailable

KINDS = {
    "mx": listener(),
    "submission": listener(ListenerKind.SUBMISSION, trusted_networks=("127.0.0.0/8",)),
}
HEADER = b"From: x@third.test\r\nTo: ann@local.test\r\n\r\n"
SMALL = HEADER + b"Hello\r\n"
LARGE = HEADER + (b"x" * 70 + b"\r\n") * 4_000  # five chunks

FAILURES: list[tuple[PillarboxError, str]] = [
    (StoreFull("no room"), "452 4.3.1"),
    (StoreUnavailable("the disk fails"), "451 4.3.0"),
    (Fenced("another has taken over"), "451 4.3.0"),
    (PermanentError("it cannot hold this"), "554 5.3.0"),
]


def send(rig: Rig, content: bytes, name: str = "mx", how: str = "DATA") -> str:
    """Send one message and return the reply to its end."""
    with rig.client(name) as wire:
        wire.hello()
        wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>")
        assert wire.codes(2) == ["250", "250"]
        if how == "DATA":
            assert wire.ask("DATA").startswith("354")
            wire.send(content, ".")
        else:
            wire.send(f"BDAT {len(content)} LAST", content)
        return wire.reply()


def failing(store: Any) -> FailingStore:
    """Put a store in front that fails when it is told to."""
    return FailingStore(store)


@pytest.mark.parametrize("how", ["DATA", "BDAT"])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize(("error", "reply"), FAILURES)
def test_a_failed_commit_is_never_a_250(
    name: str, how: str, error: PillarboxError, reply: str
) -> None:
    """Each way in which a commit fails has its reply; the next message is kept again."""
    with receiving(KINDS, wrap=failing) as rig:
        for content in (SMALL, LARGE):
            rig.store.fail("commit", error)
            if isinstance(error, PermanentError) and not isinstance(error, Fenced):
                rig.store.fail("commit", error, on=2)  # tried again by itself, and fails again
            assert send(rig, content, name, how).startswith(reply)
            assert not rig.kept
        assert send(rig, SMALL, name, how).startswith("250")
        assert len(rig.kept) == len(rig.disk.messages) == 1
        assert len(rig.named(MessageRefused)) == 2


@pytest.mark.parametrize("call", range(1, 6))
@pytest.mark.parametrize(("error", "reply"), FAILURES)
def test_a_failed_chunk_is_never_a_250(error: PillarboxError, reply: str, call: int) -> None:
    """Whichever chunk of a large message fails, the end is refused and the chunks are removed."""
    with receiving(wrap=failing) as rig:
        rig.store.fail("write_chunk", error, on=call)
        assert send(rig, LARGE).startswith(reply)
        wait_until(lambda: rig.disk.used() == 0)
        assert not rig.kept
        assert send(rig, LARGE).startswith("250")
        assert len(rig.kept) == 1


def test_chunks_that_cannot_be_removed_harm_nobody() -> None:
    """Removing is tried once; what stays is for the store's sweep."""
    with receiving(wrap=failing) as rig:
        rig.store.fail("write_chunk", StoreUnavailable("x"), on=2)
        rig.store.fail("discard_chunks", StoreUnavailable("x"))
        assert send(rig, LARGE).startswith("451")
        assert send(rig, LARGE).startswith("250")


def test_chunks_stay_while_it_is_unknown_whether_their_message_was_kept() -> None:
    """After a commit without an answer the message may be there, and needs its body."""
    with receiving(wrap=failing) as rig:
        rig.store.fail("commit", StoreUnavailable("connection lost during COMMIT"))
        assert send(rig, LARGE).startswith("451 4.3.0")
        rig.call(lambda: None)
        assert rig.disk.used() > 0
        assert "discard_chunks" not in rig.store.calls


class Broken:
    """A store with a defect: it raises what no store may raise."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.is_broken = True

    def __getattr__(self, name: str) -> Any:
        if self.is_broken and name in {"commit", "write_chunk"}:
            raise RuntimeError("a defect")
        return getattr(self._store, name)


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_even_a_defect_in_the_store_is_answered(content: bytes) -> None:
    """An exception that nobody expects is a 451, and the session is not left hanging."""
    with receiving(wrap=Broken) as rig:
        assert send(rig, content).startswith("451 4.3.0")
        rig.store.is_broken = False
        assert send(rig, content).startswith("250")


def test_a_full_disk_is_told_of_once_and_its_end_too() -> None:
    """One event when the store begins to refuse, one when it takes mail again."""
    with receiving() as rig:
        assert send(rig, SMALL).startswith("250")
        rig.disk.capacity = rig.disk.used() + 10
        for _ in range(3):
            assert send(rig, SMALL).startswith("452 4.3.1")
        rig.disk.capacity = None
        assert send(rig, SMALL).startswith("250")
        assert [each.is_full for each in rig.named(StoreFailed)] == [True]
        assert len(rig.named(StoreRecovered)) == 1
        assert len(rig.kept) == 2


def test_a_client_that_leaves_before_the_answer_has_its_message_kept() -> None:
    """The commit goes on without the client; nothing else is disturbed."""
    with receiving() as rig:
        with rig.client() as wire:
            wire.hello()
            wire.send("MAIL FROM:<x@third.test>", "RCPT TO:<ann@local.test>", "DATA")
            wire.codes(3)
            wire.send(SMALL + b".\r\n")
        wait_until(lambda: len(rig.reasons()) == 1)
        assert len(rig.kept) <= 1
        assert rig.call(lambda: rig.door.guards.budget.used) == 0
        assert send(rig, SMALL).startswith("250")

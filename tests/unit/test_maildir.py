"""Delivery into Maildirs: paths, durability, content."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.mail import address_of

from pillarbox.deliver.maildir import MaildirTransport, mailbox_path
from pillarbox.net.transaction import Content, Transaction, TransactionResult
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Recipient


def deliver(template: Path, content: Content, *recipients: str) -> TransactionResult:
    async def main() -> TransactionResult:
        with ThreadPoolExecutor(2) as threads:
            transport = MaildirTransport(template, lambda: 1_800_000_000.5, threads)
            envelope = Envelope(
                reverse_path=address_of("ann@example.com"),
                recipients=tuple(Recipient(address_of(text)) for text in recipients),
            )
            return await transport.carry(Transaction(envelope=envelope, content=content))

    return asyncio.run(main())


def test_a_message_stands_in_new_with_its_trace(tmp_path: Path) -> None:
    """The file has Return-Path and Delivered-To before the content, and LF line ends."""
    template = tmp_path / "{domain}" / "{local}"
    result = deliver(template, Content(16, b"Subject: x\r\n\r\nHi\r\n"), "bob@Example.org")
    assert result.outcomes[0].is_delivered
    (file,) = (tmp_path / "example.org" / "bob" / "new").iterdir()
    assert file.read_bytes() == (
        b"Return-Path: <ann@example.com>\nDelivered-To: bob@Example.org\nSubject: x\n\nHi\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert not list((tmp_path / "example.org" / "bob" / "tmp").iterdir())


def test_a_large_message_is_written_in_chunks(tmp_path: Path) -> None:
    """A CRLF that is split between two chunks is one line end."""

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"Subject: x\r", b"\n\r\nHi\r\n", b"There\r\n"):
            yield chunk

    deliver(tmp_path / "{local}", Content(27, read=chunks), "bob@example.org")
    (file,) = (tmp_path / "bob" / "new").iterdir()
    assert file.read_bytes().endswith(b"Subject: x\n\nHi\nThere\n")


def test_file_and_folder_are_on_disk_before_it_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is synced before it gets its name in ``new``, and that folder after."""
    done: list[str] = []
    fsync, link = os.fsync, os.link
    monkeypatch.setattr(
        os,
        "fsync",
        lambda number: (
            done.append(str(Path(f"/proc/self/fd/{number}").readlink())),
            fsync(number),
        ),
    )
    monkeypatch.setattr(os, "link", lambda a, b: (done.append("link"), link(a, b)))
    deliver(tmp_path / "{local}", Content(2, b"\r\n"), "bob@example.org")
    place = done.index("link")
    assert "/tmp/" in done[place - 1]
    assert done[place + 1].endswith("/new")
    assert str(tmp_path) in done  # the name of the mailbox itself


def test_a_full_disk_is_a_deferral(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room is 452 4.3.1 for this recipient, and nothing half written stays."""

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    result = deliver(tmp_path / "{local}", Content(2, b"\r\n"), "bob@example.org")
    assert str(result.outcomes[0].reply).startswith("452 4.3.1")
    assert not list((tmp_path / "bob" / "tmp").iterdir())


@given(st.text(max_size=80), st.sampled_from(["example.org", "[192.0.2.1]", "bücher.example"]))
def test_no_address_leaves_the_folder(local: str, domain: str) -> None:
    """Whatever a local part holds, the path stays one folder below the template's."""
    path = mailbox_path(Path("/var/mail/{domain}/{local}"), Mailbox(local, domain))
    assert len(path.parts) == 5
    assert ".." not in path.parts
    assert not path.name.startswith(".")
    assert 0 < len(os.fsencode(path.name)) <= 255

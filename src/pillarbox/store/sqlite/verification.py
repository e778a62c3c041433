"""Checking a whole file."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import apsw

from pillarbox.findings import Finding, Level
from pillarbox.store.ids import show_id
from pillarbox.store.port import MessageId
from pillarbox.store.statements import statements

__all__ = ["verify_file"]

_Execute = Callable[..., Any]  # rows are of the schema's types

SQL: Final = statements("pillarbox.store.sqlite", "verify.sql")


def verify_file(connection: apsw.Connection) -> tuple[Finding, ...]:
    """Check structure, references and checksums; return findings for what is wrong."""
    execute: _Execute = connection.execute
    return (*_structure(execute), *_references(execute), *_bodies(execute))


def _structure(execute: _Execute) -> Iterator[Finding]:
    for (result,) in execute(SQL["integrity_check"]):
        if result != "ok":
            yield Finding(
                level=Level.ERROR,
                code="PB-STORE-001",
                what=f"The file is damaged: {result}",
                why="Mail in the damaged part cannot be read, and may be lost.",
                fix="Stop the node and restore a copy.",
            )


def _references(execute: _Execute) -> Iterator[Finding]:
    for statement in ("recipients_without_message", "recipients_without_queue", "unknown_states"):
        for message, position in execute(SQL[statement]):
            yield Finding(
                level=Level.ERROR,
                code="PB-STORE-002",
                what=f"Recipient {position} of {show_id(message)}: {statement.replace('_', ' ')}.",
                why="It will never be delivered.",
                fix="Restore a copy, or send the message again.",
            )
    for (message,) in execute(SQL["messages_without_body"]):
        yield _damaged(message, "there is none")


def _bodies(execute: _Execute) -> Iterator[Finding]:
    for message, size, checksum, content in execute(SQL["bodies"]):
        if len(content) != size or zlib.crc32(content) != checksum:
            yield _damaged(message, "it does not match its checksum")
    for message, size, checksum in execute(SQL["large_messages"]):
        found, crc = 0, 0
        for (chunk,) in execute(SQL["chunks"], (message,)):
            found += len(chunk)
            crc = zlib.crc32(chunk, crc)
        if (found, crc) != (size, checksum):
            yield _damaged(message, "it does not match its checksum")


def _damaged(message: MessageId, reason: str) -> Finding:
    return Finding(
        level=Level.ERROR,
        code="PB-STORE-003",
        what=f"The body of {show_id(message)} is damaged: {reason}.",
        why="The message cannot be delivered.",
        fix="Send the message again, and check the disk.",
    )

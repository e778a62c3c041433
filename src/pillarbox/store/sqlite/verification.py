"""Verifies a whole file."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import apsw

from pillarbox.findings import Finding
from pillarbox.store.statements import statements
from pillarbox.store.verification import body_damaged, lost_recipient, structure_damaged

__all__ = ["verify_file"]

_Execute = Callable[..., Any]  # rows are of the schema's types

SQL: Final = statements("pillarbox.store.sqlite", "verify.sql")


def verify_file(connection: apsw.Connection) -> tuple[Finding, ...]:
    """Check structure, references and checksums; return findings for what is wrong."""
    execute: _Execute = connection.execute
    findings: list[Finding] = []
    for check in (_structure(execute), _references(execute), _bodies(connection)):
        try:
            findings.extend(check)
        except apsw.CorruptError as error:
            findings.append(structure_damaged(str(error)))
    return tuple(findings)


def _structure(execute: _Execute) -> Iterator[Finding]:
    for (result,) in execute(SQL["integrity_check"]):
        if result != "ok":
            yield structure_damaged(result)


def _references(execute: _Execute) -> Iterator[Finding]:
    for check in ("recipients_without_message", "recipients_without_queue", "unknown_states"):
        for message, position in execute(SQL[check]):
            yield lost_recipient(message, position, check)
    for (message,) in execute(SQL["messages_without_body"]):
        yield body_damaged(message)


def _bodies(connection: apsw.Connection) -> Iterator[Finding]:
    bodies: Any = connection.cursor()
    for message, size, checksum, content in bodies.execute(SQL["bodies"]):
        if (len(content), zlib.crc32(content)) != (size, checksum):
            yield body_damaged(message)
    for message, size, checksum in bodies.execute(SQL["large_messages"]):
        found, crc = 0, 0
        chunks: Any = connection.cursor()
        for (chunk,) in chunks.execute(SQL["chunks"], (message,)):
            found += len(chunk)
            crc = zlib.crc32(chunk, crc)
        if (found, crc) != (size, checksum):
            yield body_damaged(message)

"""Verifies the whole database."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.store.postgres.link import Connection
from pillarbox.store.postgres.queries import SQL
from pillarbox.store.verification import body_damaged, lost_recipient

__all__ = ["verify_database"]

_PAGE: Final = 500  # bodies that are read at once
_CHECKS: Final = ("recipients_without_message", "recipients_without_queue", "unknown_states")


async def verify_database(connection: Connection) -> tuple[Finding, ...]:
    """Check settings, references and checksums; return findings for what is wrong."""
    findings: list[Finding] = []
    for setting in ("fsync", "full_page_writes"):
        if await connection.fetchval(SQL["show_setting"], setting) != "on":
            findings.append(
                Finding(
                    level=Level.WARNING,
                    code="PB-STORE-004",
                    what=f"PostgreSQL runs with {setting} = off.",
                    why="Accepted mail can be lost when its machine loses power.",
                    fix=f"Set {setting} = on in postgresql.conf and reload it.",
                )
            )
    for check in _CHECKS:
        for message, position in await connection.fetch(SQL[check]):
            findings.append(lost_recipient(message, position, check))
    async for finding in _bodies(connection):
        findings.append(finding)
    return tuple(findings)


async def _bodies(connection: Connection) -> AsyncIterator[Finding]:
    last = -1
    while rows := await connection.fetch(SQL["bodies"], last, _PAGE):
        for message, size, checksum, content in rows:
            last = message
            found = (len(content), zlib.crc32(content)) if content is not None else None
            if found is None:
                found = await _large(connection, message)
            if found != (size, checksum):
                yield body_damaged(message)


async def _large(connection: Connection, message: int) -> tuple[int, int]:
    size, crc, number = 0, 0, 0
    while chunk := await connection.fetchval(SQL["chunk"], message, number):
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
        number += 1
    return size, crc

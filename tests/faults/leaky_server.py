"""A server that says 250 before anything is written: the ledger must find what it loses.

Run as ``leaky_server.py ADDRESS PORT NEXT-ADDRESS NEXT-PORT``. Positive control only.
"""

from __future__ import annotations

import asyncio
import sys

_DELAY = 0.3  # seconds for which an acknowledged message exists in memory only


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 leaky.example\r\n")
    while line := await reader.readline():
        if line.startswith(b"DATA"):
            writer.write(b"354 go on\r\n")
            content = await reader.readuntil(b"\r\n.\r\n")
            _forwards.add(asyncio.create_task(_forward(content)))
        writer.write(b"250 ok\r\n")
        await writer.drain()
    writer.close()


async def _forward(content: bytes) -> None:
    await asyncio.sleep(_DELAY)
    reader, writer = await asyncio.open_connection(sys.argv[3], int(sys.argv[4]))
    for octets in (
        b"EHLO leaky.example\r\n",
        b"MAIL FROM:<a@ledger.example>\r\n",
        b"RCPT TO:<b@ledger.example>\r\n",
        b"DATA\r\n",
        content,
        b"QUIT\r\n",
    ):
        writer.write(octets)
        while (await reader.readline())[3:4] == b"-":
            pass
    await reader.read()
    writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, sys.argv[1], int(sys.argv[2]), limit=1 << 26)
    await server.serve_forever()


_forwards: set[asyncio.Task[None]] = set()
asyncio.run(_main())

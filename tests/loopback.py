"""Addresses and ports that no other test uses.

All of 127.0.0.0/8 is this machine, so every server gets an address of its own and may
listen on whatever port it likes; nothing has to be guessed, whatever runs beside it.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import time

_made = itertools.count(1)


def own_address() -> str:
    """Return an address on loopback that this call alone has been given."""
    # 16 bits of the process id and 7 of a counter; 127.0.x.y is left to everybody else.
    number = next(_made) % 128
    return f"127.{128 + number}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"


async def wait_for_greeting(address: str, port: int, *, seconds: float = 20.0) -> None:
    """Return as soon as a server at the address greets as SMTP does.

    Raises:
        TimeoutError: It did not within ``seconds``.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if await asyncio.to_thread(greets, address, port):
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(f"no SMTP server at {address}:{port} after {seconds:.0f} s")


def greets(address: str, port: int) -> bool:
    """Whether a server at the address sends a 220 now."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            is_there = connection.recv(512).startswith(b"220")
            connection.sendall(b"QUIT\r\n")
            return is_there
    except OSError:
        return False

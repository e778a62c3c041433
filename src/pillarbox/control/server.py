"""The control socket of a running node: a Unix socket that only its user can open.

Guarantees: the node survives any input. A line that is not a request is answered with a ``Failure``
and ends its connection; lines, connections and idle time are bounded; a client that does not read
its answer blocks only itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from pillarbox.control import protocol as p
from pillarbox.control.operations import Operations
from pillarbox.errors import PermanentError, PillarboxError, TemporaryError

__all__ = ["ControlServer"]

_MAX_CONNECTIONS: Final = 32
_IDLE_SECONDS: Final = 60.0
_SEND_SECONDS: Final = 60.0
_LONGEST_PATH: Final = 107  # octets in sun_path without its end


class ControlServer:
    """Answers requests on a Unix socket by running ``Operations``."""

    def __init__(
        self, path: Path, operations: Operations, on_defect: Callable[[BaseException], None]
    ) -> None:
        """Serve at ``path``; a defect in an operation is reported to ``on_defect``."""
        self._path = path
        self._operations = operations
        self._on_defect = on_defect
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bind the socket with mode 0600, replacing one left by a dead node.

        Raises:
            PermanentError: Another node answers there, or the path cannot be used.
        """
        _clear(self._path)
        # The mode must be right from the first moment, not only after a chmod.
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)
        try:
            listener.bind(os.fspath(self._path))
        except OSError as error:
            listener.close()
            raise PermanentError(f"the control socket {self._path}: {error.strerror}") from None
        finally:
            os.umask(before)
        self._server = await asyncio.start_unix_server(
            self._connected, sock=listener, limit=p.MAX_LINE
        )

    async def stop(self) -> None:
        """Close the socket and its connections. Safe to call twice."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        # The request that stops the node runs in one of these.
        others = self._connections - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            if len(self._connections) > _MAX_CONNECTIONS:
                await _send(
                    writer, p.Failure(text="too many control connections", is_temporary=True)
                )
                return
            while await self._serve_one(reader, writer):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it disconnected or idled, or the node is stopping: nobody is left to be told
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return whether the connection continues."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                line = await reader.readuntil(b"\n")
            request = p.decode_request(line)
        except asyncio.IncompleteReadError:
            return False
        except asyncio.LimitOverrunError:
            await _send(writer, p.Failure(text=f"a request has at most {p.MAX_LINE} octets"))
            return False
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            await _send(writer, p.Failure(text=f"not a request: {error}"))
            return False
        await self._answer(request, writer)
        return True

    async def _answer(self, request: p.Request, writer: asyncio.StreamWriter) -> None:
        count = 0
        try:
            async for row in self._operations.run(request):
                await _send(writer, row)
                count += 1
        except PillarboxError as error:
            is_temporary = isinstance(error, TemporaryError)
            failure = p.Failure(text=str(error), is_temporary=is_temporary, count=count)
            await _send(writer, failure)
        except (OSError, TimeoutError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect in an operation must not stop the node
            self._on_defect(error)
            failure = p.Failure(text="pillarbox has a defect here; the node's log has more")
            await _send(writer, failure)


async def _send(writer: asyncio.StreamWriter, row: p.Row) -> None:
    writer.write(p.encode(row) + b"\n")
    async with asyncio.timeout(_SEND_SECONDS):
        await writer.drain()


def _clear(path: Path) -> None:
    """Remove the socket of a dead node.

    Raises:
        PermanentError: It is alive, or is not a socket, or the path is too long for one.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise PermanentError(
            f"the control socket's path {path} has more than {_LONGEST_PATH} octets; "
            "set control.socket to a shorter one"
        )
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise PermanentError(f"the control socket {path}: {error.strerror}") from None
    if not stat.S_ISSOCK(mode):
        raise PermanentError(f"{path} is in the way of the control socket, and is not one")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise PermanentError(f"another node answers at the control socket {path}")

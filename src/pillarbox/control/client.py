"""The client of the control socket, for the command line: plain blocking calls."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from pillarbox.control import protocol as p
from pillarbox.errors import PermanentError, TemporaryError

__all__ = ["ControlClient", "NodeNotRunning"]


class NodeNotRunning(PermanentError):  # noqa: N818 - reads as what it says
    """Nobody answers at the control socket."""


class ControlClient:
    """A connection to a running node."""

    def __init__(self, path: Path, seconds: float = 3600.0) -> None:
        """Connect.

        Args:
            path: The node's control socket.
            seconds: How long to wait for a row; a copy of a large store takes long.

        Raises:
            NodeNotRunning: There is no socket, or nothing listens on it.
            PermanentError: The socket belongs to another user.
        """
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(seconds)
        try:
            self._socket.connect(os.fspath(path))
        except (FileNotFoundError, ConnectionRefusedError):
            self._socket.close()
            raise NodeNotRunning(f"no node answers at {path}") from None
        except PermissionError:
            self._socket.close()
            raise PermanentError(
                f"you may not use the control socket {path}; run this as the node's user or as root"
            ) from None
        except OSError as error:
            self._socket.close()
            raise PermanentError(f"the control socket {path}: {error}") from None
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def run(self, request: p.Request) -> Iterator[p.Row]:
        """Send a request; yield the rows of the answer, ``Done`` as the last.

        Raises:
            PermanentError: The node says that it cannot be done.
            TemporaryError: The node says that it cannot be done now, or the connection was lost.
        """
        try:
            self._socket.sendall(p.encode(request) + b"\n")
            for line in self._file:
                row = p.decode_row(line)
                if isinstance(row, p.Failure):
                    raise (TemporaryError if row.is_temporary else PermanentError)(row.text)
                yield row
                if isinstance(row, p.Done):
                    return
        except OSError as error:
            raise TemporaryError(f"the node went away: {error}") from None
        except msgspec.MsgspecError as error:
            raise PermanentError(f"the node's answer cannot be read: {error}") from None
        raise TemporaryError("the node went away before its answer was complete")

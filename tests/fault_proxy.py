"""Somebody in the path between two mail servers, who reads, changes and takes part.

The connection onward comes from the client's own address, so that the server behind sees no
difference: SPF and everything that goes by addresses works as without the proxy.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

_SECONDS = 10.0


class Fault(Enum):
    """What is done to a session."""

    NONE = auto()  # it passes as it is
    STRIP = auto()  # STARTTLS vanishes from the reply to EHLO
    REFUSE = auto()  # STARTTLS is answered with 454
    GARBLE = auto()  # the handshake is answered with nonsense
    IMPERSONATE = auto()  # TLS ends here, with a certificate of our own


@dataclass(slots=True)
class FaultProxy:
    """A proxy for SMTP that does to a session what ``fault`` says at its start."""

    upstream: tuple[str, int]
    impostor: ssl.SSLContext
    fault: Fault = Fault.NONE
    overheard: list[bytes] = field(default_factory=list)  # all that clients said in the clear
    _sockets: list[socket.socket] = field(default_factory=list)

    def serve(self, listening: socket.socket) -> None:
        """Take connections until the socket is closed."""
        while True:
            try:
                client, (address, _) = listening.accept()
            except OSError:
                return
            self._sockets.append(client)
            run = threading.Thread(target=self._session, args=(client, address), daemon=True)
            run.start()

    def close(self) -> None:
        """End all sessions."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _session(self, client: socket.socket, address: str) -> None:
        with contextlib.suppress(OSError):
            server = socket.create_connection(
                self.upstream, timeout=_SECONDS, source_address=(address, 0)
            )
            self._sockets.append(server)
            back = threading.Thread(
                target=self._pump, args=(server, client, self.fault is Fault.STRIP), daemon=True
            )
            back.start()
            self._listen(client, server, self.fault)

    def _listen(self, client: socket.socket, server: socket.socket, fault: Fault) -> None:
        is_clear = True
        while octets := client.recv(65_536):
            if is_clear:
                self.overheard.append(octets)
                is_clear = octets.upper() != b"STARTTLS\r\n"
                if not is_clear and self._interfere(client, fault):
                    return
            server.sendall(octets)
        server.shutdown(socket.SHUT_WR)

    def _interfere(self, client: socket.socket, fault: Fault) -> bool:
        """Answer STARTTLS in the server's place; return whether the session is over."""
        if fault in {Fault.NONE, Fault.STRIP}:
            return False
        if fault is Fault.REFUSE:
            client.sendall(b"454 4.7.0 TLS is not available\r\n")
        elif fault is Fault.GARBLE:
            client.sendall(b"220 go ahead\r\n")
            client.recv(65_536)
            client.sendall(b"this is not TLS\r\n")
        else:
            client.sendall(b"220 go ahead\r\n")
            with self.impostor.wrap_socket(client, server_side=True) as inside:
                while octets := inside.recv(65_536):
                    self.overheard.append(octets)
            return True
        while octets := client.recv(65_536):
            self.overheard.append(octets)
        client.shutdown(socket.SHUT_RDWR)
        return True

    def _pump(self, server: socket.socket, client: socket.socket, is_stripping: bool) -> None:
        with contextlib.suppress(OSError):
            while octets := server.recv(65_536):
                if is_stripping:  # as boxes in the path really do it
                    octets = octets.replace(b"STARTTLS", b"XXXXXXXX")
                client.sendall(octets)
            client.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def fault_proxy(
    address: tuple[str, int], upstream: tuple[str, int], impostor: ssl.SSLContext
) -> Iterator[FaultProxy]:
    """Run a proxy while the block lasts.

    Args:
        address: Where it listens.
        upstream: Where sessions go on to.
        impostor: The TLS that it would show instead of the server's.
    """
    proxy = FaultProxy(upstream, impostor)
    with socket.create_server(address) as listening:
        accepting = threading.Thread(target=proxy.serve, args=(listening,))
        accepting.start()
        try:
            yield proxy
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            proxy.close()
            accepting.join(_SECONDS)

"""Answers to an authority's challenges: a page on port 80 (http-01), or a DNS record (dns-01)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, Protocol

from pillarbox.errors import TemporaryError
from pillarbox.net.pages import Page

__all__ = ["DnsHook", "HttpPages", "Proof"]

_PREFIX: Final = "/.well-known/acme-challenge/"
_HOOK_PATIENCE: Final = 300.0  # seconds; a zone may take its time to be published


class Proof(Protocol):
    """Publishes a challenge response, and removes it again; called in a thread."""

    def show(self, name: str, place: str, value: str) -> None:
        """Publish ``value`` for the authority.

        Args:
            name: The name to be certified.
            place: The token of an http-01 page, or the whole name of a dns-01 record.
            value: The expected value.

        Raises:
            TemporaryError: It cannot be published.
        """
        ...

    def take_away(self, name: str, place: str, value: str) -> None:
        """Remove it; failures do not matter."""
        ...


class HttpPages:
    """The pages of http-01 (RFC 8555 §8.3), for a ``PageServer``."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._values: dict[str, bytes] = {}

    def show(self, name: str, place: str, value: str) -> None:
        """Publish the page of a token, for any host."""
        del name
        self._values[place] = value.encode("ascii")

    def take_away(self, name: str, place: str, value: str) -> None:
        """Remove the page."""
        del name, value
        self._values.pop(place, None)

    def page(self, host: str, path: str) -> Page | None:
        """Find a page."""
        del host
        value = self._values.get(path.removeprefix(_PREFIX)) if path.startswith(_PREFIX) else None
        return None if value is None else Page(value, "application/octet-stream")


class DnsHook:
    """The records of dns-01 (RFC 8555 §8.4), written by a program of the operator's."""

    def __init__(self, program: Path) -> None:
        """Call this program."""
        self._program = program

    def show(self, name: str, place: str, value: str) -> None:
        """Publish the record.

        Raises:
            TemporaryError: The program failed, or took more than five minutes.
        """
        del name
        try:
            self._call("set", place, value)
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout or "").strip()[:500]
            status = error.returncode
            raise TemporaryError(f"{self._program} set {place}: exit {status}: {said}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TemporaryError(f"{self._program} set {place}: {error}") from error

    def take_away(self, name: str, place: str, value: str) -> None:
        """Remove the record."""
        del name
        try:
            self._call("clear", place, value)
        except (OSError, subprocess.SubprocessError):
            return  # a leftover record is harmless

    def _call(self, action: str, place: str, value: str) -> None:
        subprocess.run(  # noqa: S603 - the operator names the program; no shell is in between
            [self._program, action, place, value],
            check=True,
            capture_output=True,
            text=True,
            timeout=_HOOK_PATIENCE,
        )

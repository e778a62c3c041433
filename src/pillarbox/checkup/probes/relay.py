"""Asks one's own server to relay, in every known form, without sending a message.

Only for a host of one's own: against others it is an attack. Each form is tried with a null, a
foreign and a forged sender; a server that ends sessions after errors is dialed again. All within
one deadline: a form that was not reached counts as not asked.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

from pillarbox.checkup.facts.smtp import Failure, RelayFacts, RelayShot, Target
from pillarbox.checkup.probes.wire import StageFailed, Wire
from pillarbox.checkup.reach import kind_of
from pillarbox.policy.relay_forms import Scene, recipient_forms, sender_forms

__all__ = ["OUTSIDE", "ask_for_relay", "is_own"]

OUTSIDE: Final = "relay-proof.invalid"
"""A domain that is nobody's (RFC 6761 §6.4)."""

_GREETING: Final = 220
_CLOSING: Final = 421
_CONNECTIONS: Final = 200
_SENDERS: Final = 3  # the null, a foreign and a forged one; `relay prove` has the rest
_TAKEN: Final = 2
_REFUSED: Final = 5


def is_own(address: str) -> bool:
    """Whether an address is of this machine, or of this network."""
    if kind_of(address) in {"loopback", "private", "link-local"}:
        return True
    family = socket.AF_INET6 if ip_address(address).version == 6 else socket.AF_INET  # noqa: PLR2004
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


async def ask_for_relay(
    target: Target, domain: str, hello: str, *, seconds: float = 20.0
) -> RelayFacts:
    """Return which forms were taken.

    Args:
        target: A listener in the clear or with STARTTLS, of a host of one's own.
        domain: One that the server takes mail for.
        hello: The name in EHLO.
        seconds: For everything.
    """
    scene = Scene(local=domain, outside=OUTSIDE, host=target.host, address=target.address)
    shots = list(_shots(scene))
    asking = _Asking(target, hello)
    with suppress(TimeoutError, OSError):
        async with asyncio.timeout(seconds):
            for shot in shots:
                await asking.fire(shot)
    await asking.close()
    return RelayFacts(
        target=target,
        asked=asking.asked,
        of=len(shots),
        taken=tuple(asking.taken),
        unclear=asking.unclear,
    )


def _shots(scene: Scene) -> Iterator[RelayShot]:
    for form in recipient_forms(scene):
        for sender in sender_forms(scene)[:_SENDERS]:
            yield RelayShot(form.name, sender, form.path)


class _Asking:
    """The sessions with one server."""

    def __init__(self, target: Target, hello: str) -> None:
        self._target = target
        self._hello = hello
        self._wire: Wire | None = None
        self._left = _CONNECTIONS
        self.asked = 0
        self.unclear = 0
        self.taken: list[RelayShot] = []

    async def close(self) -> None:
        """End the session."""
        if self._wire is not None:
            await self._wire.close()
            self._wire = None

    async def fire(self, shot: RelayShot) -> None:
        """Ask once, anew where the server ends the session."""
        code = await self._try(shot)
        if code == _CLOSING:
            code = await self._try(shot)
        self.asked += 1
        if code // 100 == _TAKEN:
            self.taken.append(shot)
        elif code // 100 != _REFUSED:
            self.unclear += 1

    async def _try(self, shot: RelayShot) -> int:
        try:
            code = await self._code_of(shot)
        except (EOFError, StageFailed, ConnectionError):
            code = _CLOSING
        if code == _CLOSING:
            await self.close()
        return code

    async def _code_of(self, shot: RelayShot) -> int:
        wire = self._wire or await self._open()
        await wire.ask("RSET")
        # Also where MAIL is refused: a server that takes a recipient then is what we look for.
        reply = await wire.ask(f"MAIL FROM:{shot.sender}")
        if reply.code != _CLOSING:
            reply = await wire.ask(f"RCPT TO:{shot.recipient}")
        return reply.code

    async def _open(self) -> Wire:
        if not self._left:
            raise OSError("the server ends too many sessions")
        self._left -= 1
        self._wire = wire = await Wire.open(self._target.address, self._target.port, [])
        greeting = await wire.hear()
        if greeting.code != _GREETING:
            raise StageFailed(Failure.REPLIED, str(greeting), greeting)
        await wire.ask(f"EHLO {self._hello}")
        return wire

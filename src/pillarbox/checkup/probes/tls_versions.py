"""Which versions of TLS a server speaks: one handshake for each, which allows no other.

The versions are tried in turn, newest first. A version that was not reached in time, or that a
busy server left open, is unknown, and never reported as "not offered".
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
from contextlib import suppress
from typing import Final

from pillarbox.checkup.facts.smtp import Failure, Mode, Target, TlsVersion
from pillarbox.checkup.probes.wire import StageFailed, Wire, failure_of

__all__ = ["offered_versions"]

_VERSIONS: Final = {
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1": ssl.TLSVersion.TLSv1,
}
_OURS: Final = ("no protocols available", "no ciphers available")  # our OpenSSL cannot say it
_READY: Final = 220
_DONE: Final = 250
_ANSWERS: Final = frozenset({Failure.TLS, Failure.CLOSED, Failure.RESET})


async def offered_versions(
    target: Target, mode: Mode, hello: str, *, known: str, name: str | None, deadline: float
) -> tuple[TlsVersion, ...]:
    """Return each version with whether the server speaks it.

    Args:
        target: Where the server is.
        mode: How TLS begins there.
        hello: The name in EHLO.
        known: A version that it is known to speak.
        name: For SNI; None without one.
        deadline: Event loop's time; what is not known by then stays so.
    """
    found = {version: True if version == known else None for version in _VERSIONS}
    with suppress(TimeoutError):
        async with asyncio.timeout_at(deadline):
            for version in [one for one in found if one != known]:
                found[version] = await _speaks(target, mode, hello, _VERSIONS[version], name)
    return tuple(TlsVersion(*each) for each in found.items())


async def _speaks(
    target: Target, mode: Mode, hello: str, version: ssl.TLSVersion, name: str | None
) -> bool | None:
    """Return whether a handshake of just this version succeeds, None if that is not known."""
    try:
        wire = await Wire.open(target.address, target.port, [])
    except OSError:
        return None
    try:
        return await _shakes_hands(wire, mode, hello, version, name)
    finally:
        await wire.close()


async def _shakes_hands(
    wire: Wire, mode: Mode, hello: str, version: ssl.TLSVersion, name: str | None
) -> bool | None:
    try:
        if mode is Mode.PLAIN:
            await _come_to_tls(wire, hello)
    except (OSError, EOFError, StageFailed):
        return None
    try:
        await wire.secure(_context(version), name)
    except (OSError, EOFError) as error:
        failed = failure_of(error)
        is_ours = any(words in failed.detail for words in _OURS)
        return False if failed.failure in _ANSWERS and not is_ours else None
    with suppress(OSError):
        await wire.say("QUIT")
    return True


async def _come_to_tls(wire: Wire, hello: str) -> None:
    """Say what stands before the handshake.

    Raises:
        StageFailed: The server does not let us come so far this time.
    """
    for command, code in (("", _READY), (f"EHLO {hello}", _DONE), ("STARTTLS", _READY)):
        reply = await (wire.ask(command) if command else wire.hear())
        if reply.code != code:
            raise StageFailed(Failure.REPLIED, str(reply), reply)


def _context(version: ssl.TLSVersion) -> ssl.SSLContext:
    """Return a context that takes whatever there is, in one version; nothing is sent by it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():  # that a version is old is why it is asked for
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context

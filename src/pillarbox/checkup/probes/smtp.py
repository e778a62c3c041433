"""Probes an SMTP server stage by stage, without sending a message.

After a certificate that does not verify, or on a port that speaks the other TLS mode, the probe
starts over in a way that the server can follow, so that one fault does not hide the rest.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from pillarbox.checkup.facts.smtp import (
    Certificate,
    Failure,
    Mode,
    Probe,
    Stage,
    Step,
    Target,
)
from pillarbox.checkup.probes.tls_versions import offered_versions
from pillarbox.checkup.probes.wire import StageFailed, Wire, failure_of
from pillarbox.checkup.reach import is_address
from pillarbox.mailauth.certificate_names import names_match, names_of
from pillarbox.smtp.client_extensions import Extensions, read_extensions
from pillarbox.smtp.reply import Reply

__all__ = ["Patience", "ProbeOptions", "probe"]

_IMPLICIT_PORT: Final = 465
_READY: Final = 220
_DONE: Final = 250
_ATTEMPTS: Final = 4
_FAREWELL: Final = 1.0  # seconds
_LONG_SILENCE: Final = 2.0  # seconds
_PLAIN_SIGNS: Final = ("wrong version number", "packet length too long", "http request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How many seconds each stage may take."""

    connect: float = 8.0
    greeting: float = 12.0
    reply: float = 8.0
    tls: float = 8.0
    total: float = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """How to look."""

    hello: str = "check.invalid"
    sender: str = ""  # for MAIL, with ``recipients``; nothing is sent
    recipients: tuple[str, ...] = ()
    authorities: Path | None = None  # PEM file; None: those of the system
    expected: Mode | None = None  # how TLS has to begin; None: by the number of the port
    lists_versions: bool = False  # try each version of TLS, with a connection for each
    patience: Patience = Patience()


async def probe(target: Target, options: ProbeOptions) -> Probe:
    """Look at a server, and return what was seen; nothing is raised for what it does."""
    usual = Mode.IMPLICIT if target.port == _IMPLICIT_PORT else Mode.PLAIN
    expected = options.expected or usual
    attempt = _Attempt(target, options, expected, is_strict=True)
    seen = None
    deadline = asyncio.get_running_loop().time() + options.patience.total
    for _ in range(_ATTEMPTS):
        await attempt.run(deadline)
        seen = _better(seen, attempt.seen(expected))
        following = attempt.following(expected)
        if following is None:
            break
        attempt = following
    assert seen is not None  # noqa: S101 - there is one attempt at least
    if options.lists_versions and seen.tls_version:
        versions = await offered_versions(
            target,
            seen.mode,
            options.hello,
            known=seen.tls_version,
            name=None if is_address(target.host) else target.host,
            deadline=deadline,
        )
        seen = replace(seen, tls_versions=versions)
    return seen


def _better(before: Probe | None, now: Probe) -> Probe:
    """Return the attempt that says more: another mode only where it came to a session."""
    if before is None or now.has_spoken:
        return now
    return now if now.mode is before.mode else before


@dataclass(slots=True)
class _Heard:
    """The reply that a stage ended with."""

    reply: Reply | None = None


@dataclass(slots=True)
class _Attempt:
    """One connection."""

    target: Target
    options: ProbeOptions
    mode: Mode
    is_strict: bool
    problem: str = ""  # why the certificate did not verify in an attempt before
    strict_failure: str = ""  # why another attempt had to be more lenient
    steps: list[Step] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    greeting: Reply | None = None
    clear: Extensions | None = None
    secured: Extensions | None = None
    tls_version: str = ""
    cipher: str = ""
    certificate: Certificate | None = None
    _wire: Wire | None = None

    async def run(self, deadline: float) -> None:
        """Go through the stages until one fails."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._talk()
                await self._leave()
        except (StageFailed, TimeoutError):
            pass  # it is in the steps
        finally:
            if self._wire is not None:
                await self._wire.close()

    def seen(self, expected: Mode) -> Probe:
        """Return what was seen."""
        return Probe(
            target=self.target,
            mode=self.mode,
            expected=expected,
            steps=tuple(self.steps),
            greeting=self.greeting,
            clear=self.clear,
            secured=self.secured,
            tls_version=self.tls_version,
            cipher=self.cipher,
            certificate=self.certificate,
            strict_failure=self.strict_failure,
            lines=tuple(self.lines),
        )

    def following(self, expected: Mode) -> _Attempt | None:
        """Return the attempt that gets round what has failed, None if there is none."""
        failed = self.steps[-1] if self.steps else None
        if failed is None or failed.failure is None:
            return None
        is_first_mode = self.mode is expected
        if failed.stage is Stage.GREETING and _was_silent(failed):
            is_other = is_first_mode and self.mode is Mode.PLAIN
            return self._again(mode=Mode.IMPLICIT) if is_other else None
        if failed.stage is not Stage.TLS:
            return None
        is_plain = any(sign in failed.detail for sign in _PLAIN_SIGNS)
        if is_plain and self.mode is Mode.IMPLICIT and is_first_mode:
            return self._again(mode=Mode.PLAIN)
        if not self.is_strict or failed.failure is Failure.TIMED_OUT:
            return None
        lenient = self._again(is_strict=False)
        if failed.failure is Failure.UNTRUSTED:
            lenient.problem = failed.detail
        else:
            lenient.strict_failure = failed.detail or failed.failure.value
        return lenient

    def _again(self, *, mode: Mode | None = None, is_strict: bool = True) -> _Attempt:
        return _Attempt(self.target, self.options, mode or self.mode, is_strict=is_strict)

    async def _talk(self) -> None:
        patience = self.options.patience
        async with self._stage(Stage.CONNECT, patience.connect):
            self._wire = await Wire.open(self.target.address, self.target.port, self.lines)
        wire = self._wire
        if self.mode is Mode.IMPLICIT:
            await self._secure(wire)
        async with self._stage(Stage.GREETING, patience.greeting) as heard:
            heard.reply = self.greeting = await wire.hear()
            _expect(heard.reply, _READY)
        offered = await self._hello(wire, Stage.EHLO)
        if self.mode is Mode.IMPLICIT:
            self.secured = offered
        else:
            self.clear = offered
            if offered.starttls:
                await self._starttls(wire)
        await self._pipelining(wire)
        await self._envelope(wire)

    async def _starttls(self, wire: Wire) -> None:
        async with self._stage(Stage.STARTTLS, self.options.patience.reply) as heard:
            heard.reply = await wire.ask("STARTTLS")
            _expect(heard.reply, _READY)
        await self._secure(wire)
        self.secured = await self._hello(wire, Stage.SECURE_EHLO)

    async def _hello(self, wire: Wire, stage: Stage) -> Extensions:
        async with self._stage(stage, self.options.patience.reply) as heard:
            heard.reply = await wire.ask(f"EHLO {self.options.hello}")
            _expect(heard.reply, _DONE)
            return read_extensions(heard.reply)

    async def _secure(self, wire: Wire) -> None:
        name = None if is_address(self.target.host) else self.target.host
        async with self._stage(Stage.TLS, self.options.patience.tls):
            context = _strict(self.options.authorities) if self.is_strict else _lenient()
            await wire.secure(context, name)
        self.tls_version = wire.session.version() or ""
        self.cipher = (wire.session.cipher() or ("",))[0]
        self.certificate = _certificate(wire.chain, self.target.host, self.problem)

    async def _pipelining(self, wire: Wire) -> None:
        offered = self.secured or self.clear
        if offered is None or not offered.pipelining:
            return
        async with self._stage(Stage.PIPELINING, self.options.patience.reply) as heard:
            await wire.say("RSET", "RSET")  # RFC 2920 §3.1: one that may stand anywhere
            for _ in range(2):
                heard.reply = await wire.hear()
                _expect(heard.reply, _DONE)

    async def _envelope(self, wire: Wire) -> None:
        if not self.options.recipients:
            return
        patience = self.options.patience.reply
        async with self._stage(Stage.MAIL, patience) as heard:
            heard.reply = await wire.ask(f"MAIL FROM:<{self.options.sender}>")
            _expect(heard.reply, _DONE)
        for recipient in self.options.recipients:
            with suppress(StageFailed):
                async with self._stage(Stage.RCPT, patience) as heard:
                    heard.reply = await wire.ask(f"RCPT TO:<{recipient}>")
                    _expect(heard.reply, _DONE, 251)

    @asynccontextmanager
    async def _stage(self, stage: Stage, patience: float) -> AsyncIterator[_Heard]:
        """Time a stage, and write down what came of it.

        Raises:
            StageFailed: It failed.
        """
        clock = asyncio.get_running_loop().time
        begin, heard = clock(), _Heard()

        def step(failed: StageFailed | None) -> Step:
            return Step(
                stage=stage,
                seconds=clock() - begin,
                failure=failed.failure if failed else None,
                detail=failed.detail if failed else "",
                reply=heard.reply,
            )

        try:
            async with asyncio.timeout(patience):
                yield heard
        except (OSError, EOFError, StageFailed) as error:
            failed = failure_of(error)
            self.steps.append(step(failed))
            raise failed from error
        except asyncio.CancelledError:  # the time for everything is over
            self.steps.append(step(StageFailed(Failure.TIMED_OUT)))
            raise
        self.steps.append(step(None))

    async def _leave(self) -> None:
        if self._wire is not None:
            with suppress(TimeoutError, OSError, EOFError, StageFailed):
                async with asyncio.timeout(_FAREWELL):
                    await self._wire.ask("QUIT")


def _was_silent(failed: Step) -> bool:
    """Whether a server said nothing for long, as one does that waits for a TLS handshake."""
    if failed.failure is Failure.CLOSED:  # when it had waited enough; who refuses closes at once
        return failed.seconds >= _LONG_SILENCE
    return failed.failure is Failure.TIMED_OUT


def _expect(reply: Reply, *codes: int) -> None:
    """Go on.

    Raises:
        StageFailed: The reply has another code.
    """
    if reply.code not in codes:
        raise StageFailed(Failure.REPLIED, str(reply), reply)


def _strict(authorities: Path | None) -> ssl.SSLContext:
    """Return the context of a careful client; the name is judged apart from the chain."""
    context = ssl.create_default_context(cafile=authorities)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _lenient() -> ssl.SSLContext:
    """Return a context that takes whatever there is, to see what it is; nothing is sent by it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def _certificate(chain: tuple[bytes, ...], host: str, problem: str) -> Certificate | None:
    try:
        shown = [x509.load_der_x509_certificate(der) for der in chain]
    except ValueError:
        return None
    if not shown:
        return None
    own = shown[0]
    return Certificate(
        names=names_of(own),
        fits=is_address(host) or names_match(own, (host,)),
        issuer=_issuer(own),
        not_before=own.not_valid_before_utc.timestamp(),
        not_after=own.not_valid_after_utc.timestamp(),
        is_self_signed=own.issuer == own.subject,
        count=len(shown),
        problem=problem,
        chain=chain,
    )


def _issuer(certificate: x509.Certificate) -> str:
    for kind in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME):
        for attribute in certificate.issuer.get_attributes_for_oid(kind):
            return str(attribute.value)
    return "nobody named"

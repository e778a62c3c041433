"""Tries to log in with each mechanism that a server offers, once each.

The server is probed first: where its certificate does not verify, no password is sent. A server
that defers the client, or that counts failures, is left alone: the rest is not tried.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from pillarbox.checkup.catalog.logins import form_of, hints
from pillarbox.checkup.facts.login import LoginFacts, LoginTry
from pillarbox.checkup.facts.smtp import Mode, Probe
from pillarbox.checkup.probes.host import ServerQuestion, ask_server
from pillarbox.checkup.probes.smtp import Patience, ProbeOptions
from pillarbox.checkup.rules.smtp import judge_server
from pillarbox.checkup.time_limit import NOT_WAITED_FOR, TimeLimit
from pillarbox.config.settings import DeliverySettings, TlsMode
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.channel import OpenFailed
from pillarbox.net.dialer import SocketDialer
from pillarbox.net.endpoint import ChannelOptions, Endpoint
from pillarbox.net.opening import open_channel
from pillarbox.net.tls import TlsContexts
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.sasl.registry import MECHANISMS, Secret

__all__ = ["LoginQuestion", "ask_login"]

_PORTS: Final = (465, 587, 2525)  # where the provider is not known
_MOST_PORTS: Final = 4
_SECONDS: Final = 30.0
_SHARE_OF_PORTS: Final = 0.6  # of the whole time
_PATIENCE: Final = DeliverySettings(
    connect_timeout=8.0, greeting_timeout=12.0, command_timeout=12.0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginQuestion:
    """Whose login is tried, and where."""

    host: str
    ports: tuple[int, ...] = ()  # () for those of submission
    user: str
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    mechanisms: tuple[str, ...] = ()  # () for all that are offered
    authorities: Path | None = None
    expected: Mode | None = None  # how TLS begins; None: by the port
    takes_any_certificate: bool = False
    hello: str = "check.invalid"
    now: float = 0.0


@dataclass(frozen=True, slots=True)
class _FixedToken:
    """A token that was given."""

    token: str = field(repr=False)

    async def current(self) -> str:
        return self.token

    def refused(self) -> None:
        """There is no other."""


class _AnyCertificate(TlsContexts):
    """Contexts of who takes any certificate where it should verify, because he says so."""

    def verified(self, authorities: Path | None = None) -> ssl.SSLContext:
        """Return the context that takes any certificate."""
        del authorities
        return self.opportunistic()


@dataclass(slots=True)
class _OneDialer:
    """Dials once, and ends that connection however it stands: a test leaves nothing open."""

    transports: list[asyncio.Transport] = field(default_factory=list)

    async def connect(
        self,
        factory: Callable[[], asyncio.Protocol],
        address: str,
        port: int,
        *,
        source: str = "",
        timeout: float,  # noqa: ASYNC109 - a port's argument
    ) -> asyncio.Transport:
        """Open a connection.

        Raises:
            DialError: It cannot be opened.
        """
        opened = await SocketDialer().connect(
            factory, address, port, source=source, timeout=timeout
        )
        self.transports.append(opened)
        return opened

    async def close(self) -> None:
        """End it at once."""
        for transport in self.transports:
            transport.abort()
        await asyncio.sleep(0)  # the loop lets go of the socket in its next turn


async def ask_login(
    question: LoginQuestion,
    resolver: Resolver,
    *,
    limit: TimeLimit | None = None,
    on_done: Callable[[str], None] = lambda _: None,
) -> LoginFacts:
    """Return what came of each mechanism.

    Args:
        question: Whose login, and where.
        resolver: Asks DNS for the addresses.
        limit: When to end with what is known; without one, after half a minute.
        on_done: Is told each port and mechanism that has ended.
    """
    limit = limit or TimeLimit(_SECONDS)
    options = ProbeOptions(
        hello=question.hello,
        authorities=question.authorities,
        expected=question.expected,
        # A port that is mute must not eat up the time for the logins at the others.
        patience=Patience(total=min(Patience().total, limit.left * _SHARE_OF_PORTS)),
    )
    form = form_of(question.host)
    usual = form.ports[:_MOST_PORTS] if form is not None else _PORTS
    asked = ServerQuestion(host=question.host, ports=question.ports or usual, now=question.now)
    server = await ask_server(asked, resolver, options, limit=limit, on_done=on_done)
    # Which ports are the usual ones decides what is blamed, not which were asked.
    report = judge_server(replace(server, ports_were_named=bool(question.ports)))
    found = LoginFacts(
        host=question.host,
        user=question.user,
        has_token=bool(question.token),
        server=report,
        probe=_chosen(server.probes, report.port, question),
        form=form,
        hints=() if question.token else tuple(hints(question.user, question.password, form)),
        tries=(),
    )
    return await _with_tries(found, question, limit, on_done)


def _chosen(probes: tuple[Probe, ...], port: int | None, question: LoginQuestion) -> Probe | None:
    """Return the session to log in as, None if no port is fit to show a password to."""
    spoken = [one for one in probes if one.has_spoken]
    wanted = [one for one in spoken if one.target.port == port]
    if not wanted:
        wanted = [
            one
            for one in spoken
            if _is_local(one) or (question.takes_any_certificate and one.secured is not None)
        ]
    with_login = [one for one in wanted if one.offered is not None and one.offered.auth]
    return next(iter(with_login or wanted), None)


def _is_local(probe: Probe) -> bool:
    """Whether a session in the clear is one with this very machine, which was asked for."""
    target = probe.target
    is_named = target.host in {target.address, "localhost"}
    return is_named and ip_address(target.address).is_loopback and probe.secured is None


async def _with_tries(
    found: LoginFacts,
    question: LoginQuestion,
    limit: TimeLimit,
    on_done: Callable[[str], None],
) -> LoginFacts:
    if found.probe is None or not (question.token or question.password):
        return found
    wanted = Secret.TOKEN if question.token else Secret.PASSWORD
    names = [
        name
        for name, mechanism in MECHANISMS.items()
        if name in found.offered
        and mechanism.secret is wanted
        and (not question.mechanisms or name in question.mechanisms)
    ]
    clock = asyncio.get_running_loop().time
    tries: list[LoginTry] = []
    for name in names:
        if limit.left <= 0:
            break
        begin = clock()
        tried = await limit.result(_try(name, found.probe, question))
        tries.append(tried or _unanswered(name, clock() - begin))
        on_done(name)
        if tries[-1].is_open:
            break
    left = tuple(name for name in names if name not in {one.mechanism for one in tries})
    return replace(found, tries=tuple(tries), left_out=left)


def _unanswered(mechanism: str, seconds: float) -> LoginTry:
    return LoginTry(mechanism=mechanism, seconds=seconds, is_accepted=False, reason=NOT_WAITED_FOR)


async def _try(mechanism: str, probe: Probe, question: LoginQuestion) -> LoginTry:
    target = probe.target
    options = ChannelOptions(
        hello_name=question.hello,
        tls=_tls(probe),
        tls_ca=question.authorities,
        user=question.user,
        password="" if question.token else question.password,
        token=_FixedToken(question.token) if question.token else None,
        mechanisms=frozenset({mechanism}),
        auth_in_clear=_is_local(probe),
        timeouts=_PATIENCE,
    )
    clock = asyncio.get_running_loop().time
    begin, dialer = clock(), _OneDialer()
    try:
        endpoint = Endpoint(target.host, target.address, target.port)
        contexts = _AnyCertificate() if question.takes_any_certificate else TlsContexts()
        channel = await open_channel(endpoint, options, dialer, contexts)
        seconds = clock() - begin
        await channel.quit()
    except OpenFailed as failed:
        return LoginTry(
            mechanism=mechanism,
            seconds=clock() - begin,
            is_accepted=False,
            stage=failed.stage,
            reply=failed.reply,
            reason=failed.reason,
        )
    finally:
        await dialer.close()
    return LoginTry(mechanism=mechanism, seconds=seconds, is_accepted=True, stage=Stage.AUTH)


def _tls(probe: Probe) -> TlsMode:
    if probe.mode is Mode.IMPLICIT:
        return TlsMode.IMPLICIT
    return TlsMode.NONE if probe.secured is None else TlsMode.STARTTLS

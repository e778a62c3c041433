"""All listeners of a node: started, reloaded and stopped together."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from socket import socket
from typing import Final

from pillarbox.access.assembly import AccessControl, build_access
from pillarbox.access.failures import FailureBook
from pillarbox.access.node_key import NodeKey
from pillarbox.clock import Clock
from pillarbox.config.relay import relay_policy
from pillarbox.config.settings import (
    ListenerKind,
    ListenerSettings,
    Settings,
)
from pillarbox.errors import PermanentError
from pillarbox.events.types import ListenerStarted, Sink
from pillarbox.intake.door import Door
from pillarbox.policy.networks import TrustedNetworks
from pillarbox.policy.recipients import LocalDomains
from pillarbox.policy.relay import RelayPolicy
from pillarbox.receive.allowance import Rates
from pillarbox.receive.binding import Sockets, bind_listeners, show_address
from pillarbox.receive.catching import Catching
from pillarbox.receive.certificate import CertificateFiles
from pillarbox.receive.certificates import (
    certificate_files,
    has_implicit_tls,
    has_tls,
    tls_profile,
)
from pillarbox.receive.checks import NO_CHECKS, Checks
from pillarbox.receive.guesses import Guesses
from pillarbox.receive.harvest import Harvest
from pillarbox.receive.listener import Listener
from pillarbox.receive.misbehavior import Misbehavior
from pillarbox.receive.service import Service
from pillarbox.receive.tls import ServerTls
from pillarbox.smtp.server import ServerOptions

__all__ = ["AccessOf", "ChecksOf", "RatesOf", "Receiver"]

AccessOf = Callable[[Settings], AccessControl]
"""Makes who judges logins, in a configuration."""

ChecksOf = Callable[[Settings, str], Checks]
"""Makes the checks of a listener, by its name, in a configuration."""

RatesOf = Callable[[Settings], Rates | None]
"""Makes the rates of a configuration; None where there are none."""

_NONCE_OCTETS: Final = 18
_DIGITS: Final = "0123456789abcdefghjkmnpqrstvwxyz"


class Receiver:
    """The listeners of a node."""

    def __init__(
        self,
        settings: Settings,
        *,
        hostname: str,
        domains: LocalDomains,
        door: Door,
        clock: Clock,
        sink: Sink,
        sockets: Sockets | None = None,
        checks: ChecksOf | None = None,
        access: AccessOf | None = None,
        guesses: Guesses | None = None,
        rates: RatesOf | None = None,
        failing: Misbehavior | None = None,
        catching: Catching | None = None,
    ) -> None:
        """Prepare everything that can fail: certificates, users, and the sockets.

        Args:
            settings: The configuration.
            hostname: The name we greet with.
            domains: Whom we take mail for.
            door: Where messages go.
            clock: The time.
            sink: Hears what happens.
            sockets: Bound sockets of each listener (``bind_listeners``); None: bind them.
            checks: Makes the checks of a listener; None: there are none.
            access: Makes who judges logins; None: sources that need no store.
            guesses: Counts failed logins; None: they are forgotten at the end.
            rates: Makes what clients may send; None: there is no limit.
            failing: Says when the listeners fail on purpose; None: never.
            catching: The other end of listeners of the kind ``sandbox``; None: there are none.

        Raises:
            PermanentError: A file cannot be used, or an address cannot be bound.
        """
        self._hostname = hostname
        self._door = door
        self._clock = clock
        self._sink = sink
        self._checks = checks
        self.guesses = guesses or Guesses(key=secrets.token_bytes(32), sink=sink)
        self._harvest = Harvest()
        self._make_rates = rates
        self._failing = failing
        self._catching = catching
        self.failures = FailureBook()
        self._make_access = access or partial(_access_without_store, now=clock.now)
        self.access = self._make_access(settings)
        self._session_ids = _session_ids(clock.now())
        services = self._services(settings, domains, self.access)
        bound = bind_listeners(settings.listener) if sockets is None else sockets
        self._use(settings)
        self._gone: list[Listener] = []  # not listening any more; their sessions may go on
        self._listeners = {
            name: Listener(service, bound.get(name, ())) for name, service in services.items()
        }

    @property
    def addresses(self) -> Mapping[str, tuple[tuple[str, int], ...]]:
        """The addresses that each listener is bound to, as host and port."""
        return {
            name: tuple(sock.getsockname()[:2] for sock in listener.sockets)
            for name, listener in self._listeners.items()
        }

    @property
    def connections(self) -> Mapping[str, int]:
        """How many connections each listener has."""
        return {name: len(listener.sessions) for name, listener in self._listeners.items()}

    def start(self) -> None:
        """Accept from now on."""
        for listener in self._listeners.values():
            self._start(listener)

    def _start(self, listener: Listener) -> None:
        listener.start()
        for sock in listener.sockets:
            self._sink(
                ListenerStarted(
                    at=self._clock.now(),
                    listener=listener.service.name,
                    kind=listener.service.kind.value,
                    address=show_address(sock),
                )
            )

    def reload(self, settings: Settings, domains: LocalDomains) -> None:
        """Go on with a new configuration, and read certificates and users again.

        Sessions that are open keep the old one. Addresses that stay keep their sockets, in
        whatever listener; new ones are bound, and what is gone stops accepting.

        Raises:
            PermanentError: Something in it cannot be used; then nothing has changed.
        """
        access = self._make_access(settings)
        bound: Sockets = {}
        old = self._settings.listener
        try:
            services = self._services(settings, domains, access)
            moving = {
                name: each
                for name, each in settings.listener.items()
                if name not in old or old[name].bind != each.bind
            }
            bound = bind_listeners(moving, self._sockets_besides(settings.listener.keys() - moving))
        except PermanentError:
            access.close()
            raise
        self.access.close()
        self.access = access
        self._use(settings)
        self._replace_listeners(services, bound)

    def _sockets_besides(self, staying: Collection[str]) -> dict[str, socket]:
        """Return the sockets of the listeners that do not stay, by the addresses configured."""
        return {
            text: sock
            for name, listener in self._listeners.items()
            if name not in staying
            for text, sock in zip(self._settings.listener[name].bind, listener.sockets, strict=True)
            if not text.endswith(":0")  # each of those is a port of its own
        }

    def _use(self, settings: Settings) -> None:
        self._settings = settings
        self.guesses.use(settings.guessing)
        self._harvest.use(settings.harvesting)

    def _replace_listeners(self, services: Mapping[str, Service], bound: Sockets) -> None:
        for name, listener in tuple(self._listeners.items()):
            if name in services and name not in bound:
                listener.use(services[name])
            else:
                listener.stop_accepting()
                self._gone.append(self._listeners.pop(name))
        for name, sockets in bound.items():
            self._listeners[name] = Listener(services[name], sockets)
            self._start(self._listeners[name])

    async def stop(self, grace: float) -> None:
        """Accept no more, and end all sessions.

        Args:
            grace: Seconds for which a content that is coming in may go on.
        """
        listeners = (*self._listeners.values(), *self._gone)
        await asyncio.gather(*(listener.stop(grace) for listener in listeners))
        self.access.close()

    # --- what the settings mean ------------------------------------------------------

    def _services(
        self, settings: Settings, domains: LocalDomains, access: AccessControl
    ) -> dict[str, Service]:
        files = certificate_files(settings, self._hostname, self._clock.now())
        relay = relay_policy(settings, domains)
        rates = None if self._make_rates is None else self._make_rates(settings)
        return {
            name: self._service(name, listener, settings, relay, access, files, rates)
            for name, listener in settings.listener.items()
        }

    def _service(
        self,
        name: str,
        listener: ListenerSettings,
        settings: Settings,
        relay: RelayPolicy,
        access: AccessControl,
        files: Sequence[CertificateFiles],
        rates: Rates | None,
    ) -> Service:
        is_mx = listener.kind is ListenerKind.MX
        offers_auth = _default(listener.auth, not is_mx) and access.authenticator.has_users
        options = _options(listener, settings, self._hostname, offers_auth=offers_auth)
        service = Service(
            name=name,
            kind=listener.kind,
            hostname=self._hostname,
            limits=settings.limits,
            options=options,
            options_for_loopback=replace(options, auth_before_tls=listener.auth_without_tls),
            proxies=_networks(listener.proxies),
            banner_delay=listener.banner_delay if is_mx else 0.0,
            tls=ServerTls(files, tls_profile(listener, settings)) if has_tls(listener) else None,
            has_implicit_tls=has_implicit_tls(listener),
            door=self._door,
            relay=relay,
            access=access,
            failures=self.failures,
            guesses=self.guesses,
            harvest=self._harvest,
            clock=self._clock,
            monotonic=asyncio.get_running_loop().time,
            sink=self._sink,
            new_session_id=self._session_ids.__next__,
            projects=listener.projects,
            sandbox=listener.sandbox,
            rates=rates,
            failing=self._failing,
            checks=NO_CHECKS if self._checks is None else self._checks(settings, name),
        )
        if listener.kind is not ListenerKind.SANDBOX:
            return service
        if self._catching is None:
            raise PermanentError(f"listener.{name} catches mail, which needs a restart of the node")
        return self._catching.applied_to(service)


def _access_without_store(settings: Settings, now: Callable[[], float]) -> AccessControl:
    key = NodeKey(secrets.token_bytes(32), is_configured=False)
    return build_access(settings, directory=None, key=key, now=now)


def _default(value: bool | None, default: bool) -> bool:  # noqa: FBT001 - a setting and its default
    return default if value is None else value


def _networks(texts: Sequence[str]) -> TrustedNetworks | None:
    return TrustedNetworks(ip_network(text) for text in texts) if texts else None


def _options(
    listener: ListenerSettings, settings: Settings, hostname: str, *, offers_auth: bool
) -> ServerOptions:
    limits, auth = settings.limits, settings.auth
    is_mx = listener.kind is ListenerKind.MX
    return ServerOptions(
        hostname=hostname,
        max_message_size=settings.intake.max_message_size,
        max_command_line=limits.command_line,
        max_text_line=limits.text_line,
        max_recipients=limits.recipients if is_mx else limits.recipients_submission,
        max_messages=limits.messages,
        max_errors=limits.errors,
        max_junk_commands=limits.commands,
        starttls=has_tls(listener) and not has_implicit_tls(listener),
        auth_mechanisms=tuple(map(str.upper, auth.mechanisms)) if offers_auth else (),
        auth_challenges_before_tls=auth.challenges_before_tls,
        new_nonce=_new_nonce,
        token_scope=auth.token_scope,
        token_discovery=auth.token_discovery,
        normalize_line_ends=listener.normalize_line_ends and not is_mx,
    )


def _new_nonce() -> str:
    return secrets.token_urlsafe(_NONCE_OCTETS)


def _session_ids(now: float) -> Iterator[str]:
    """Yield ids that no session of this node has had: when it started, and a number."""
    start = _in_base_32(int(now * 1000))
    for number in itertools.count(1):
        yield f"{start}-{_in_base_32(number)}"


def _in_base_32(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits

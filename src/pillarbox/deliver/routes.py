"""Builds sites and their transports from the configured routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from pillarbox.config.endpoints import is_loopback, parse_endpoint
from pillarbox.config.settings import DeliverySettings, RouteKind, RouteSettings, TlsMode
from pillarbox.deliver.discard import DiscardTransport
from pillarbox.deliver.lanes import MailQueue
from pillarbox.deliver.maildir import MaildirTransport
from pillarbox.deliver.resolve import (
    Host,
    Resolution,
    Whereabouts,
    destination_hosts,
    named_host,
    site_key,
)
from pillarbox.deliver.security import Security, SecurityPolicies
from pillarbox.deliver.sites import Site
from pillarbox.deliver.smtp import Dialing, SmtpTransport
from pillarbox.deliver.transport import Transport
from pillarbox.errors import PermanentError
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.endpoint import ChannelOptions
from pillarbox.net.tokens import FileToken, GrantedToken, TokenGrant, TokenSource
from pillarbox.smtp.envelope import TlsRequired

__all__ = ["SiteMap"]

_LMTP_PORT: Final = 24  # RFC 2033 §2: by agreement; 24 is customary
_SUBMISSIONS_PORT: Final = 465
_MOST_SITES: Final = 2_000  # remembered; beyond that, those without useful state are dropped
_FOREVER: Final = 3_600.0


class SiteMap:
    """Finds, creates and drops sites."""

    def __init__(
        self,
        routes: Mapping[str, RouteSettings],
        delivery: DeliverySettings,
        where: Whereabouts,
        resolver: Resolver,
        dialing: Dialing,
        security: SecurityPolicies,
        on_idle_queue: Callable[[MailQueue], None],
    ) -> None:
        """Create sites for ``routes``; ``where`` detects mail loops."""
        self._security = security
        self._routes = routes
        self._delivery = delivery
        self._where = where
        self._resolver = resolver
        self._dialing = dialing
        self._on_idle_queue = on_idle_queue
        self._sites: dict[str, Site] = {}
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="maildir")

    def use(self, routes: Mapping[str, RouteSettings], delivery: DeliverySettings) -> list[Site]:
        """Use new settings; return the sites of the old ones, which are dropped."""
        is_same = delivery == self._delivery
        self._routes, self._delivery = routes, delivery
        old = [
            site
            for site in self._sites.values()
            if not is_same or routes.get(site.route_name) != site.route
        ]
        for site in old:
            del self._sites[site.key]
        return old

    def known(self) -> list[Site]:
        """Return all sites."""
        return list(self._sites.values())

    def close(self) -> None:
        """Release the threads."""
        self._threads.shutdown(wait=False)

    def get(self, key: str) -> Site | None:
        """Return a known site."""
        return self._sites.get(key)

    def fixed(self, name: str, required: TlsRequired = TlsRequired.BY_POLICY) -> Site:
        """Return the site of a route that needs no MX lookup.

        Args:
            name: The route's.
            required: The senders' TLS requirements; a mail store is not a hop in this sense (RFC
                8689 §4.4), and the TLS of a smart host is configured.

        Raises:
            PermanentError: The route lacks what it needs.
        """
        is_apart = required is TlsRequired.YES and self._routes[name].kind is RouteKind.SMART_HOST
        key = f"{name}, TLS required" if is_apart else name
        site = self._sites.get(key)
        if site is not None:
            return site
        return self._make(key, name, self._fixed_transport(name, is_required=is_apart))

    async def exchangers(
        self, destination: str, name: str, required: TlsRequired = TlsRequired.BY_POLICY
    ) -> Site | Resolution | None:
        """Return the site of a destination by its mail exchangers, or why there is none.

        Args:
            destination: The recipients' domain, or an address literal.
            name: The route's.
            required: What the senders ask of TLS.

        Returns:
            The site, or why there is none; None if the route has changed meanwhile, so that the
            caller has to ask again.
        """
        route = self._routes.get(name)
        if route is None:
            return None

        async def locate() -> Resolution:
            where = Whereabouts(self._where.hostname, self._where.addresses, route.allow_private)
            return await destination_hosts(self._resolver, destination, where)

        resolution = await locate()
        security = await self._security_of(destination, route, required)
        if self._routes.get(name) != route:
            return None
        if resolution.failure is not None:
            return resolution
        key = f"{name} {site_key(resolution.hosts)}"
        if security is not None and not security.is_shared(resolution.hosts):
            key = f"{key} for {security.label}"
        site = self._sites.get(key)
        if site is None:
            options = self._options(route, route.tls or TlsMode.OPPORTUNISTIC)
            secure = None if security is None else partial(self._security.for_host, security)
            transport = SmtpTransport(
                locate,
                route.port,
                options,
                self._dialing,
                secure,
                destination,
                is_tls_required=required is TlsRequired.YES,
            )
            site = self._make(key, name, transport)
        if isinstance(site.transport, SmtpTransport):
            site.transport.know(resolution)
        return site

    async def _security_of(
        self, destination: str, route: RouteSettings, required: TlsRequired
    ) -> Security | None:
        """Return a destination's requirements; None if the route itself determines TLS."""
        if required is TlsRequired.YES:
            return await self._security.of(destination, required)
        if route.tls is not None or destination.startswith("["):
            return None
        return await self._security.of(destination, required)

    def _make(self, key: str, name: str, transport: Transport) -> Site:
        if len(self._sites) >= _MOST_SITES:
            now = self._dialing.clock.monotonic()
            for old in [old for old in self._sites.values() if old.is_forgettable(now)]:
                del self._sites[old.key]
        site = self._sites[key] = Site(
            key, name, self._routes[name], transport, self._on_idle_queue
        )
        return site

    def _fixed_transport(self, name: str, *, is_required: bool) -> Transport:
        route = self._routes[name]
        if route.kind is RouteKind.DISCARD:
            return DiscardTransport()
        if route.kind is RouteKind.MAILDIR:
            if route.path is None:
                raise PermanentError(f"route {name} has no path")
            return MaildirTransport(route.path, self._dialing.clock.now, self._threads)
        return self._server(name, route, is_required=is_required)

    def _server(self, name: str, route: RouteSettings, *, is_required: bool) -> SmtpTransport:
        is_lmtp = route.kind is RouteKind.LMTP
        if route.host.startswith("/"):
            resolution = Resolution(hosts=(Host("localhost", 0, (route.host,)),), ttl=_FOREVER)

            async def known() -> Resolution:
                return resolution

            options = self._options(route, route.tls or TlsMode.NONE, is_local=True)
            return SmtpTransport(known, 0, options, self._dialing, is_tls_required=is_required)
        endpoint = parse_endpoint(route.host)
        if endpoint is None:
            raise PermanentError(f"route {name}: {route.host!r} is not a host")
        is_local = is_loopback(endpoint.host)
        default = TlsMode.NONE if is_local or is_lmtp else TlsMode.STARTTLS
        tls = route.tls or default
        if is_required and tls is not TlsMode.IMPLICIT:
            tls = TlsMode.STARTTLS
        port = endpoint.port or _default_port(tls, is_lmtp=is_lmtp)

        async def locate() -> Resolution:
            return await named_host(self._resolver, endpoint.host)

        options = self._options(route, tls, is_local=is_local)
        return SmtpTransport(locate, port, options, self._dialing, is_tls_required=is_required)

    def _options(
        self, route: RouteSettings, tls: TlsMode, *, is_local: bool = False
    ) -> ChannelOptions:
        return ChannelOptions(
            hello_name=route.ehlo or self._where.hostname,
            tls=tls,
            tls_name=route.tls_name,
            tls_ca=route.tls_ca,
            source=route.source,
            user=route.user,
            password=route.password,
            token=_token_source(route),
            mechanisms=frozenset(name.upper() for name in route.mechanisms),
            auth_in_clear=is_local,
            is_lmtp=route.kind is RouteKind.LMTP,
            timeouts=self._delivery,
        )


def _token_source(route: RouteSettings) -> TokenSource | None:
    if route.token_file is not None:
        return FileToken(route.token_file)
    if not route.token_url:
        return None
    return GrantedToken(
        TokenGrant(
            url=route.token_url,
            client=route.token_client,
            client_secret=route.token_client_secret,
            refresh_token=route.refresh_token,
            scope=route.token_scope,
        )
    )


def _default_port(tls: TlsMode, *, is_lmtp: bool) -> int:
    if is_lmtp:
        return _LMTP_PORT
    return _SUBMISSIONS_PORT if tls is TlsMode.IMPLICIT else 25

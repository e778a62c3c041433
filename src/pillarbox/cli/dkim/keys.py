"""What the ``pillarbox dkim`` commands share: the configured keys, and how they are printed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pillarbox.cli.output import Out, safe
from pillarbox.clock import SystemClock
from pillarbox.config.endpoints import is_host_name
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import DkimDomainSettings, Settings
from pillarbox.dns.authorities import NetworkAuthorities, ResolverAuthority
from pillarbox.dns.zone import ZoneResolver
from pillarbox.errors import PermanentError
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.publication import publication
from pillarbox.keyring.ring import make_key_store
from pillarbox.keyring.rotation import Step, make_keys
from pillarbox.mailauth.authorities import Authorities
from pillarbox.mailauth.dkim.algorithm import Algorithm
from pillarbox.policy.key_life import KeyState
from pillarbox.smtp.address import ascii_domain

__all__ = ["Keys", "key_object", "mail_domain", "make_authorities", "show_records"]


@dataclass(slots=True)
class Keys:
    """The keys of a configuration, and the time."""

    settings: Settings
    all: tuple[KeptKey, ...]
    now: float

    @classmethod
    def of(cls, loaded: Loaded) -> Keys:
        """Read the keys.

        Raises:
            PillarboxError: They cannot be read.
        """
        store = make_key_store(loaded.settings)
        return cls(loaded.settings, asyncio.run(store.load()), SystemClock().now())

    def of_domain(self, domain: str, selector: str = "") -> tuple[KeptKey, ...]:
        """Return the keys of a domain, or of all for "", that are not retired.

        Raises:
            PermanentError: There is none.
        """
        wanted = ascii_domain(domain)
        found = tuple(
            key
            for key in self.all
            if key.domain == (wanted or key.domain)
            and key.selector == (selector or key.selector)
            and (selector or key.state is not KeyState.RETIRED)
        )
        if not found and domain:
            raise PermanentError(
                f"there is no key for {' '.join(filter(None, (domain, selector)))}; "
                f"`pillarbox dkim new {domain}` makes some"
            )
        return found

    def keep(self, *keys: KeptKey) -> None:
        """Keep keys that are new or have changed.

        Raises:
            PillarboxError: They cannot be kept.
        """
        store = make_key_store(self.settings)

        async def keep() -> None:
            for key in keys:
                await store.keep(key)

        asyncio.run(keep())
        names = {key.name for key in keys}
        self.all = (*(key for key in self.all if key.name not in names), *keys)

    def take(self, steps: Iterable[Step], out: Out) -> list[Step]:
        """Keep what has changed, and tell it."""
        taken = list(steps)
        self.keep(*(step.after for step in taken))
        for step in taken:
            out.say(step.text)
        return taken

    def make(
        self, domain: str, algorithms: Iterable[Algorithm], selector: str = ""
    ) -> tuple[KeptKey, ...]:
        """Make keys of a domain, and keep them.

        Args:
            domain: In A-labels and lower case.
            algorithms: One key is made for each.
            selector: Its name, if only one is made; otherwise names are chosen.

        Raises:
            PillarboxError: The selector is taken, or the keys cannot be kept.
        """
        made = make_keys(
            self.all,
            domain,
            algorithms,
            rsa_bits=self.rules(domain).rsa_bits,
            now=self.now,
            selector=selector,
        )
        self.keep(*made)
        return made

    def rules(self, domain: str) -> DkimDomainSettings:
        """Return how a domain is signed for."""
        return self.settings.dkim_domain.get(domain) or DkimDomainSettings()

    def delegate(self, key: KeptKey) -> str:
        """Return the zone that the record of a key really stands in, "" for its domain."""
        return self.rules(key.domain).delegate


def mail_domain(text: str) -> str:
    """Return a domain that mail can come from, in A-labels and lower case.

    Raises:
        UsageError: It is none.
    """
    domain = ascii_domain(text).removesuffix(".")
    if "." not in domain or not is_host_name(domain):
        raise click.UsageError(f"{text!r} is not a domain that mail can come from")
    return domain


def make_authorities(settings: Settings, zone: Path | None) -> Authorities:
    """Return who says what is published: a zone file, or the servers on the network.

    Raises:
        PermanentError: The zone file cannot be read, or a server is no address.
    """
    zone = zone or settings.dns.zone_file
    if zone is not None:
        return ResolverAuthority(ZoneResolver.from_file(zone), str(zone))
    return NetworkAuthorities(servers=settings.dns.servers, timeout=settings.dns.timeout)


def key_object(key: KeptKey, delegate: str) -> dict[str, Any]:
    """Return a key as an object for JSON, without its private half."""
    records = publication(key, delegate)
    return {
        "domain": key.domain,
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "state": key.state.value,
        "made": key.made_at,
        "since": key.since,
        "name": records.name,
        "target": records.target,
        "record": records.value,
        "zone": list(records.zone_lines),
    }


def show_records(out: Out, keys: Keys, some: Iterable[KeptKey]) -> None:
    """Print the records of keys, as lines of a zone file and as fields of a form."""
    for key in some:
        records = publication(key, keys.delegate(key))
        out.line(f"; {safe(key.domain)}, {key.algorithm.value}, {key.state.value}")
        for line in records.zone_lines:
            out.line(line)
        out.line(";   or, where there is a form for it:")
        if records.target:
            out.line(f";   type CNAME   name {records.name}")
            out.line(f";   target {records.target}")
        out.line(f";   type TXT   name {records.target or records.name}")
        out.line(f";   value {records.value}")
        out.line()

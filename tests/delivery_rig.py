"""A deliverer in the lab: zones, servers on loopback, virtual time, and what came of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Self, TypeVar

from tests.mail import address_of, kept_message

from pillarbox.config.settings import (
    DeliverySettings,
    QueueSettings,
    RouteKind,
    RouteSettings,
    TlsDomainSettings,
)
from pillarbox.deliver.consult import Consult
from pillarbox.deliver.deliverer import Deliverer
from pillarbox.deliver.reach import Reach
from pillarbox.deliver.security import SecurityPolicies
from pillarbox.deliver.sts import FetchPolicy, StsPolicies
from pillarbox.dns.cache import CachingResolver
from pillarbox.events.types import Event
from pillarbox.lab.servers import LabServer
from pillarbox.lab.world import Lab
from pillarbox.policy.queue import QueueKey, RecipientState
from pillarbox.smtp.address import Mailbox, ReversePath
from pillarbox.store.group import GroupCommit
from pillarbox.store.ids import IdMaker
from pillarbox.store.memory import MemoryDisk, MemoryStore
from pillarbox.store.port import KeptMessage, KeptRecipient, Store

ZONE = """
$TTL 60
$ORIGIN test.
one      MX 10 mx.one
mx.one   A 127.0.1.1
two      MX 10 mx.two
mx.two   A 127.0.1.2
three    MX 10 mx.two
dead     MX 10 mx.dead
mx.dead  A 127.0.1.9
sender   MX 10 mx.sender
mx.sender A 127.0.1.3
null     MX 0 .
loop     MX 10 mx.ours
mx.ours  A 127.0.0.1
;! fail broken.test
"""
MX = RouteSettings(kind=RouteKind.MX, recipients=("*",), allow_private=True)
DAY = 86_400.0

E = TypeVar("E", bound=Event)


class Rig:
    """Everything that a deliverer needs, and a list of what it told."""

    def __init__(
        self,
        *,
        zone: str = ZONE,
        servers: Sequence[str] = ("mx.one.test", "mx.two.test", "mx.sender.test"),
        routes: dict[str, RouteSettings] | None = None,
        delivery: DeliverySettings | None = None,
        queue: QueueSettings | None = None,
        disk: MemoryDisk | None = None,
        wrap: Callable[[Store], Any] = lambda store: store,
        start: float | None = None,
        consult: Consult | None = None,
        tls_domains: dict[str, TlsDomainSettings] | None = None,
        fetcher: FetchPolicy | None = None,
    ) -> None:
        self.lab = Lab(zone=zone, servers=[LabServer(name) for name in servers], start=start)
        self.routes = routes or {"mx": MX}
        self.delivery = delivery or DeliverySettings()
        self.queue = queue or QueueSettings()
        self.disk = disk or MemoryDisk()
        self.wrap = wrap
        self.consult = consult
        self.tls_domains = tls_domains or {}
        self.fetcher = fetcher  # of MTA-STS policies; None: none are looked for
        self.aliases: dict[str, tuple[str, ...]] = {}  # of senders
        self.events: list[Event] = []
        self._counts: Counter[type[Event]] = Counter()
        self._told = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.lab.__aenter__()
        clock = self.lab.clock
        self.memory = MemoryStore("main", clock.now, self.disk)
        await self.memory.open()
        self.store = self.wrap(self.memory)
        self.group = GroupCommit(self.store)
        self.ids = IdMaker(0, clock.now)
        resolver = CachingResolver(self.lab.resolver, clock)
        sts = None
        if self.fetcher is not None:
            sts = StsPolicies(resolver, self.fetcher, self.memory.notes, clock, self._sink)
        self.deliverer = Deliverer(
            hostname="ours.test",
            delivery=self.delivery,
            queue=self.queue,
            routes=self.routes,
            store=self.store,
            group=self.group,
            reach=Reach(
                resolver=resolver,
                dialer=self.lab.dialer,
                security=SecurityPolicies(self.delivery, self.tls_domains, resolver, sts),
                own_addresses=frozenset({"127.0.0.1"}),
            ),
            clock=clock,
            sink=self._sink,
            ids=self.ids,
            queue_for=self.queue_for,
            addressees=self.addressees,
            random=Random(1),
            consult=self.consult,
        )
        await self.deliverer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.deliverer.stop(1.0)
        await self.memory.close()
        await self.lab.__aexit__(None, None, None)

    def queue_for(self, sender: ReversePath, recipient: Mailbox) -> QueueKey:
        del sender
        return QueueKey("", recipient.ascii_domain, next(iter(self.routes)), "")

    def addressees(self, sender: Mailbox) -> tuple[Mailbox, ...]:
        """Return who gets the notifications for a sender."""
        return tuple(map(address_of, self.aliases.get(str(sender), (str(sender),))))

    def _sink(self, event: Event) -> None:
        self.events.append(event)
        self._counts[type(event)] += 1
        self._told.set()

    def server(self, name: str) -> LabServer:
        """Return a server of the lab."""
        return self.lab.server(name)

    def message(self, *recipients: str, **options: Any) -> KeptMessage:
        """Make a message that is accepted now."""
        now = self.lab.clock.now()
        options.setdefault("sender", "ann@sender.test")
        return kept_message(*recipients, message=self.ids.next(), at=now, **options)

    async def send(self, *recipients: str, **options: Any) -> KeptMessage:
        """Have a message committed, and offer it."""
        message = self.message(*recipients, **options)
        await self.group.keep(message)
        self.deliverer.offer(message)
        return message

    def told(self, kind: type[E]) -> list[E]:
        """Return the events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    async def wait_for(self, kind: type[E], count: int = 1, *, within: float = 60.0) -> list[E]:
        """Wait until so many events of a kind were told (virtual seconds), and for the disk."""
        async with asyncio.timeout(within):
            while sum(n for each, n in self._counts.items() if issubclass(each, kind)) < count:
                self._told.clear()
                await self._told.wait()
        await self.settled()
        return self.told(kind)

    async def settled(self) -> None:
        """Wait until results are on disk."""
        await asyncio.sleep(0.1)
        await self.group.drain()

    async def recipient(self, message: KeptMessage, index: int = 0) -> KeptRecipient:
        """Return how the store sees a recipient."""
        kept = await self.memory.message(message.id)
        assert kept is not None
        return kept.recipients[index]

    async def state(self, message: KeptMessage, index: int = 0) -> RecipientState:
        """Return the state of a recipient on disk."""
        return (await self.recipient(message, index)).state

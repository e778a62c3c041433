"""Builds reporting from the configuration: counting, sending, and reading received reports."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from pillarbox.authenticity.judging import Observer
from pillarbox.clock import Clock
from pillarbox.config.settings import OrganizationalDomain, Settings
from pillarbox.errors import PermanentError, PillarboxError
from pillarbox.events.types import Event, Sink, StsPolicyNotFetched, TlsSessionMade
from pillarbox.intake.door import Door
from pillarbox.intake.inspection import Inspector
from pillarbox.intake.keeping_on import keep_on
from pillarbox.mailauth.dmarc import Finder, Mode
from pillarbox.mailauth.resolver import Resolver
from pillarbox.net.addresses import is_public
from pillarbox.net.tls import TlsContexts
from pillarbox.policy.recipients import LocalDomains
from pillarbox.reports.counts import Counts
from pillarbox.reports.daily import DailyReports
from pillarbox.reports.dmarc_counts import MailRow, hear_dmarc
from pillarbox.reports.dmarc_report import DmarcReports
from pillarbox.reports.outbox import HttpsOutbox, MailOutbox
from pillarbox.reports.receiving import ReportReader
from pillarbox.reports.sending import Delivery, Identity, Subject
from pillarbox.reports.shelf import Shelf
from pillarbox.reports.tls_counts import TlsRow, hear_policy_failure, hear_tls
from pillarbox.reports.tls_report import TlsReports
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.path import parse_mailbox
from pillarbox.store.notes import NoteStore

__all__ = ["Reporting", "report_identity"]

_POSTMASTER: Final = "postmaster"


def report_identity(settings: Settings, hostname: str, domains: LocalDomains) -> Identity:
    """Return the identity of the reporter.

    Raises:
        PermanentError: The sender is not an address.
    """
    reports = settings.reports
    if reports.sender:
        sender = _mailbox(reports.sender, "reports.sender")
    else:
        sender = Mailbox(_POSTMASTER, next(iter(domains.names), hostname))
    return Identity(
        sender=sender,
        organization=reports.organization or sender.ascii_domain,
        contact=reports.contact or str(sender),
    )


class Reporting:
    """The reports of a node, in one configuration."""

    def __init__(
        self,
        settings: Settings,
        *,
        hostname: str,
        domains: LocalDomains,
        notes: NoteStore,
        clock: Clock,
        sink: Sink,
        on_defect: Callable[[str, BaseException], None],
    ) -> None:
        """Start counting; ``start`` begins to send.

        Args:
            settings: The configuration.
            hostname: The node's name.
            domains: The local domains.
            notes: Where counts and received reports are stored.
            clock: The time.
            sink: Receives events about sent and received reports.
            on_defect: Called with unexpected errors.

        Raises:
            PermanentError: An address in the configuration is none.
        """
        reports = settings.reports
        self._settings = settings
        self._hostname = hostname
        self._notes = notes
        self._clock = clock
        self._sink = sink
        self._on_defect = on_defect
        self._mode = _mode(settings)
        self._identity = report_identity(settings, hostname, domains)
        self._tls = Counts("tls", TlsRow, notes) if reports.tls else None
        self._dmarc = Counts("dmarc", MailRow, notes) if reports.dmarc else None
        self._addresses = [_mailbox(text, "reports.receive") for text in reports.receive]
        self._daily: DailyReports | None = None
        self._task: asyncio.Task[None] | None = None

    def succeeded_by(self, settings: Settings, domains: LocalDomains) -> Reporting:
        """Return the reports of a new configuration: this object, if nothing has changed.

        Raises:
            PermanentError: An address in the configuration is none.
        """
        identity = report_identity(settings, self._hostname, domains)
        same = settings.reports == self._settings.reports and _mode(settings) == self._mode
        if same and identity == self._identity:
            return self
        return Reporting(
            settings,
            hostname=self._hostname,
            domains=domains,
            notes=self._notes,
            clock=self._clock,
            sink=self._sink,
            on_defect=self._on_defect,
        )

    @property
    def hearers(self) -> Mapping[type[Event], Callable[[Any], None]]:
        """The event sinks of the reports."""
        if self._tls is None:
            return {}
        return {
            TlsSessionMade: partial(hear_tls, self._tls),
            StsPolicyNotFetched: partial(hear_policy_failure, self._tls),
        }

    @property
    def observer(self) -> Observer | None:
        """The observers of verified messages."""
        if self._dmarc is None:
            return None
        addresses = frozenset(str(each).lower() for each in self._addresses)
        return partial(hear_dmarc, self._dmarc, addresses)

    @property
    def readers(self) -> tuple[Inspector, ...]:
        """The inspectors for possible reports, after verification."""
        if not self._addresses:
            return ()
        shelf = Shelf(self._notes, self._settings.reports.keep)
        return (ReportReader(self._addresses, shelf, self._clock.now, self._sink),)

    def start(self, door: Door, resolver: Resolver, contexts: TlsContexts) -> None:
        """Start to send reports through ``door``."""
        subjects = list(self._subjects(resolver))
        if not subjects:
            return
        delivery = Delivery(
            self._identity,
            MailOutbox(door, self._hostname),
            HttpsOutbox(resolver, contexts.opportunistic, is_public),
        )
        self._daily = DailyReports(
            subjects,
            delivery,
            notes=self._notes,
            spread=self._settings.reports.spread,
            clock=self._clock,
            sink=self._sink,
            on_defect=self._on_defect,
        )
        self._task = keep_on(self._daily.run, "node: reports")

    async def stop(self) -> None:
        """Stop sending, and store the counts. Safe to call twice."""
        if self._task is None or self._daily is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
        with contextlib.suppress(PillarboxError):  # the store is down: a minute is lost
            await self._daily.flush()

    def _subjects(self, resolver: Resolver) -> list[Subject[Any]]:
        subjects: list[Subject[Any]] = []
        if self._tls is not None:
            subjects.append(TlsReports(self._tls, resolver, self._identity))
        if self._dmarc is not None:
            new_finder = partial(Finder, resolver, self._mode)
            subjects.append(DmarcReports(self._dmarc, resolver, self._identity, new_finder))
        return subjects


def _mode(settings: Settings) -> Mode:
    is_list = settings.verify.organizational_domain is OrganizationalDomain.SUFFIX_LIST
    return Mode.SUFFIX_LIST if is_list else Mode.TREE_WALK


def _mailbox(text: str, key: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except PermanentError as error:
        raise PermanentError(f"{key}: {error}") from error

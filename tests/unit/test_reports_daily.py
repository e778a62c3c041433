"""The daily turn: what is counted in a day goes out once the day is over."""

from __future__ import annotations

import asyncio
import email
import gzip
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from pillarbox.dns.zone import ZoneResolver
from pillarbox.events.types import (
    Event,
    ReportNotSent,
    ReportSent,
    StsPolicyNotFetched,
    TlsSessionMade,
)
from pillarbox.lab.clock import LabClock, run_virtual
from pillarbox.mailauth.dmarc import Finder
from pillarbox.mailauth.dmarc_report import read_report, read_report_message
from pillarbox.mailauth.tls_rpt import parse_report
from pillarbox.reports import counts as counting
from pillarbox.reports.counts import Counts
from pillarbox.reports.daily import DailyReports
from pillarbox.reports.days import DAY, begin_of, day_of, due_at
from pillarbox.reports.dmarc_counts import MailRow
from pillarbox.reports.dmarc_report import DmarcReports
from pillarbox.reports.received import read_reports
from pillarbox.reports.sending import Delivery, Identity, NotSent
from pillarbox.reports.tls_counts import TlsRow, hear_policy_failure, hear_tls
from pillarbox.reports.tls_report import TlsReports
from pillarbox.smtp.address import Mailbox
from pillarbox.store.memory import MemoryDisk, MemoryStore
from pillarbox.store.port import StoreUnavailable

TODAY = "2026-11-21"
GRACE = 0.002  # there are no sockets here, and hundreds of minutes
NOON = begin_of(TODAY) + DAY / 2
US = Identity(
    sender=Mailbox("postmaster", "us.test"), organization="Us", contact="postmaster@us.test"
)
ZONE = """
$TTL 300
$ORIGIN test.
_smtp._tls.one  TXT "v=TLSRPTv1; rua=mailto:tls@one.test"
_smtp._tls.two  TXT "v=TLSRPTv1; rua=https://r.two.test/v1,mailto:tls@two.test"
_dmarc.one      TXT "v=DMARC1; p=reject; rua=mailto:dmarc@one.test"
_dmarc.small    TXT "v=DMARC1; p=none; rua=mailto:dmarc@small.test!1k"
_dmarc.abroad   TXT "v=DMARC1; p=none; rua=mailto:all@collector.test,mailto:all@victim.test"
abroad.test._report._dmarc.collector TXT "v=DMARC1"
"""


@dataclass
class Outbox:
    """Takes reports, or does not."""

    mails: list[tuple[bytes, str, str]] = field(default_factory=list)
    posts: list[tuple[str, str, bytes]] = field(default_factory=list)
    failures: list[NotSent] = field(default_factory=list)  # of the next posts

    async def mail(self, content: bytes, sender: Mailbox, to: Mailbox) -> None:
        self.mails.append((content, str(sender), str(to)))

    async def post(self, uri: str, media_type: str, content: bytes) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.posts.append((uri, media_type, content))


class Node:
    """The reporting part of a node, on a store that others may share."""

    def __init__(
        self, disk: MemoryDisk, clock: LabClock, zone: str = ZONE, name: str = "main"
    ) -> None:
        self.clock = clock
        self.store = MemoryStore(name, clock.now, disk)
        self.resolver = ZoneResolver(zone)
        self.events: list[Event] = []
        self.defects: list[tuple[str, BaseException]] = []
        self.outbox = Outbox()
        self.tls = Counts("tls", TlsRow, self.store.notes)
        self.dmarc = Counts("dmarc", MailRow, self.store.notes)
        self.daily = DailyReports(
            [
                TlsReports(self.tls, self.resolver, US),
                DmarcReports(self.dmarc, self.resolver, US, lambda: Finder(self.resolver)),
            ],
            Delivery(US, self.outbox.mail, self.outbox.post),
            notes=self.store.notes,
            spread=4 * 3600.0,
            clock=clock,
            sink=self.events.append,
            on_defect=lambda where, error: self.defects.append((where, error)),
        )

    def session(self, destination: str, result: str = "", **more: Any) -> None:
        """Have a TLS session with a destination."""
        told = {"policy": "sts", "policy_lines": ["version: STSv1", "mx: mx.one.test"], **more}
        hear_tls(
            self.tls,
            TlsSessionMade(
                at=self.clock.now(),
                destination=destination,
                host=f"mx.{destination}",
                address="192.0.2.1",
                result=result,
                **told,
            ),
        )

    def told(self, kind: type[Event]) -> list[Any]:
        """Return what was told of a kind."""
        return [event for event in self.events if type(event) is kind]


def virtual(test: Callable[[Node], Awaitable[None]], *, zone: str = ZONE) -> None:
    """Run a test with a node at noon of a day, on virtual time."""

    async def main() -> None:
        node = Node(MemoryDisk(), LabClock(NOON), zone)
        await node.store.open()
        await test(node)
        await node.store.close()

    run_virtual(main(), grace=GRACE)


async def later(clock: LabClock, seconds: float) -> None:
    """Let time pass, most of it at once."""
    for _ in range(int(seconds // 1_800)):
        clock.jump(1_500)
        await asyncio.sleep(300)


def attachment(mail: bytes, media_type: str) -> bytes:
    """Return an attachment, read by another program than ours."""
    for part in email.message_from_bytes(mail).walk():
        if part.get_content_type() == media_type:
            payload = part.get_payload(decode=True)
            assert isinstance(payload, bytes)
            return payload
    raise AssertionError(f"there is no {media_type}")


def test_a_day_of_tls_sessions_is_one_report() -> None:
    """After midnight the destination gets what was counted, as RFC 8460 wants it."""

    async def test(node: Node) -> None:
        turning = asyncio.create_task(node.daily.run())
        for _ in range(3):
            node.session("one.test")
        node.session("one.test", "certificate-expired", reason="it has expired")
        node.session("one.test", "certificate-expired", reason="it has expired")
        await later(node.clock, DAY / 2)
        assert not node.outbox.mails  # it is midnight, and reports are spread over hours
        await later(node.clock, DAY / 4)
        ((content, sender, to),) = node.outbox.mails
        assert (sender, to) == ("postmaster@us.test", "tls@one.test")
        mail = email.message_from_bytes(content)
        assert mail["TLS-Report-Domain"] == "one.test"
        assert mail["TLS-Report-Submitter"] == "us.test"
        assert mail["TLS-Required"] == "No"
        assert mail.get_content_type() == "multipart/report"
        assert mail.get_param("report-type") == "tlsrpt"
        packed = attachment(content, "application/tlsrpt+gzip")
        report = parse_report(gzip.decompress(packed))
        assert (report.start, report.end) == (begin_of(TODAY), begin_of(TODAY) + DAY - 1)
        (policy,) = report.policies
        assert (policy.policy.domain, policy.policy.mx_hosts) == ("one.test", ("mx.one.test",))
        assert (policy.successes, policy.failed) == (3, 2)
        (failure, count), *_ = policy.failures
        assert (failure.result_type, count) == ("certificate-expired", 2)
        assert [each.sessions for each in node.told(ReportSent)] == [5]
        await later(node.clock, DAY)
        assert len(node.outbox.mails) == 1
        turning.cancel()

    virtual(test)


def test_what_is_counted_outlives_a_restart() -> None:
    """What was written is there again, and adds to what comes later in the day."""

    async def main() -> None:
        disk, clock = MemoryDisk(), LabClock(NOON)
        for _ in range(2):
            node = Node(disk, clock)
            await node.store.open()
            node.session("one.test")
            await node.daily.flush()
            await node.store.close()
        node = Node(disk, clock)
        await node.store.open()
        clock.jump(DAY)
        await node.daily.turn()
        assert [each.sessions for each in node.told(ReportSent)] == [2]

    run_virtual(main(), grace=GRACE)


def test_a_report_alone_is_no_reason_for_the_next() -> None:
    """The session that it went by is not reported, unless there are others beside it."""

    async def test(node: Node) -> None:
        # By day: the sessions, one of them by our report of the day before, and all mails since.
        for sessions, mails in ((1, 1), (1, 1), (0, 1), (1, 2), (2, 3), (1, 3)):
            for _ in range(sessions):
                node.session("one.test")
            await node.daily.flush()
            node.clock.jump(DAY)
            await node.daily.turn()
            assert len(node.outbox.mails) == mails

    virtual(test)


def test_two_nodes_send_one_report_of_what_both_saw() -> None:
    """Their counts are added, and whoever comes first sends for both."""

    async def main() -> None:
        disk, clock = MemoryDisk(), LabClock(NOON)
        nodes = [Node(disk, clock, name=name) for name in ("a", "b")]
        turning = []
        for node in nodes:
            await node.store.open()
            node.session("one.test")
            node.session("one.test", "starttls-not-supported")
            turning.append(asyncio.create_task(node.daily.run()))
        await later(clock, DAY)
        mails = [mail for node in nodes for mail in node.outbox.mails]
        assert len(mails) == 1
        (report,) = read_reports(mails[0][0]).reports
        assert (report.total, report.failed) == (4, 2)
        for task in turning:
            task.cancel()

    run_virtual(main(), grace=GRACE)


def test_a_claim_of_a_node_that_died_ends() -> None:
    """Another node sends the report a quarter of an hour later."""

    async def main() -> None:
        disk, clock = MemoryDisk(), LabClock(NOON)
        dead, alive = (Node(disk, clock, name=name) for name in ("dead", "alive"))
        for node in (dead, alive):
            await node.store.open()
        dead.session("one.test")
        await dead.daily.flush()
        clock.jump(DAY)

        async def never(*_: object) -> None:
            await asyncio.sleep(10 * DAY)

        dead.daily._delivery = Delivery(US, never, never)
        dying = asyncio.create_task(dead.daily.turn())
        await asyncio.sleep(1)
        dying.cancel()
        await alive.daily.turn()
        assert not alive.outbox.mails
        await asyncio.sleep(901)
        await alive.daily.turn()
        assert len(alive.outbox.mails) == 1

    run_virtual(main(), grace=GRACE)


def test_who_is_not_there_is_tried_again_for_a_day() -> None:
    """The other address has its report once; a failure that stays is given up."""

    async def test(node: Node) -> None:
        node.session("two.test")
        node.outbox.failures = [NotSent("503") for _ in range(3)]
        turning = asyncio.create_task(node.daily.run())
        await later(node.clock, 1.5 * DAY)
        assert [to for _, _, to in node.outbox.mails] == ["tls@two.test"]
        ((uri, media_type, content),) = node.outbox.posts
        assert (uri, media_type) == ("https://r.two.test/v1", "application/tlsrpt+gzip")
        assert json.loads(gzip.decompress(content))["organization-name"] == "Us"
        waits = [each.next_attempt_at - each.at for each in node.told(ReportNotSent)]
        # Reports are packed in a thread, for which virtual time may run on a little.
        assert waits == [pytest.approx(wait, abs=600) for wait in (1_800, 3_600, 7_200)]
        turning.cancel()

    virtual(test)


def test_who_never_answers_is_given_up() -> None:
    """After a day of trying, what was counted is forgotten (RFC 8460 §5.5)."""

    async def test(node: Node) -> None:
        node.session("two.test")
        node.outbox.failures = [NotSent("503") for _ in range(100)]
        turning = asyncio.create_task(node.daily.run())
        await later(node.clock, 2.6 * DAY)
        assert node.told(ReportNotSent)[-1].next_attempt_at is None
        assert len(node.told(ReportNotSent)) < 10
        assert not await node.tls.domains(TODAY, now=node.clock.now())
        turning.cancel()

    virtual(test)


def test_who_asks_for_nothing_gets_nothing() -> None:
    """Nothing is sent, nothing is told, and the counts are gone."""

    async def test(node: Node) -> None:
        node.session("three.test")
        await node.daily.flush()
        node.clock.jump(DAY)
        await node.daily.turn()
        assert node.events == []
        assert not await node.tls.domains(TODAY, now=node.clock.now())

    virtual(test)


def test_a_store_that_is_down_loses_no_count() -> None:
    """What could not be added is added the next time, with what came meanwhile."""

    async def test(node: Node) -> None:
        node.session("one.test")
        add = node.store.notes.add

        async def fails(*_: object, **__: object) -> tuple[int, ...]:
            raise StoreUnavailable("it is down")

        node.store.notes.add = fails  # type: ignore[method-assign]
        with pytest.raises(StoreUnavailable):
            await node.daily.flush()
        node.session("one.test")
        node.store.notes.add = add  # type: ignore[method-assign]
        await node.daily.flush()
        day = await node.tls.day(TODAY, "one.test", now=node.clock.now())
        assert [count for _, count in day.rows] == [2]

    virtual(test)


def test_a_report_that_cannot_be_made_holds_up_no_other() -> None:
    """What is wrong is told, and the other one goes out."""

    async def test(node: Node) -> None:
        for domain in ("one.test", "two.test"):
            node.session(domain)
        await node.daily.flush()

        async def breaks(*_: Any) -> None:
            raise ZeroDivisionError

        node.daily._delivery = Delivery(US, node.outbox.mail, breaks)
        node.clock.jump(DAY)
        await node.daily.turn()
        assert [to for _, _, to in node.outbox.mails] == ["tls@one.test"]
        ((where, error),) = node.defects
        assert where == f"the tls report of {TODAY} about two.test"
        assert isinstance(error, ZeroDivisionError)

    virtual(test)


def test_a_policy_that_cannot_be_had_is_reported() -> None:
    """Even though mail went on without it (RFC 8460 §4.3.2.2)."""

    async def test(node: Node) -> None:
        told = StsPolicyNotFetched(
            at=node.clock.now(), domain="one.test", reason="it is gone", result="sts-webpki-invalid"
        )
        hear_policy_failure(node.tls, told)
        await node.daily.flush()
        node.clock.jump(DAY)
        await node.daily.turn()
        (report,) = read_reports(node.outbox.mails[0][0]).reports
        assert (report.total, report.failed, report.policy) == (1, 1, "sts")
        (failure,) = report.rows
        assert failure.what == "sts mta-sts.one.test"
        assert failure.detail == "sts-webpki-invalid it is gone"

    virtual(test)


def row(source: int = 1, disposition: str = "reject") -> MailRow:
    """Return a message that failed."""
    return MailRow(
        source=f"192.0.2.{source}" if source < 250 else f"2001:db8::{source:x}",
        disposition=disposition,
        dkim="fail",
        spf="fail",
        header_from="one.test",
        envelope_from="bounce.test",
        envelope_to="us.test",
        reason=None,
        dkim_auth=(("other.test", "s1", "pass"),),
        spf_auth=("bounce.test", "fail", "mfrom"),
    )


def mark(domain: str) -> bytes:
    """Return what is kept of a domain's record."""
    texts = [
        line.split('"')[1] for line in ZONE.splitlines() if line.startswith(f"_dmarc.{domain} ")
    ]
    return msgspec.msgpack.encode([texts[0], "treewalk"])


def test_a_day_of_mail_is_one_dmarc_report() -> None:
    """Rows are told as RFC 9990 wants them, with the policy that was published."""

    async def test(node: Node) -> None:
        for source in (1, 1, 2):
            node.dmarc.count(node.clock.now(), "one.test", row(source), mark("one"))
        await node.daily.flush()
        node.clock.jump(DAY)
        await node.daily.turn()
        ((content, _, to),) = node.outbox.mails
        assert to == "dmarc@one.test"
        mail = email.message_from_bytes(content)
        subject = " ".join(mail["Subject"].split())
        assert subject.startswith("Report Domain: one.test Submitter: us.test Report-ID: <")
        (read,) = read_report_message(content)
        assert read.problems == ()
        report = read.report
        assert report is not None
        assert (report.policy.domain, report.policy.p) == ("one.test", "reject")
        assert [(each.source_ip, each.count) for each in report.rows] == [
            ("192.0.2.1", 2),
            ("192.0.2.2", 1),
        ]
        name = email.message_from_bytes(content).get_payload()[1].get_filename()  # type: ignore[union-attr,index]
        begin = begin_of(TODAY)
        assert name.startswith(f"us.test!one.test!{begin}!{begin + DAY - 1}")

    virtual(test)


def test_only_who_agreed_gets_reports_about_others() -> None:
    """An address of another organization counts if its domain says so in DNS (RFC 9990 §4)."""

    async def test(node: Node) -> None:
        node.dmarc.count(node.clock.now(), "abroad.test", row(), mark("abroad"))
        await node.daily.flush()
        node.clock.jump(DAY)
        await node.daily.turn()
        assert [to for _, _, to in node.outbox.mails] == ["all@collector.test"]
        (refused,) = node.told(ReportNotSent)
        assert (refused.to, refused.next_attempt_at) == ("mailto:all@victim.test", None)

    virtual(test)


def test_a_report_is_made_as_small_as_is_asked_for() -> None:
    """The most frequent rows stay, and the report says what is left out."""

    async def test(node: Node) -> None:
        for source in range(300):
            for _ in range(2 if source == 7 else 1):
                node.dmarc.count(node.clock.now(), "small.test", row(source), mark("small"))
        await node.daily.flush()
        node.clock.jump(DAY)
        await node.daily.turn()
        ((content, _, _),) = node.outbox.mails
        packed = attachment(content, "application/gzip")
        assert len(packed) <= 1024
        report = read_report(packed).report
        assert report is not None
        assert report.rows[0].source_ip == "192.0.2.7"
        assert report.errors == (f"{301 - report.messages} messages are left out for size",)

    virtual(test)


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is counted without its details, and a known row still counts."""
    monkeypatch.setattr(counting, "MAX_ROWS", 10)

    async def test(node: Node) -> None:
        for source in [*range(20), 0]:
            node.dmarc.count(node.clock.now(), "one.test", row(source), mark("one"))
        await node.daily.flush()
        day = await node.dmarc.day(TODAY, "one.test", now=node.clock.now())
        assert len(day.rows) == 10
        assert day.rows[0] == (row(0), 2)
        assert day.overflow == 10

    virtual(test)


def test_many_domains_are_written_at_once() -> None:
    """A minute of a large node is a few writes, and none of its rows is lost or counted twice."""

    async def test(node: Node) -> None:
        writes = []
        add = node.store.notes.add

        async def counted(notes: Any, *, now: float) -> tuple[int, ...]:
            writes.append(len(notes))
            return await add(notes, now=now)

        node.store.notes.add = counted  # type: ignore[method-assign]
        for number in range(900):
            for source in range(1 + 1_200 * (number == 450)):
                domain = f"d{number}.test"
                node.dmarc.count(node.clock.now(), domain, row(source), mark("one"))
        await node.daily.flush()
        assert len(writes) < 10
        assert max(writes) <= 1_002
        notes = await node.dmarc.domains(TODAY, now=node.clock.now())
        assert len(notes) == 900
        assert sum(note.amount for note in notes) == 900 + 1_200
        day = await node.dmarc.day(TODAY, "d450.test", now=node.clock.now())
        assert len(day.rows) == 1_201

    virtual(test)


def test_each_domain_has_its_own_moment() -> None:
    """The same on all nodes and after every restart, within the hours that are set."""
    moments = [due_at(TODAY, f"d{n}.test", "us.test", 14_400) for n in range(200)]
    assert moments == [due_at(TODAY, f"d{n}.test", "us.test", 14_400) for n in range(200)]
    midnight = begin_of(TODAY) + DAY
    assert midnight + 600 <= min(moments) < midnight + 1_800
    assert midnight + 13_000 < max(moments) < midnight + 15_000
    assert day_of(midnight - 1) == TODAY

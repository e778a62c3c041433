"""What a listener judges is counted as a DMARC report tells it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from pillarbox.authenticity.disposition import SenderPolicy
from pillarbox.authenticity.judging import Judges, JudgingInspector
from pillarbox.config.settings import DmarcEnforcement
from pillarbox.dns.zone import ZoneResolver
from pillarbox.intake.draft import Draft, Origin
from pillarbox.mailauth.arc import Voucher
from pillarbox.mailauth.dmarc import Policy
from pillarbox.mailauth.dmarc_report import OverrideReason, Report, Row
from pillarbox.mailauth.verification import Client, Verification, Verifier
from pillarbox.message.header import scan_header
from pillarbox.message.trace import ReceivedTrace, Session
from pillarbox.policy.networks import TrustedNetworks
from pillarbox.reports.counts import Counts, Day
from pillarbox.reports.days import day_of
from pillarbox.reports.dmarc_counts import (
    MailRow,
    hear_dmarc,
    published,
    read_mark,
    report_row,
)
from pillarbox.smtp.address import Mailbox
from pillarbox.smtp.envelope import Envelope, Recipient
from pillarbox.store.memory import MemoryDisk, MemoryStore

NOW = 1_800_000_000.0
REPORTS = frozenset({"dmarc@local.test"})
ZONE = """
$TTL 300
$ORIGIN test.
outside       TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.outside TXT "v=DMARC1; p={policy}; sp=none; {more}rua=mailto:dmarc@outside.test"
below.outside TXT "v=spf1 -all"
quiet         TXT "v=spf1 -all"
_dmarc.quiet  TXT "v=DMARC1; p=reject"
;! timeout broken.test
"""
HEADER = b"From: Eve <eve@{}>\r\nTo: ann@local.test\r\nSubject: hello\r\n\r\n"


async def judged(
    counts: Counts[MailRow],
    *,
    policy: str = "reject",
    more: str = "",
    author: str = "outside.test",
    client: str = "192.0.2.1",
    enforcement: DmarcEnforcement = DmarcEnforcement.REJECT,
) -> None:
    """Have a listener judge a message."""
    resolver = ZoneResolver(ZONE.format(policy=policy, more=more))
    judges = Judges(
        verifier=Verifier(resolver=resolver),
        policy=SenderPolicy(enforcement=enforcement),
        authserv_id="mx.local.test",
        trusted_forwarders=(),
        listeners=("mx",),
        exempt=TrustedNetworks(()),
        patience=0.2,
        is_forward=lambda _: False,
        sealer=lambda: None,
        observe=partial(hear_dmarc, counts, REPORTS),
    )
    with ThreadPoolExecutor(1) as executor:
        inspector = JudgingInspector(judges, executor, lambda: NOW, lambda _: None)
        header = HEADER.replace(b"{}", author.encode())
        inspection = inspector.begin(draft(author, client), header)
        assert inspection is not None
        inspection.feed(b"Hello\r\n")
        await inspection.conclude(None)  # type: ignore[arg-type]


def draft(author: str = "outside.test", client: str = "192.0.2.1", recipient: str = "ann") -> Draft:
    """Return a message that comes in."""
    session = Session(helo="mx.outside.test", address=client, hostname="mx.local.test")
    return Draft(
        message=1,  # type: ignore[arg-type]
        shown="1",
        at=NOW,
        origin=Origin(
            name="mx",
            is_submission=False,
            trace=ReceivedTrace(session),
            client=client,
            helo="mx.outside.test",
        ),
        envelope=Envelope(
            reverse_path=Mailbox("eve", author),
            recipients=(Recipient(Mailbox(recipient, "local.test")),),
        ),
    )


def counted(domain: str = "outside.test", **message: Any) -> Day[MailRow]:
    """Return what is counted of one message."""

    async def main() -> Day[MailRow]:
        store = MemoryStore("main", lambda: NOW, MemoryDisk())
        await store.open()
        counts = Counts("dmarc", MailRow, store.notes)
        await judged(counts, **message)
        await counts.flush(now=NOW)
        return await counts.day(day_of(NOW), domain, now=NOW)

    return asyncio.run(main())


def row(domain: str = "outside.test", **message: Any) -> Row:
    """Return the row that is reported of one message."""
    ((found, count),) = counted(domain, **message).rows
    return report_row(found, count)


def test_mail_that_passes_is_told_with_all_it_passed_by() -> None:
    """Source, identifiers and results, whether aligned or not (RFC 9990 §3.1)."""
    found = row()
    assert (found.source_ip, found.count, found.disposition) == ("192.0.2.1", 1, "pass")
    assert (found.dkim, found.spf, found.reasons) == ("fail", "pass", ())
    assert (found.header_from, found.envelope_from, found.envelope_to) == (
        "outside.test",
        "outside.test",
        "local.test",
    )
    (spf,) = found.spf_auth
    assert (spf.domain, spf.result, spf.scope) == ("outside.test", "pass", "mfrom")


@pytest.mark.parametrize(
    ("policy", "more", "enforcement", "disposition", "reason"),
    [
        ("reject", "", DmarcEnforcement.REJECT, "reject", ""),
        ("quarantine", "", DmarcEnforcement.REJECT, "quarantine", ""),
        ("none", "", DmarcEnforcement.REJECT, "none", ""),
        ("reject", "", DmarcEnforcement.QUARANTINE, "quarantine", "local_policy"),
        ("reject", "", DmarcEnforcement.OBSERVE, "none", "local_policy"),
        ("reject", "t=y; ", DmarcEnforcement.REJECT, "quarantine", "policy_test_mode"),
    ],
)
def test_what_was_done_is_told_and_why_it_is_not_what_was_asked_for(
    policy: str, more: str, enforcement: DmarcEnforcement, disposition: str, reason: str
) -> None:
    """The disposition is ours; a reason stands there where it is not the owner's."""
    found = row(policy=policy, more=more, client="203.0.113.9", enforcement=enforcement)
    assert (found.disposition, found.spf) == (disposition, "fail")
    assert [each.type for each in found.reasons] == ([reason] if reason else [])


def test_a_trusted_forwarder_is_named_as_the_reason() -> None:
    """Mail that is taken for its sake is told as such."""

    async def main() -> tuple[Verification, Counts[MailRow]]:
        store = MemoryStore("main", lambda: NOW, MemoryDisk())
        await store.open()
        counts = Counts("dmarc", MailRow, store.notes)
        resolver = ZoneResolver(ZONE.format(policy="reject", more=""))
        path = Mailbox("eve", "outside.test")
        client = Client(address="203.0.113.9", helo="x", reverse_path=path)
        header = scan_header(HEADER.replace(b"{}", b"outside.test"))
        found = await Verifier(resolver=resolver).begin(header, client).conclude(now=NOW)
        voucher = Voucher(1, "list.test", "list.test saw DMARC pass")
        hear_dmarc(counts, REPORTS, draft(), found, Policy.NONE, voucher)
        await counts.flush(now=NOW)
        ((seen, count),) = (await counts.day(day_of(NOW), "outside.test", now=NOW)).rows
        expected = OverrideReason("trusted_forwarder", "list.test saw DMARC pass")
        assert report_row(seen, count).reasons == (expected,)
        return found, counts

    asyncio.run(main())


def test_subdomains_are_told_to_the_policy_domain() -> None:
    """One report has them all; the record is told as it was published."""
    day = counted(author="below.outside.test")
    ((found, _),) = day.rows
    assert found.header_from == "below.outside.test"
    read = read_mark(day.mark)
    assert read is not None
    told = published("outside.test", *read)
    assert (told.domain, told.p, told.sp, told.discovery_method) == (
        "outside.test",
        "reject",
        "none",
        "treewalk",
    )
    assert (
        Report(organization="", email="", report_id="", begin=0, end=0, policy=told).policy.adkim
        == "r"
    )


def test_a_report_to_us_is_no_reason_to_report() -> None:
    """It is told with the rest; alone it causes nothing, or two nodes would never stop."""

    async def main() -> None:
        store = MemoryStore("main", lambda: NOW, MemoryDisk())
        await store.open()
        counts = Counts("dmarc", MailRow, store.notes)
        resolver = ZoneResolver(ZONE.format(policy="reject", more=""))
        client = Client(address="192.0.2.1", reverse_path=Mailbox("e", "outside.test"))
        header = scan_header(HEADER.replace(b"{}", b"outside.test"))
        found = await Verifier(resolver=resolver).begin(header, client).conclude(now=NOW)
        for recipient, causes in (("Dmarc", 0), ("ann", 1)):
            hear_dmarc(counts, REPORTS, draft(recipient=recipient), found, Policy.NONE, None)
            await counts.flush(now=NOW)
            (note,) = await counts.domains(day_of(NOW), now=NOW)
            assert note.amount == causes
        ((_, count),) = (await counts.day(day_of(NOW), "outside.test", now=NOW)).rows
        assert count == 2

    asyncio.run(main())


@pytest.mark.parametrize("author", ["quiet.test", "other.test", "broken.test"])
def test_who_does_not_ask_is_not_counted(author: str) -> None:
    """No record, no address in it, or no answer: nothing is kept of such mail."""
    assert counted(author, author=author).rows == []


def test_counting_costs_little() -> None:
    """A message that is like an earlier one costs some ten microseconds."""

    async def main() -> float:
        store = MemoryStore("main", lambda: NOW, MemoryDisk())
        await store.open()
        counts = Counts("dmarc", MailRow, store.notes)
        resolver = ZoneResolver(ZONE.format(policy="reject", more=""))
        client = Client(address="192.0.2.1", helo="x", reverse_path=Mailbox("e", "outside.test"))
        header = scan_header(HEADER.replace(b"{}", b"outside.test"))
        found = await Verifier(resolver=resolver).begin(header, client).conclude(now=NOW)
        one = draft()
        began = time.process_time()
        for _ in range(2_000):
            hear_dmarc(counts, REPORTS, one, found, Policy.NONE, None)
        return (time.process_time() - began) / 2_000

    seconds = asyncio.run(main())
    print(f"{seconds * 1e6:.1f} microseconds")
    assert seconds < 200e-6

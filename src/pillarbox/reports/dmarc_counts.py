"""Counts for DMARC aggregate reports: what our listeners saw of others' mail (RFC 9990 §3.1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec
from msgspec import Struct

from pillarbox.intake.draft import Draft
from pillarbox.mailauth.arc import Voucher
from pillarbox.mailauth.dmarc import Evaluation, Policy, Record, Result, parse_record
from pillarbox.mailauth.dmarc_report import DkimAuth, OverrideReason, PublishedPolicy, Row, SpfAuth
from pillarbox.mailauth.results import Verification
from pillarbox.reports.counts import Counts

__all__ = ["MailRow", "hear_dmarc", "published", "read_mark", "report_row"]

_MAX_SIGNATURES: Final = 10
_LONGEST: Final = 253


class MailRow(Struct, frozen=True, array_like=True):
    """Messages that share one counter."""

    source: str
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str
    envelope_to: str
    reason: tuple[str, str] | None
    dkim_auth: tuple[tuple[str, str, str], ...]  # domain, selector, result
    spf_auth: tuple[str, str, str] | None  # domain, result, scope


class _Mark(Struct, frozen=True, array_like=True):
    """The record that a domain had when its mail was judged."""

    record: str
    discovery: str


def hear_dmarc(
    counts: Counts[MailRow],
    report_addresses: Collection[str],
    draft: Draft,
    found: Verification,
    done: Policy,
    voucher: Voucher | None,
) -> None:
    """Count a message, if its author's domain requests reports.

    Args:
        counts: Where.
        report_addresses: Our addresses for reports, in lower case. Mail to them is included, but is
            not a reason to report: otherwise two servers would report to each other about their
            reports forever.
        draft: The message's client and envelope.
        found: Its authentication results.
        done: What was done with it.
        voucher: The trusted forwarder that vouched for it, if any.
    """
    judged = found.dmarc
    discovery = judged.discovery
    record = None if discovery is None else discovery.record
    if discovery is None or record is None or not record.applies or not record.aggregate:
        return
    is_pass = judged.result is Result.PASS
    sender, recipients = draft.envelope.reverse_path, draft.envelope.recipients
    row = MailRow(
        source=found.client.address,
        disposition="pass" if is_pass else done.value,
        dkim="pass" if judged.dkim_is_aligned else "fail",
        spf="pass" if judged.spf_is_aligned else "fail",
        header_from=judged.author_domain,
        envelope_from="" if sender is None else sender.ascii_domain,
        envelope_to=recipients[0].address.ascii_domain,
        reason=None if is_pass else _override(judged, done, voucher),
        dkim_auth=tuple(
            (one.domain[:_LONGEST], one.selector[:_LONGEST], one.result.value)
            for one in found.dkim[:_MAX_SIGNATURES]
            if one.domain
        ),
        spf_auth=_spf(found),
    )
    mark = msgspec.msgpack.encode(_Mark(record.text, discovery.mode.value))
    is_report = all(str(each.address).lower() in report_addresses for each in recipients)
    counts.count(draft.at, discovery.record_domain, row, mark, is_cause=not is_report)


def _spf(found: Verification) -> tuple[str, str, str] | None:
    sender = found.spf
    if sender is None:
        return None
    scope = "helo" if sender.identity == "helo" else "mfrom"
    return sender.domain[:_LONGEST], sender.result.value, scope


def _override(judged: Evaluation, done: Policy, voucher: Voucher | None) -> tuple[str, str] | None:
    """Return why we did not do what the policy asks for (RFC 9990 §3.1.3)."""
    discovery = judged.discovery
    asked = Policy.NONE if discovery is None else discovery.policy
    if judged.result is not Result.FAIL or done is asked:
        return None
    if voucher is not None:
        return "trusted_forwarder", voucher.reason[:_LONGEST]
    if done is judged.disposition:
        return "policy_test_mode", ""
    return "local_policy", ""


def read_mark(mark: bytes) -> tuple[Record, str] | None:
    """Return the record that a domain had and how it was found, or None."""
    try:
        read = msgspec.msgpack.decode(mark, type=_Mark)
    except msgspec.MsgspecError:
        return None
    record = parse_record(read.record)
    return None if record is None else (record, read.discovery)


def published(domain: str, record: Record, discovery: str) -> PublishedPolicy:
    """Return a record as a report tells it."""
    return PublishedPolicy(
        domain=domain,
        p=record.p.value,
        sp="" if record.sp is None else record.sp.value,
        np="" if record.np is None else record.np.value,
        adkim="s" if record.dkim_is_strict else "r",
        aspf="s" if record.spf_is_strict else "r",
        fo=record.failure_options,
        testing="y" if record.is_testing else "n",
        discovery_method=discovery,
        pct=str(record.pct),
    )


def report_row(row: MailRow, count: int) -> Row:
    """Return a row as a report tells it."""
    spf = row.spf_auth
    return Row(
        source_ip=row.source,
        count=count,
        disposition=row.disposition,
        dkim=row.dkim,
        spf=row.spf,
        header_from=row.header_from,
        envelope_from=row.envelope_from,
        envelope_to=row.envelope_to,
        reasons=() if row.reason is None else (OverrideReason(*row.reason),),
        dkim_auth=tuple(DkimAuth(*one) for one in row.dkim_auth),
        spf_auth=() if spf is None else (SpfAuth(*spf),),
    )

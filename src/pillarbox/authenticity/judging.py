"""Authenticates incoming mail, records the results in its header, and applies DMARC policy.

The results become an Authentication-Results field on top; fields that claim to be ours are removed
(RFC 8601 §5). Mail forwarded to another domain is sealed (RFC 8617), so that the next server can
see our results.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import Executor
from dataclasses import dataclass

from pillarbox.authenticity.disposition import Decision, SenderPolicy
from pillarbox.errors import PermanentError
from pillarbox.events.types import MessageJudged, Sink
from pillarbox.intake.draft import Draft
from pillarbox.intake.inspection import Inspection, Judgement
from pillarbox.mailauth.arc import Sealer, Voucher
from pillarbox.mailauth.authres import forged_fields
from pillarbox.mailauth.dmarc import Policy, Result as DmarcResult
from pillarbox.mailauth.spf import Result as SpfResult
from pillarbox.mailauth.verification import Client, Examination, Verification, Verifier
from pillarbox.message.header import Header, scan_header
from pillarbox.policy.networks import TrustedNetworks
from pillarbox.policy.ruling import Action, Ruling
from pillarbox.smtp.address import ReversePath
from pillarbox.smtp.envelope import Envelope

__all__ = ["Judges", "JudgingInspector", "Observer"]

Observer = Callable[[Draft, Verification, Policy, Voucher | None], None]
"""Called for each message: the results, what was done by the policy of its author's domain, and who
vouched for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judges:
    """The settings and services for verification, in one configuration."""

    verifier: Verifier
    policy: SenderPolicy
    authserv_id: str
    trusted_forwarders: Collection[str]
    listeners: Collection[str]  # whose mail is verified
    exempt: TrustedNetworks  # whose mail is not verified
    patience: float  # seconds for all checks of a message
    is_forward: Callable[[Envelope], bool]  # whether a message is forwarded to another domain
    sealer: Callable[[], Sealer | None]  # None: nothing is sealed
    observe: Observer | None = None


class JudgingInspector:
    """Verifies messages."""

    def __init__(
        self, judges: Judges, executor: Executor, now: Callable[[], float], sink: Sink
    ) -> None:
        """Prepare verification.

        Args:
            judges: Returns the current settings and services.
            executor: Runs the computation of seals.
            now: The wall clock, seconds since 1970.
            sink: Receives events with the results.
        """
        self._judges = judges
        self._executor = executor
        self._now = now
        self._sink = sink

    def begin(self, draft: Draft, header: bytes) -> Inspection | None:
        """Start verifying a message from outside; other messages are left alone."""
        origin, judges = draft.origin, self._judges
        if origin.identity or origin.name not in judges.listeners:
            return None
        if origin.client in judges.exempt:
            return None
        sealer = judges.sealer() if judges.is_forward(draft.envelope) else None
        scanned = scan_header(header)
        examination = judges.verifier.begin(
            scanned,
            Client(
                address=origin.client,
                helo=origin.helo,
                reverse_path=draft.envelope.reverse_path,
            ),
            also_wanted=frozenset() if sealer is None else sealer.wanted,
        )
        return _Judging(self, draft, header, examination, sealer)

    async def conclude(
        self, draft: Draft, header: bytes, examination: Examination, sealer: Sealer | None
    ) -> Judgement:
        """Verify a message whose body has been fed."""
        judges, now = self._judges, self._now()
        try:
            found = await asyncio.wait_for(examination.conclude(now=now), judges.patience)
        except TimeoutError:
            return Judgement(
                rulings=(judges.policy.unknown(judges.patience),),
                cuts=forged_fields(scan_header(header), judges.authserv_id),
                is_sender_doubtful=True,
            )
        voucher = found.voucher(judges.trusted_forwarders)
        decision = judges.policy.decide(found.dmarc, voucher)
        ruling = decision.ruling
        self._tell(draft, found, ruling)
        if judges.observe is not None and ruling.action is not Action.DEFER:  # it will be retried
            judges.observe(draft, found, _done(decision), voucher)
        is_utf8 = draft.envelope.smtputf8
        fields = found.field(judges.authserv_id, is_utf8=is_utf8)
        if decision.is_marked:
            fields = b"X-Quarantine: dmarc\r\n" + fields
        judgement = Judgement(
            rulings=() if ruling.action is Action.PASS else (ruling,),
            fields=fields,
            cuts=found.forged(judges.authserv_id),
            is_sender_doubtful=not _is_proved(found, draft.envelope.reverse_path),
        )
        if sealer is None or ruling.turns_away:
            return judgement
        kept = scan_header(judgement.apply(header)) if judgement.cuts else found.header
        return await self._sealed(judgement, sealer, kept, examination, found, is_utf8=is_utf8)

    async def _sealed(
        self,
        judgement: Judgement,
        sealer: Sealer,
        header: Header,
        examination: Examination,
        found: Verification,
        *,
        is_utf8: bool,
    ) -> Judgement:
        said, now = found.said(self._judges.authserv_id), self._now()

        def seal() -> bytes:
            return sealer.seal(
                header, examination.body, chain=found.arc, said=said, now=now, is_utf8=is_utf8
            )

        try:
            fields = await asyncio.get_running_loop().run_in_executor(self._executor, seal)
        except PermanentError as error:
            failed = Ruling(action=Action.NOTE, by="arc", reason=f"not sealed: {error}")
            return judgement.joined(Judgement(rulings=(failed,)))
        return judgement.joined(Judgement(fields=fields))

    def _tell(self, draft: Draft, found: Verification, ruling: Ruling) -> None:
        judged, sender = found.dmarc, found.spf
        self._sink(
            MessageJudged(
                at=draft.at,
                message=draft.shown,
                session=draft.origin.session,
                client=draft.origin.client,
                author=judged.author_domain,
                spf="none" if sender is None else f"{sender.result.value} {sender.domain}",
                dkim=[f"{one.result.value} {one.domain} {one.selector}" for one in found.dkim],
                dmarc=judged.result.value,
                disposition=judged.disposition.value,
                arc=found.arc.status.value,
                reasons=_reasons(found),
                ruling=ruling.action.name.lower(),
            )
        )


class _Judging:
    """One message that is being verified."""

    __slots__ = ("_draft", "_examination", "_header", "_inspector", "_sealer")

    def __init__(
        self,
        inspector: JudgingInspector,
        draft: Draft,
        header: bytes,
        examination: Examination,
        sealer: Sealer | None,
    ) -> None:
        self._inspector = inspector
        self._draft = draft
        self._header = header
        self._examination = examination
        self._sealer = sealer

    def feed(self, body: bytes) -> None:
        """Hash the next octets of the body."""
        self._examination.feed(body)

    async def conclude(self, earlier: Judgement) -> Judgement:
        """Verify the message and decide about it."""
        del earlier
        return await self._inspector.conclude(
            self._draft, self._header, self._examination, self._sealer
        )


def _done(decision: Decision) -> Policy:
    """Return what was done with a message, in DMARC's terms."""
    action = decision.ruling.action
    if action is Action.REFUSE:
        return Policy.REJECT
    return Policy.QUARANTINE if decision.is_marked or action is Action.HOLD else Policy.NONE


def _reasons(found: Verification) -> list[str]:
    reasons = [] if found.spf is None else [f"spf: {found.spf.reason}"]
    reasons += [f"dkim: {one.reason}" for one in found.dkim if one.reason]
    reasons.append(f"dmarc: {found.dmarc.reason}")
    return reasons


def _is_proved(found: Verification, sender: ReversePath) -> bool:
    """Whether the reverse-path is genuine, so that a bounce reaches the real sender.

    It is if SPF passes, or if DMARC passes for the same domain.
    """
    if sender is None or (found.spf is not None and found.spf.result is SpfResult.PASS):
        return True
    is_author = found.dmarc.author_domain == sender.ascii_domain
    return is_author and found.dmarc.result is DmarcResult.PASS

"""The output of ``pillarbox send``: what happened to each recipient, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Final

from rich.table import Column
from rich.text import Text

from pillarbox.cli.explain import diagnosis_object, print_diagnosis
from pillarbox.cli.output import Out, safe, show_size
from pillarbox.config.mail_url import MailUrl
from pillarbox.diagnosis.explain import Diagnosis, explain
from pillarbox.diagnosis.reading.text import read
from pillarbox.net.channel import OpenFailed
from pillarbox.net.endpoint import Endpoint
from pillarbox.net.tls import TlsState
from pillarbox.net.transaction import RecipientOutcome
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.envelope import Envelope
from pillarbox.smtp.reply import Reply

__all__ = ["Delivery", "print_delivery", "show_object"]

_QUEUED: Final = re.compile(r"\bqueued as ([A-Za-z0-9._-]{4,64})")
_MARKS: Final = {">": "strong", "<": "", "*": "quiet"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One mail, and what came of it."""

    server: MailUrl
    envelope: Envelope
    size: int  # octets
    page: str = ""  # where the sandbox shows it
    outcomes: tuple[RecipientOutcome, ...] = ()
    failed: OpenFailed | None = None
    endpoint: Endpoint | None = None
    tls: TlsState | None = None
    conversation: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every recipient got it."""
        return bool(self.outcomes) and all(each.is_delivered for each in self.outcomes)

    @property
    def queued_as(self) -> str:
        """The server's name for the message, where it gave one."""
        for outcome in self.outcomes:
            if outcome.is_delivered and outcome.reply is not None:
                found = _QUEUED.search(outcome.reply.text)
                if found:
                    return found[1]
        return ""

    @property
    def diagnoses(self) -> tuple[Diagnosis, ...]:
        """Why it failed, each reason once."""
        if self.failed is not None:
            failed = self.failed
            return _diagnosed(failed.reply, failed.reason, failed.stage, self.server.host, "")
        reasons: dict[str, Diagnosis] = {}
        for recipient, outcome in zip(self.envelope.recipients, self.outcomes, strict=False):
            if outcome.is_delivered:
                continue
            found = _diagnosed(
                outcome.reply,
                outcome.reason,
                outcome.stage,
                self.server.host,
                str(recipient.address),
            )
            for diagnosis in found:
                reasons.setdefault(f"{outcome.stage} {outcome.reply} {outcome.reason}", diagnosis)
        return tuple(reasons.values())


def _diagnosed(
    reply: Reply | None, reason: str, stage: Stage, host: str, recipient: str
) -> tuple[Diagnosis, ...]:
    said = str(reply) if reply is not None else reason
    observations = read(said.encode())[:1]
    return tuple(
        explain(replace(each, stage=stage, host=each.host or host, recipient=recipient))
        for each in observations
    )


def print_delivery(out: Out, delivery: Delivery, *, has_transcript: bool) -> None:
    """Write what came of it: the way there, each recipient, and the reasons of failures."""
    if has_transcript:
        for line in delivery.conversation:
            out.line(Text(safe(line), _MARKS.get(line[:1], "")))
        out.line()
    _print_way(out, delivery)
    if delivery.failed is not None:
        out.line(Text.assemble(("not sent  ", "bad"), safe(delivery.failed.reason)))
        if delivery.page and delivery.failed.stage in {Stage.CONNECT, Stage.RESOLVE}:
            out.line("Nothing listens there. Start the sandbox by `pillarbox sandbox`.")
            return
    rows = [
        (str(recipient.address), _outcome(outcome))
        for recipient, outcome in zip(delivery.envelope.recipients, delivery.outcomes, strict=False)
    ]
    if rows:
        columns = (Column(no_wrap=True, style="id"), Column(overflow="fold"))
        out.table(columns, [(safe(address), text) for address, text in rows], has_heading=False)
    if delivery.queued_as and delivery.page:
        out.line(f"see it  {delivery.page}/mail/{delivery.queued_as}")
    for diagnosis in delivery.diagnoses:
        if diagnosis.causes:
            out.line()
            print_diagnosis(out, diagnosis)


def _print_way(out: Out, delivery: Delivery) -> None:
    server = delivery.server
    way = f"{show_size(delivery.size)} to {server.host}:{server.port}"
    if delivery.endpoint is not None:
        if delivery.endpoint.address != server.host:
            way += f" ({delivery.endpoint.address})"
        trust = ", certificate not verified"
        tls = delivery.tls
        way += f", {tls}{'' if tls.is_verified else trust}" if tls else ", in the clear"
        way += f", as {server.user}" if server.user else ""
    out.line(Text(safe(way), "quiet"))


def _outcome(outcome: RecipientOutcome) -> Text:
    said = safe(str(outcome.reply)) if outcome.reply is not None else safe(outcome.reason)
    if outcome.is_delivered:
        return Text.assemble(("taken  ", "good"), said)
    if outcome.is_uncertain:
        return Text.assemble(("unknown  ", "doubt"), said)
    word = "not sendable" if outcome.is_local else "refused"
    return Text.assemble((f"{word}  ", "bad"), said)


def show_object(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as an object for JSON."""
    failed, tls = delivery.failed, delivery.tls
    return {
        "server": {
            "host": delivery.server.host,
            "port": delivery.server.port,
            "address": delivery.endpoint.address if delivery.endpoint else "",
            "tls": str(tls or ""),
            "verified": tls is not None and tls.is_verified,
            "user": delivery.server.user,
        },
        "sender": str(delivery.envelope.reverse_path or ""),
        "size": delivery.size,
        "sent": delivery.is_complete,
        "queued_as": delivery.queued_as,
        "failed": None
        if failed is None
        else {"stage": failed.stage.value, "reason": failed.reason, **_reply_object(failed.reply)},
        "recipients": _recipients(delivery),
        "transcript": list(delivery.conversation),
        "diagnoses": [diagnosis_object(each) for each in delivery.diagnoses],
    }


def _recipients(delivery: Delivery) -> list[dict[str, Any]]:
    if not delivery.outcomes:
        return [
            {"address": str(each.address), "taken": False} for each in delivery.envelope.recipients
        ]
    return [
        {
            "address": str(recipient.address),
            "taken": outcome.is_delivered,
            "stage": outcome.stage.value,
            "uncertain": outcome.is_uncertain,
            "reason": outcome.reason,
            **_reply_object(outcome.reply),
        }
        for recipient, outcome in zip(delivery.envelope.recipients, delivery.outcomes, strict=True)
    ]


def _reply_object(reply: Reply | None) -> dict[str, Any]:
    if reply is None:
        return {"code": None, "enhanced": "", "text": ""}
    return {"code": reply.code, "enhanced": str(reply.enhanced or ""), "text": reply.text}

"""Mailpit's API: server information and chaos."""

from __future__ import annotations

from fastapi import Request, Response
from msgspec import Struct, to_builtins

from pillarbox.api.answers import json_answer
from pillarbox.api.mailpit.reading import describes, read_body
from pillarbox.api.serving import TheSandbox
from pillarbox.sandbox.chaos import Chaos, Trigger, chaos_of, set_chaos
from pillarbox.sandbox.failing import Failing
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(tags=["Mailpit: the server"])


class _Trigger(Struct, frozen=True, rename="pascal"):
    error_code: int = 451
    probability: int = 0  # percent


class _Triggers(Struct, frozen=True, rename="pascal"):
    sender: _Trigger = _Trigger(451)
    recipient: _Trigger = _Trigger(451)
    authentication: _Trigger = _Trigger(535)


@router.get("/info", summary="About the server")
async def read_info(sandbox: TheSandbox) -> Response:
    """Return totals, and what has happened since the start."""
    info = await sandbox.info()
    tags = await sandbox.tags()
    return json_answer(
        {
            "Version": info.version,
            "LatestVersion": "disabled",  # nobody is asked: nothing leaves the machine
            "Database": info.database,
            "DatabaseSize": info.counts.octets,
            "Messages": info.counts.total,
            "Unread": info.counts.unread,
            "Tags": {each.tag: each.count for each in tags},
            "RuntimeStats": {
                "Uptime": int(info.uptime),
                "Memory": info.memory,
                "MessagesDeleted": info.statistics.removed + info.statistics.pruned,
                "SMTPAccepted": info.statistics.caught,
                "SMTPAcceptedSize": info.statistics.caught_octets,
                "SMTPRejected": info.statistics.refused,
                "SMTPIgnored": 0,
            },
        }
    )


@router.get("/webui", summary="Settings of the page")
async def read_settings(sandbox: TheSandbox) -> Response:
    """Return what Mailpit's page asks when it starts."""
    releaser = sandbox.releaser
    allowed = "" if releaser is None else ", ".join(releaser.patterns)
    return json_answer(
        {
            "Label": sandbox.settings.label,
            "MessageRelay": {
                "Enabled": releaser is not None,
                "SMTPServer": "" if releaser is None else str(releaser.relay),
                "ReturnPath": "",
                "AllowedRecipients": allowed,
                "BlockedRecipients": "",
                "OverrideFrom": "",
                "PreserveMessageIDs": True,
                "RecipientAllowlist": allowed,
            },
            "SpamAssassin": bool(sandbox.settings.rspamd or sandbox.settings.spamassassin),
            "ChaosEnabled": True,
            "DuplicatesIgnored": False,
            "HideDeleteAllButton": False,
        }
    )


@router.get("/chaos", summary="Read the chaos triggers")
async def read_chaos(sandbox: TheSandbox) -> Response:
    """Return how often senders, recipients and logins fail."""
    return json_answer(_show(sandbox.failing))


@router.put("/chaos", summary="Set the chaos triggers", openapi_extra=describes(_Triggers))
async def put_chaos(request: Request, sandbox: TheSandbox) -> Response:
    """Set how often senders, recipients and logins fail; what is left out does not."""
    body = await read_body(request, _Triggers)
    await set_chaos(
        sandbox.failing,
        Chaos(
            sender=_trigger(body.sender),
            recipient=_trigger(body.recipient),
            authentication=_trigger(body.authentication),
        ),
    )
    return json_answer(_show(sandbox.failing))


def _trigger(given: _Trigger) -> Trigger:
    return Trigger(given.error_code, given.probability)


def _show(failing: Failing) -> object:
    chaos = chaos_of(failing)
    shown = _Triggers(
        sender=_Trigger(chaos.sender.code, chaos.sender.probability),
        recipient=_Trigger(chaos.recipient.code, chaos.recipient.probability),
        authentication=_Trigger(chaos.authentication.code, chaos.authentication.probability),
    )
    return to_builtins(shown)

"""One call of a webhook: the event as JSON, signed and posted.

A receiver has 15 seconds, redirects are not followed, and 2xx is success. A URL from the
configuration may lead anywhere, since the operator wrote it; one that was set on a page or through
the API only to public addresses, unless the caller says otherwise.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from pillarbox.inbox.values import Person, Summary
from pillarbox.net.guarded import AddressRefused, Target, read_target
from pillarbox.net.https import Fetched, FetchFailed, Request, exchange
from pillarbox.net.tls import TlsContexts, TlsFailed
from pillarbox.policy.public_addresses import is_public_address
from pillarbox.sandbox.webhook_signature import signed_fields
from pillarbox.store.ids import show_id

__all__ = ["Answer", "Endpoint", "call", "received_event", "test_event"]

_ANY_PORT: Final = range(1, 65_536)
_contexts: Final = TlsContexts()
_MOST_ANSWER: Final = 64 * 1024  # octets that are read
_SHOWN_ANSWER: Final = 2_000  # characters that are kept
_MOST_EVENT: Final = 20_000  # octets, as Standard Webhooks asks
_PEOPLE: Final = (50, 10, 2)  # of each field, as many as fit
_MOST_TEXT: Final = 500  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Somebody who is told of new mail."""

    name: str
    url: str
    keys: tuple[bytes, ...]  # that sign, the present one first
    secret: str  # one that was made up here, for people to copy; "" where somebody gave it
    project: str = ""  # "": of every project
    search: str = ""
    timeout: float = 15.0
    authorities: Path | None = None  # to trust; None: the system's
    is_configured: bool = True  # and not set in the page
    may_be_private: bool = True  # whether it may be a machine inside


class Answer(Struct, frozen=True):
    """What came of a call."""

    status: int | None  # None: there was no answer
    problem: str  # "" for a success
    text: str = ""  # the beginning of what the receiver said
    retry_after: float | None = None  # seconds
    is_final: bool = False  # no other try can help


async def call(endpoint: Endpoint, *, name: str, body: bytes, now: float) -> Answer:
    """Call a webhook once.

    Args:
        endpoint: Who.
        name: Of the event; the same at each attempt.
        body: The event.
        now: Seconds since 1970.
    """
    if not endpoint.keys:
        return Answer(None, "its secret cannot be used, so nothing is sent", is_final=True)
    try:
        target = read_target(endpoint.url, _ANY_PORT, may_be_inside=True)
        async with asyncio.timeout(endpoint.timeout):
            address = await _address(target, may_be_private=endpoint.may_be_private)
        request = Request(
            "POST",
            target.host,
            target.path,
            content=body,
            content_type="application/json",
            authority=target.authority,
            fields=signed_fields(endpoint.keys, name=name, timestamp=int(now), body=body),
        )
        fetched = await exchange(
            request,
            address,
            _contexts.verified(endpoint.authorities) if target.scheme == "https" else None,
            port=target.port,
            most=_MOST_ANSWER,
            patience=endpoint.timeout,
        )
    except AddressRefused as refused:
        return Answer(None, str(refused), is_final=True)
    except TlsFailed as failed:
        return Answer(None, str(failed), is_final=True)
    except TimeoutError:
        return Answer(None, f"DNS did not answer within {endpoint.timeout:g} s")
    except FetchFailed as failed:
        return Answer(None, str(failed))
    return _judged(fetched)


def _judged(fetched: Fetched) -> Answer:
    status = fetched.status
    text = _shown(fetched.body)
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110 §15.3
        return Answer(status, "", text)
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 §15.4
        return Answer(status, f"{status}: redirects are not followed", text, is_final=True)
    if status == 410:  # noqa: PLR2004 - Standard Webhooks: gone for good
        return Answer(status, "410: it no longer wants to be called", text, is_final=True)
    wait = fetched.retry_after
    return Answer(status, f"it answered {status}", text, float(wait) if wait.isdecimal() else None)


def _shown(body: bytes) -> str:
    """Return the beginning of what a receiver said, without what would steer a terminal or a page."""
    text = body.decode("utf-8", "replace")[:_SHOWN_ANSWER]
    return "".join(char if char.isprintable() or char in "\n\t" else "\ufffd" for char in text)


async def _address(target: Target, *, may_be_private: bool) -> str:
    """Return the address to dial, which is the one that was looked at.

    Raises:
        AddressRefused: There is none, or one of them may not be asked.
        FetchFailed: The name could not be looked up.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise FetchFailed(f"{target.host}: {error.strerror}") from error
    addresses = [str(each[4][0]) for each in found]
    for address in addresses:
        if not may_be_private and not is_public_address(address):
            raise AddressRefused(
                f"{target.host} ({address}) is an internal machine; such a webhook must be defined "
                "in the configuration: [sandbox_webhook.NAME]"
            )
    # "localhost" is two addresses, and programs listen on the older one more often.
    return next((each for each in addresses if ":" not in each), addresses[0])


# --- events --------------------------------------------------------------------------


def received_event(summary: Summary) -> bytes:
    """Return the event that tells of a caught mail."""
    event = b""
    for most in _PEOPLE:
        event = _event("email.received", summary.at, _data(summary, most))
        if len(event) <= _MOST_EVENT:
            break
    return event


def test_event(at: float) -> bytes:
    """Return the event that the test button sends."""
    return _event("webhook.test", at, {"text": "This is a test of the webhook."})


def _event(kind: str, at: float, data: dict[str, Any]) -> bytes:
    moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    timestamp = moment.replace("+00:00", "Z")
    return msgspec.json.encode({"type": kind, "timestamp": timestamp, "data": data})


def _data(summary: Summary, most: int) -> dict[str, Any]:
    shown = show_id(summary.id)
    return {
        "id": shown,
        "project": summary.project,
        "message_id": summary.message_id[:_MOST_TEXT],
        "from": None if summary.author is None else _people((summary.author,), 1)[0],
        "to": _people(summary.to, most),
        "cc": _people(summary.cc, most),
        "bcc": _people(summary.bcc, most),
        "reply_to": _people(summary.reply_to, most),
        "subject": summary.subject[:_MOST_TEXT],
        "snippet": summary.snippet,
        "tags": summary.tags[:most],
        "size": summary.size,
        "attachments": summary.attachments,
        "inlines": summary.inlines,
        "envelope": {
            "from": summary.reverse_path,
            "to": summary.recipients[:most],
        },
        "identity": summary.identity,
        "client": summary.client,
        "tls": summary.tls,
    }


def _people(people: Sequence[Person], most: int) -> list[dict[str, str]]:
    return [
        {"address": person.address[:_MOST_TEXT], "name": person.name[:_MOST_TEXT]}
        for person in people[:most]
    ]

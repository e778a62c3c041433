"""Reads bounces that are written for people only: whom they name, and the reason beside each name.

There are some dozens of forms, and all share three habits, which are used instead of the forms:
the message that came back stands at the end, behind a line that says so; the address that
failed begins a line or stands in the line with the reason; and the reason follows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Failure", "find_addresses", "is_delay", "prose_failures"]

_MAX_PROSE: Final = 64 * 1024
_MAX_LINES: Final = 12  # of a reason
_MAX_FAILURES: Final = 200
_ADDRESS: Final = re.compile(
    r"(?<![\w.+@/=-])[\w.!#$%&'*+/=?^{|}~-]{1,64}+@[\w-]{1,63}+(?:\.[\w-]{1,63}+){0,10}"
)
# Where the copy of the message begins.
_COPY: Final = re.compile(
    r"^(?:[ \t>|*=#-]{0,40}+)(?:"
    r"below this line is a copy|this is a copy of|original message(?: (?:follows|headers?|text)| ?-|\s{0,4}$)|"
    r"(?:the )?(?:unsent|undelivered|returned|rejected|failed|bounced) message(?: (?:below|follows|header)| ?-)|"
    r"begin (?:returned|original|message)|message header(?:s)? follow|"
    r"(?:the )?(?:first|body|header|headers|text|contents?|beginning) of (?:the |your )?(?:original|message|mail|unsent)|"
    r"original message details|your (?:original )?message (?:follows|was:|reads)|the text you sent follows|message text follows|"
    r"the original message (?:follows|headers|is)|original (?:mail|e-mail|headers?)|unsent message|"
    r"a copy of (?:the|your) (?:original )?message|received: (?:from|by|\()|return-path:|message-id:|"
    r"message contents follow|content-type: message/rfc822|here is your returned mail|forwarded message"
    r")",
    re.IGNORECASE | re.MULTILINE,
)
_FAILURE: Final = re.compile(
    r"fail|unknown|no such|not found|undeliver|could ?n[o']t|unable|reject|refus|denied|disabled|"
    r"invalid|does ?n[o']t|not exist|error|quota|full|cannot|can't|exceed|unreach|inactive|return|"
    r"not deliver|bounce|delay|deferred|problem|not listed|did not|not recogni|not match|not valid|no longer|\b[45]\d\d[ -]|[45]\.\d\.\d",
    re.IGNORECASE,
)
_SENDER_LINE: Final = re.compile(
    r"(?:^|\b)(?:from|sender|sent by|mail from|reply-to|contact|postmaster|subject|message-id|"
    r"originator|report to|date|cc|received|x-[\w-]{1,30}|please (?:e-?mail|write)|mailto)\b:?",
    re.IGNORECASE,
)
_HEAD: Final = re.compile(
    r"^[ \t>|*\"'(\[-]{0,20}+(?>(?:[45]\d\d[ -](?:[45]\.\d\.\d{1,2} )?)?)(?>(?:(?:final|original)?-?(?:to|recipients?|address|user|mailbox|rcpt to|user name)[ \t]*+[:=]?[ \t]*+)?)"
    r"(?:rfc822;[ \t]*+|smtp:)?[<\"'(\[]{0,3}+$",
    re.IGNORECASE,
)
_INTRODUCTION: Final = re.compile(
    r"did not reach the following|(?:to|for|of) the following|following (?:recipient|address|user)|"
    r"not delivered to|these recipients|fatal errors|message could not be delivered to",
    re.IGNORECASE,
)
_REPLY: Final = re.compile(r"(?<![\d.])[45]\d\d(?![\d.])|(?<![\d.])[45]\.\d{1,2}\.\d{1,3}(?![\d.])")
_TYPED: Final = re.compile(r"smtp=", re.IGNORECASE)
_QUOTED: Final = re.compile(r"^>[ \t]?", re.MULTILINE)
_DELAYED: Final = (
    "will be retried",
    "will keep trying",
    "do not need to resend",
    "warning message only",
    "will retry",
    "delayed",
    "not yet been delivered",
    "will continue to",
    "still trying",
    "attempts to deliver the message will continue",
    "transient",
    "delivery will be attempted",
    "will continue trying",
    "will try again",
    "being retried",
)
_NEVER: Final = ("postmaster@", "mailer-daemon@", "abuse@", "www.", "mailto:")


@dataclass(frozen=True, slots=True)
class Failure:
    """Whom a bounce names, and what stands beside the name."""

    recipient: str
    text: str
    action: str  # "failed" or "delayed"


def find_addresses(text: str) -> list[str]:
    """Return the mail addresses in a text, in their order."""
    return [found[0].strip("'.") for found in _ADDRESS.finditer(text)]


def is_delay(text: str) -> bool:
    """Return whether a text says that it goes on trying."""
    lower = text.lower()
    return any(mark in lower for mark in _DELAYED)


def prose_failures(text: str, own: frozenset[str], named: tuple[str, ...]) -> tuple[Failure, ...]:
    """Return the failures that a text for people names.

    Args:
        text: The text, with LF line ends.
        own: Addresses of the bounce itself, in lower case: they count only if nothing else does.
        named: Addresses that a field of the header names as failed.
    """
    told = _without_copy(_plain_lines(text[:_MAX_PROSE]))
    action = "delayed" if is_delay(told) else "failed"
    lines = told.split("\n")
    found: dict[str, Failure] = {}
    for number, address in _chosen(lines, own - {name.lower() for name in named}):
        lower = address.lower()
        reason = _reason(lines, number, lower)
        # A later place counts where only that one has the reply.
        if lower in found and (_REPLY.search(found[lower].text) or not _REPLY.search(reason)):
            continue
        if lower in found or len(found) < _MAX_FAILURES:
            found[lower] = Failure(address, reason, action)
    failures = tuple(found.values())
    if named:
        failures = tuple(
            found.get(name.lower(), Failure(name, told[:4096], action)) for name in named
        )
    if len(failures) == 1 and not _REPLY.search(failures[0].text):
        only = failures[0]
        failures = (Failure(only.recipient, f"{only.text}\n{told}"[:4096], action),)
    return failures


def _plain_lines(text: str) -> str:
    """Return a text without the marks of a quotation, and with addresses set apart."""
    text = _TYPED.sub("smtp: ", text)
    if text.count("\n> ") > 5:  # noqa: PLR2004 - a bounce that somebody forwarded
        text = _QUOTED.sub("", text)
    return text


def _chosen(lines: list[str], own: frozenset[str]) -> list[tuple[int, str]]:
    """Return the addresses that failed: those behind the line that announces them, if any."""
    start = next((n for n, line in enumerate(lines) if _INTRODUCTION.search(line)), -1)
    for first in (start + 1, 0):
        candidates = list(_candidates(lines, first))
        others = [(number, name) for number, name in candidates if name.lower() not in own]
        chosen = others or [(n, name) for n, name in candidates if _is_head(lines[n], name)]
        if chosen:
            return chosen
    return []


def _is_head(line: str, address: str) -> bool:
    return _HEAD.match(line[: line.find(address)]) is not None


def _without_copy(text: str) -> str:
    """Return what stands above the copy of the message, or below it where nothing is above."""
    start = _COPY.search(text)
    if start is None:
        return text
    above = text[: start.start()]
    return above if find_addresses(above) or len(above.split()) > 20 else text  # noqa: PLR2004 - words of a greeting


def _candidates(lines: list[str], first: int) -> Iterator[tuple[int, str]]:
    """Yield the addresses from a line on that begin one, or those that stand at a reason."""
    strong: list[tuple[int, str]] = []
    weak: list[tuple[int, str]] = []
    for number, line in enumerate(lines[first:], first):
        for found in _ADDRESS.finditer(line[:1000]):
            address = found[0].strip("'.")
            if address.lower().startswith(_NEVER):
                continue
            before = line[: found.start()]
            nearby = " ".join(lines[max(0, number - 2) : number + 3])
            if _HEAD.match(before):
                strong.append((number, address))
            elif before.endswith("(generated from ") or (
                _FAILURE.search(nearby) and not _SENDER_LINE.search(before)
            ):
                weak.append((number, address))
    yield from strong or weak


def _reason(lines: list[str], number: int, address: str) -> str:
    """Return what stands in the line of the address and below, up to the next address."""
    reason = [lines[number]]
    is_blank_seen = False
    for line in lines[number + 1 : number + 1 + _MAX_LINES]:
        if not line.strip():
            if len(reason) > 1 or is_blank_seen:
                break
            is_blank_seen = True
            continue
        first = _ADDRESS.search(line[:200])
        if first is not None and first[0].lower() != address and _HEAD.match(line[: first.start()]):
            break
        reason.append(line)
    return "\n".join(reason)

"""The answers a hook may give: pass, note, hold, defer, refuse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pillarbox.findings import Finding
from pillarbox.policy.ruling import Action
from pillarbox.smtp.reply import Reply

__all__ = ["Answer", "defer", "hold", "note", "passed", "refuse"]

_LONGEST_TEXT: Final = 400  # RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets
_FORBIDDEN: Final = frozenset("\r\n\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of a hook; made by ``passed``, ``note``, ``hold``, ``defer`` and ``refuse``."""

    action: Action
    reply: Reply | None = None
    reason: str = ""
    finding: Finding | None = None
    evidence: tuple[str, ...] = ()
    fields: bytes = b""  # header fields for a message that is accepted

    def __post_init__(self) -> None:
        expected = {Action.DEFER: 4, Action.REFUSE: 5}.get(self.action)
        found = None if self.reply is None else self.reply.code // 100
        if found != expected:
            raise ValueError(f"{self.action.name.lower()} needs a reply of {expected}xx")


def passed(*, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """Accept.

    Args:
        headers: Names and values of header fields to add at the top of the message; ignored if
            there is no message yet.

    Raises:
        ValueError: A name or value is not allowed in a header.
    """
    return Answer(action=Action.PASS, fields=_fields(headers))


def note(
    reason: str,
    *,
    finding: Finding | None = None,
    evidence: Iterable[str] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """Accept, and tell the operator.

    Args:
        reason: What to tell, in a few words.
        finding: The same with its fix, if there is one.
        evidence: What it is based on.
        headers: As for ``passed``.
    """
    return Answer(
        action=Action.NOTE,
        reason=reason,
        finding=finding,
        evidence=tuple(evidence),
        fields=_fields(headers),
    )


def hold(
    reason: str,
    *,
    finding: Finding | None = None,
    evidence: Iterable[str] = (),
    headers: Iterable[tuple[str, str]] = (),
) -> Answer:
    """Accept the message, but hold it until an operator releases it."""
    return Answer(
        action=Action.HOLD,
        reason=reason,
        finding=finding,
        evidence=tuple(evidence),
        fields=_fields(headers),
    )


def defer(
    text: str,
    *,
    reason: str = "",
    code: int = 451,
    enhanced: str = "4.7.1",
    finding: Finding | None = None,
    evidence: Iterable[str] = (),
) -> Answer:
    """Refuse temporarily: the client tries again.

    Args:
        text: The text of the reply.
        reason: The reason for the operator; defaults to the text.
        code: A 4xx reply code (RFC 5321 §4.2).
        enhanced: Its enhanced status code (RFC 3463).
        finding: The same with its fix, where there is one.
        evidence: What it rests on.

    Raises:
        ValueError: The code is not a 4xx code, or the text is not allowed in a reply.
    """
    return Answer(
        action=Action.DEFER,
        reply=_reply(code, enhanced, text),
        reason=reason or text,
        finding=finding,
        evidence=tuple(evidence),
    )


def refuse(
    text: str,
    *,
    reason: str = "",
    code: int = 550,
    enhanced: str = "5.7.1",
    finding: Finding | None = None,
    evidence: Iterable[str] = (),
) -> Answer:
    """Refuse permanently; the arguments are those of ``defer``, with a 5xx code."""
    return Answer(
        action=Action.REFUSE,
        reply=_reply(code, enhanced, text),
        reason=reason or text,
        finding=finding,
        evidence=tuple(evidence),
    )


def _reply(code: int, enhanced: str, text: str) -> Reply:
    if not text.isascii() or not text.isprintable() or len(text) > _LONGEST_TEXT:
        raise ValueError(f"{text!r} cannot stand in a reply: one line of printable ASCII")
    return Reply.of(code, enhanced, text)


def _fields(headers: Iterable[tuple[str, str]]) -> bytes:
    lines = []
    for name, value in headers:
        # RFC 5322 §2.2: a name is printable ASCII without the colon; a value is one line here.
        is_name = bool(name) and all("!" <= sign <= "~" and sign != ":" for sign in name)
        if not is_name or _FORBIDDEN.intersection(value):
            raise ValueError(f"{name!r}: {value!r} is not a header field")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines).encode()

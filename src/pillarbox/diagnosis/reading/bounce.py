"""Reads a bounce mail: whom it did not reach, and what was said.

A delivery status notification says it in fields; all others say it in prose, and what the
fields leave out is looked up there. The copy of the message that came back is not looked at.
RFC 3464 §2; RFC 3834 §5; RFC 5965 §3; RFC 6522 §3.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.diagnosis.observation import Observation, Source
from pillarbox.diagnosis.phrase import flatten
from pillarbox.diagnosis.provider import provider_of
from pillarbox.diagnosis.reading.codes import (
    find_reply,
    find_stage,
    join_lines,
    transcript_reply,
    transcript_stage,
)
from pillarbox.diagnosis.reading.prose import Failure, find_addresses, is_delay, prose_failures
from pillarbox.message.header import Header, HeaderRefused, scan_header, unfold
from pillarbox.message.tree import FEW_PARTS, Node, leaves
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import EnhancedCode

__all__ = ["is_message", "read_bounce"]

_LINE_END: Final = re.compile(rb"\r?\n")
_MAX_REPORTS: Final = 100  # recipients of one notification that are told apart
_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z-]{1,40}+):[ \t]*+(.*+)")
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_STATUS_TYPE: Final = "delivery-status"
_MAX_PROSE: Final = 64 * 1024
_MAX_WRAPS: Final = 2
_MAX_GIST: Final = 1024
_MAX_VALUE: Final = 8 * 1024
_MAX_STAGE: Final = 16 * 1024
_ACTIONS: Final = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})
_OPEN_DETAILS: Final = frozenset({(0, 0), (4, 7)})  # no detail; or only that time is over
_TEXT_TYPES: Final = frozenset({"text/plain", "text/html"})
# A person has sent a notice on, quoted or not.
_FORWARDED: Final = re.compile(
    r"^(?:begin forwarded message:|-{2,12}+ ?(?:forwarded|original) message ?-{2,12}+)[ \t]*+\n",
    re.IGNORECASE | re.MULTILINE,
)
_QUOTATION: Final = re.compile(r"^> ?", re.MULTILINE)
_NOTICE: Final = re.compile(
    rb"mailer-daemon|mail delivery|postmaster|undeliver|returned mail|delivery (?:status|failure)|"
    rb"failure notice|mail system",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"<(?:br|/p|/div|/tr|/li|p)\b[^<>]{0,200}+>", re.IGNORECASE)
_OTHER_TAG: Final = re.compile(r"</?[a-zA-Z!][^<>@]{0,400}+>")


def is_message(octets: bytes) -> bool:
    """Return whether octets are a mail: a header with the fields that each mail has."""
    head = _header(octets)
    if head is None:
        return False
    known = sum(name in head for name in (b"from", b"to", b"subject", b"date", b"received"))
    return known >= 2  # noqa: PLR2004 - any two of them: bounces leave much out


def read_bounce(octets: bytes, depth: int = 0) -> tuple[Observation, ...]:
    """Return what a bounce says of each recipient; none if it says nothing.

    Args:
        octets: The mail, with any line ends.
        depth: How often it was found within another one.
    """
    content = _LINE_END.sub(b"\r\n", octets)
    header = _header(content)
    if header is None:
        return ()
    parts = leaves(content, FEW_PARTS)
    prose = _prose(parts)
    if not prose.strip():  # the form is broken
        prose = content[header.size :].decode("utf-8", "replace").replace("\r\n", "\n")
    prose = prose[:_MAX_PROSE]
    failures = prose_failures(prose, _own_addresses(header), _failed_recipients(header))
    if reports := list(itertools.islice(_reports(parts, prose), _MAX_REPORTS)):
        told = _Told.of(prose, failures)
        return tuple(_of_report(report, told) for report in reports)
    if depth < _MAX_WRAPS and not any(_STATUS_TYPE in part.media_type for part in parts):
        # A filter on the way may have wrapped up the bounce.
        for part in parts[:1]:
            is_mail = part.media_type == "message/rfc822"
            wrapped = part.body if is_mail else _forwarded(prose)
            if found := read_bounce(wrapped, depth + 1) if wrapped else ():
                return found
    found = tuple(_of_prose(failure) for failure in failures)
    return found or _of_whole(header, parts, prose)


def _header(content: bytes) -> Header | None:
    content = _LINE_END.sub(b"\r\n", content[: 128 * 1024])
    try:
        return scan_header(content)
    except HeaderRefused:
        return None


def _prose(parts: tuple[Node, ...]) -> str:
    """Return what stands there for people, up to the first copied message."""
    texts: list[str] = []
    for part in parts:
        if part.media_type.startswith("message/") and texts:
            break
        if part.media_type in _TEXT_TYPES:
            text = part.text
            if part.media_type == "text/html":
                if any(text.strip() for text in texts):
                    continue  # the same once more
                text = _plain(text)
            texts.append(text)
    return "\n\n".join(texts).replace("\r\n", "\n")


def _forwarded(prose: str) -> bytes:
    """Return the notice that a person has sent on in a text, b"" if there is none."""
    start = _FORWARDED.search(prose)
    if start is None:
        return b""
    rest = prose[start.end() :].lstrip("\n")
    content = (_QUOTATION.sub("", rest) if rest.startswith(">") else rest).encode()
    header = _header(content)
    if header is None:
        return b""
    about = (header.get(b"from") or b"") + (header.get(b"subject") or b"")
    return content if _NOTICE.search(about) else b""


def _plain(markup: str) -> str:
    text = _OTHER_TAG.sub("", _TAG.sub("\n", markup))
    for name, character in (("&lt;", "<"), ("&gt;", ">"), ("&nbsp;", " "), ("&amp;", "&")):
        text = text.replace(name, character)
    return text


def _reports(parts: tuple[Node, ...], prose: str) -> Iterator[Mapping[str, str]]:
    """Yield the fields of each recipient (RFC 3464 §2.3)."""
    texts = [
        part.text.replace("\r\n", "\n")
        for part in parts
        if part.media_type in {"message/delivery-status", "message/global-delivery-status"}
    ]
    if not texts and "final-recipient:" in prose.lower():
        texts = [prose]
    for text in texts:
        for block in re.split(r"\n[ \t]*+\n", text):
            fields = _fields(block)
            if "final-recipient" in fields or "original-recipient" in fields:
                yield fields


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in block.split("\n"):
        if line[:1] in {" ", "\t"} and name:
            if len(fields[name]) < _MAX_VALUE:
                fields[name] += " " + line.strip()
        elif (found := _FIELD.match(line)) is not None:
            name = found[1].lower()
            fields.setdefault(name, found[2].strip())
        else:
            name = ""
    return fields


@dataclass(frozen=True, slots=True)
class _Told:
    """What the part for people says beside the fields."""

    failures: Mapping[str, Failure]  # by the recipient in lower case
    reply: str  # of the transcript, whole
    transcript: Stage | None
    stage: Stage | None
    action: str
    gist: str

    @classmethod
    def of(cls, prose: str, failures: tuple[Failure, ...]) -> _Told:
        beginning = prose[:_MAX_STAGE]
        return cls(
            failures={failure.recipient.lower(): failure for failure in failures},
            # With several recipients, nobody knows whose command it shows.
            reply=transcript_reply(beginning) if len(failures) < 2 else "",  # noqa: PLR2004
            transcript=transcript_stage(beginning) if len(failures) < 2 else None,  # noqa: PLR2004
            stage=find_stage(beginning),
            action=_action(prose),
            gist=prose[:_MAX_GIST].strip(),
        )

    def about(self, names: tuple[str, ...]) -> Failure | None:
        """Return what is told of a recipient; of the only one, under whatever name."""
        if len(self.failures) == 1:
            return next(iter(self.failures.values()))
        return next(
            (self.failures[name.lower()] for name in names if name.lower() in self.failures), None
        )


def _of_report(fields: Mapping[str, str], told: _Told) -> Observation:
    names = [_typed(fields.get(name, "")) for name in ("original-recipient", "final-recipient")]
    actual = _typed(fields.get("x-actual-recipient", ""))
    recipient = next(
        (name for name in (*names, actual) if "@" in name), next(filter(None, names), "")
    )
    diagnostic = join_lines(_typed(fields.get("diagnostic-code", "")))
    said = find_reply(diagnostic)
    failure = told.about((*names, actual))
    text = diagnostic
    whole = find_reply(told.reply)
    if whole.code is not None and whole.code == said.code and whole.enhanced == said.enhanced:
        said, text = whole, told.reply
    elif failure is not None and (said.code is None or len(failure.text) > 2 * len(said.text)):
        reread = find_reply(join_lines(failure.text))
        if said.code is None or reread.code == said.code:
            said, text = reread, failure.text
    status = _STATUS.search(fields.get("status", ""))
    enhanced = EnhancedCode.parse(status[0]) if status else None
    if said.enhanced is not None and said.code is not None:
        enhanced = said.enhanced  # the words of the server that refused, not those of ours
    elif said.enhanced is not None and (enhanced is None or enhanced[1:] in _OPEN_DETAILS):
        enhanced = said.enhanced
    host = _typed(fields.get("remote-mta", ""))
    flat = flatten(f"{text} {host} {recipient}")
    return Observation(
        source=Source.BOUNCE,
        text=said.text or diagnostic or (failure.text if failure else "") or told.gist,
        code=said.code,
        enhanced=enhanced,
        stage=told.transcript or find_stage(text) or told.stage,
        host=host,
        recipient=recipient,
        provider=provider_of(host, flat),
        action=_reported_action(fields.get("action", "")) or told.action,
    )


def _reported_action(value: str) -> str:
    """Return the action that a field names; other words than the standard's mean a failure."""
    word = value.split(" ", maxsplit=1)[0].strip().lower()
    return word if word in _ACTIONS or not word else "failed"


def _typed(value: str) -> str:
    """Return a field's value without its type (RFC 3464 §2.1.2): ``rfc822; a@example.org``."""
    kind, separator, rest = value.partition(";")
    text = rest if separator and kind.strip().replace("-", "").isalnum() else value
    return text.strip().strip("<>").strip()


def _of_prose(failure: Failure) -> Observation:
    joined = join_lines(failure.text)
    said = find_reply(joined)
    return Observation(
        source=Source.BOUNCE,
        text=said.text if said.code is not None else failure.text,
        code=said.code,
        enhanced=said.enhanced,
        stage=find_stage(joined),
        recipient=failure.recipient,
        provider=provider_of("", flatten(f"{joined} {failure.recipient}")),
        action=failure.action,
    )


def _of_whole(header: Header, parts: tuple[Node, ...], prose: str) -> tuple[Observation, ...]:
    """Return what a mail says that names nobody: a complaint, an automatic reply, or something."""
    reports = [part for part in parts if part.media_type == "message/feedback-report"]
    if reports:
        fields = _fields(reports[0].body.decode("utf-8", "replace").replace("\r\n", "\n"))
        named = fields.get("original-rcpt-to", "") or fields.get("removal-recipient", "")
        kind = fields.get("feedback-type", "abuse")
        return (
            Observation(
                source=Source.BOUNCE,
                text=f"feedback report: {kind}",
                recipient=_typed(named),
                action="complaint",
            ),
        )
    automatic = unfold(header.get(b"auto-submitted") or b"").lower()
    if automatic.startswith(b"auto-replied") and not prose_failures(prose, frozenset(), ()):
        return (Observation(source=Source.BOUNCE, text="automatic reply", action="reply"),)
    said = find_reply(join_lines(prose[:4096]))
    if said.code is None and said.enhanced is None and not prose:
        return ()
    return (
        replace(
            _of_prose(Failure("", prose[:4096], _action(prose))), code=said.code, text=said.text
        ),
    )


def _own_addresses(header: Header) -> frozenset[str]:
    """Return whom the bounce comes from and goes to: none of them has failed."""
    found: set[str] = set()
    for name in (b"to", b"from", b"reply-to"):
        for value in header.get_all(name):
            found.update(find_addresses(unfold(value).decode("utf-8", "replace")))
    return frozenset(address.lower() for address in found)


def _failed_recipients(header: Header) -> tuple[str, ...]:
    values = header.get_all(b"x-failed-recipients")
    text = ",".join(unfold(value).decode("utf-8", "replace") for value in values)
    return tuple(dict.fromkeys(find_addresses(text)))


def _action(prose: str) -> str:
    return "delayed" if is_delay(prose) else "failed"

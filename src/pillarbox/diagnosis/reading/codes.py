"""Finds the reply in a text: its code, its enhanced code, what it says, at which command.

All patterns are linear: possessive, atomic, or bounded. RFC 5321 §4.2; RFC 3463 §2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import EnhancedCode

__all__ = [
    "Said",
    "find_enhanced",
    "find_reply",
    "find_stage",
    "join_lines",
    "transcript_reply",
    "transcript_stage",
]

_ENHANCED: Final = re.compile(r"(?<![\d.])([245]\.\d{1,3}\.\d{1,3})(?!\.?\d)")
# A reply code at the beginning of a line, or where programs quote one: after "said:", "smtp;",
# ": ", "(", a quote. Never within a number, a date or an address.
_CODE: Final = re.compile(
    r"(?:^|(?<=[\s:;('\"#<=,\[{]))"
    r"(?>(?:(?:smtp|code)[ ]?[;:=][ ]?)?)([2345]\d\d)"
    r"(?>(?:(?:[ -]|[ ]-[ ]|, ?b?['\"]|: )#?([245]\.\d{1,3}\.\d{1,3})(?![\d.]*\d))?)(?=[\s\-:;,)'\"]|$)",
    re.IGNORECASE | re.MULTILINE,
)
# Ports that programs name beside a failure ("host:465", "port: 587"); no reply has these codes.
_PORTS: Final = frozenset({"443", "465", "587"})
_CONTINUED: Final = re.compile(
    r"^[ \t]{0,8}+(?:>>>|<<<|[<>])?[ \t]{0,8}+([2345]\d\d)-", re.MULTILINE
)
_LINE_CODES: Final = re.compile(
    r"^[ \t]{0,8}+([2345]\d\d)[ -](?:[245]\.\d{1,3}\.\d{1,3}(?:[ -]|$))?", re.MULTILINE
)
_STAGES: Final = (
    (
        Stage.FINAL,
        (
            "end of data",
            "data end command",
            "message body",
            "final dot",
            "<crlf>.<crlf>",
            "smtp command data",
        ),
    ),
    (
        Stage.RECIPIENT,
        (
            "rcpt to",
            "recipientsrefused",
            "recipient address rejected",
            "smtpaddressfailed",
            "command: 'rcpt",
        ),
    ),
    (
        Stage.MAIL,
        (
            "mail from:",
            "mail from <",
            "mail from command",
            "senderrefused",
            "sender address rejected",
            "smtpsenderfailed",
        ),
    ),
    (Stage.DATA, ("data command", "smtpdataerror", "after data", "command: 'data")),
    (
        Stage.AUTH,
        (
            "auth command",
            "authenticationerror",
            "authenticationfailed",
            "command: 'auth",
            "eauth",
            "invalid login",
            "sasl authentication failed",
        ),
    ),
    (Stage.TLS, ("starttls", "tls handshake", "ssl handshake", "certificate")),
    (Stage.HELLO, ("ehlo command", "helo command", "after ehlo", "after helo", "heloerror")),
    (Stage.GREETING, ("initial connection", "initial server greeting", "refused to talk to me")),
    (
        Stage.RESOLVE,
        ("name or service not known", "getaddrinfo", "no such host", "name service error"),
    ),
    (
        Stage.CONNECT,
        ("connect to ", "connection refused", "econnrefused", "etimedout", "dial tcp"),
    ),
)
# Postfix says so behind the reply; the stage has been read from it.
_IN_REPLY: Final = re.compile(r" ?\(in reply to [^()]{1,40}$")
_TRANSCRIPT: Final = re.compile(r"^>{3,5} (\w{4})\b[^\n]{0,500}\n<<< [45]\d\d", re.MULTILINE)
# DATA went out together with RCPT (RFC 2920 §3.1): that no recipient is left is what DATA got.
_NO_RECIPIENT_LEFT: Final = re.compile(
    r"^<<< (?:503|554)[ -][^\n]{0,40}(?:need rcpt|no valid recipients|rcpt first)",
    re.IGNORECASE | re.MULTILINE,
)
_COMMANDS: Final = {
    "EHLO": Stage.HELLO,
    "HELO": Stage.HELLO,
    "AUTH": Stage.AUTH,
    "MAIL": Stage.MAIL,
    "RCPT": Stage.RECIPIENT,
    "DATA": Stage.FINAL,
    "STAR": Stage.TLS,
}


@dataclass(frozen=True, slots=True)
class Said:
    """A reply that was found in a text."""

    code: int | None
    enhanced: EnhancedCode | None
    text: str  # what follows the codes


def find_reply(text: str) -> Said:
    """Return the reply that a text holds: the last one that has both codes, or the last one.

    Where one program quotes another ("450 4.1.1 ... said: 550 5.1.1 ..."), the last is the
    reason. A success, the number of a port, and a number that is none of both, does not count.
    """
    chosen: re.Match[str] | None = None
    for found in _CODE.finditer(text):
        if found[1][0] in "23" or found[1] in _PORTS:
            continue
        if (
            chosen is None
            or (found[2] and _is_quoted(text, found.start()))
            or (found[2] and not chosen[2])
        ):
            chosen = found
    if chosen is None:
        chosen = _CODE.match(text.strip())  # a success, if it says so at once
    if chosen is None:
        return Said(None, find_enhanced(text), _clean(text))
    following = (
        found.start() for found in _LINE_CODES.finditer(text, chosen.end()) if found[1] != chosen[1]
    )
    rest = _clean(text[chosen.end() : next(following, len(text))])
    if chosen[2]:  # logs put the lines of a reply together, with their codes between
        for again in (f"{chosen[1]}-{chosen[2]} ", f"{chosen[1]} {chosen[2]} "):
            rest = rest.replace(again, "")
    code = int(chosen[1])
    enhanced = EnhancedCode.parse(chosen[2]) if chosen[2] else None
    return Said(code, enhanced or find_enhanced(text, code // 100), rest or _clean(text))


def find_enhanced(text: str, class_: int | None = None) -> EnhancedCode | None:
    """Return the first enhanced code in a text, of a class if one is given."""
    for found in _ENHANCED.finditer(text):
        code = EnhancedCode.parse(found[1])
        if code is not None and class_ in {None, code.class_} and code[1] < 8:  # noqa: PLR2004 - RFC 3463 §4
            return code
    return None


def find_stage(text: str) -> Stage | None:
    """Return how far the attempt had come, where a program says it in passing."""
    lower = " ".join(text.lower().split())
    for stage, marks in _STAGES:
        if any(mark in lower for mark in marks):
            return stage
    return None


def transcript_stage(text: str) -> Stage | None:
    """Return how far Sendmail had come by its transcript: the command before the reply."""
    found = _TRANSCRIPT.search(text)
    if found is None:
        return None
    stage = _COMMANDS.get(found[1].upper())
    if stage is Stage.FINAL and _NO_RECIPIENT_LEFT.search(text, found.end()):
        return Stage.RECIPIENT
    return stage


def transcript_reply(text: str) -> str:
    """Return the first refusal in Sendmail's transcript, with all of its lines, or ""."""
    lines: list[str] = []
    for line in text.split("\n"):
        if line.startswith(("<<< 4", "<<< 5")):
            lines.append(line[4:])
        elif lines:
            break
    return join_lines("\n".join(lines))


def join_lines(text: str) -> str:
    """Return a reply of several lines as one, with the codes of the first line only."""
    if _CONTINUED.search(text) is None:
        return text
    first = _LINE_CODES.search(text)
    if first is None:
        return text
    rest = _LINE_CODES.sub("", text[first.end() :])
    head = first[0].strip().replace("-", " ", 1) if first[0][3:4] == "-" else first[0].strip()
    return f"{text[: first.start()]}{head.rstrip('-')} {' '.join(rest.split())}"


def _is_quoted(text: str, start: int) -> bool:
    return "said:" in text[max(0, start - 8) : start]


def _clean(text: str) -> str:
    line = " ".join(text.replace("\\n", " ").split())
    return _IN_REPLY.sub("", line.strip(" -:;,'\")(}]b")).strip()

"""The Received-SPF field (RFC 7208 §9.1): the result of a check, at the top of a message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pillarbox.mailauth.spf.values import Result, Spf

__all__ = ["received_spf"]

_DOT_ATOM: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
)
_UNPRINTABLE: Final = re.compile(r"[^\x20-\x7e]")
_LINE: Final = 78  # RFC 5322 §2.1.1
_MAX_VALUE: Final = 512  # of what a peer wrote

# RFC 7208 §9.1 shows comments of this kind; they are not for evaluation.
_COMMENTS: Final[dict[Result, str]] = {
    Result.PASS: "domain of {sender} designates {ip} as permitted sender",
    Result.FAIL: "domain of {sender} does not designate {ip} as permitted sender",
    Result.SOFTFAIL: "domain of transitioning {sender} does not designate {ip} as permitted sender",
    Result.NEUTRAL: "{ip} is neither permitted nor denied by domain of {sender}",
    Result.NONE: "domain of {sender} does not designate permitted sender hosts",
    Result.TEMPERROR: "error in processing during lookup of {sender}",
    Result.PERMERROR: "permanent error in processing domain of {sender}",
}


def received_spf(found: Spf, receiver: str) -> bytes:
    """Return the field with its CRLF, folded.

    Args:
        found: The result of the check.
        receiver: Our name.
    """
    comment = _COMMENTS[found.result].format(sender=found.sender, ip=found.ip)
    words = [f"Received-SPF: {found.result.value}", f"({_comment(f'{receiver}: {comment}')})"]
    pairs = [f"{key}={value}" for key, value in _pairs(found, receiver)]
    words += [f"{pair};" for pair in pairs[:-1]] + pairs[-1:]
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > _LINE:
            lines.append(line)
            line = f"\t{word}"
        else:
            line = f"{line} {word}"
    return "\r\n".join([*lines, line, ""]).encode("ascii")


def _pairs(found: Spf, receiver: str) -> Iterator[tuple[str, str]]:
    yield "receiver", _value(receiver)
    yield "client-ip", _value(found.ip) if ":" in found.ip else found.ip
    if found.identity == "mailfrom":
        yield "envelope-from", _quoted(found.sender)
    if found.helo:
        yield "helo", _value(found.helo)
    yield "identity", found.identity
    if found.mechanism:
        yield "mechanism", _value(found.mechanism)
    if found.problem:
        yield "problem", _quoted(found.problem)


def _value(text: str) -> str:
    return text if _DOT_ATOM.fullmatch(text) and len(text) <= _MAX_VALUE else _quoted(text)


def _quoted(text: str) -> str:
    plain = _UNPRINTABLE.sub("?", text[:_MAX_VALUE])
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _comment(text: str) -> str:
    # Text from the peer must not end the comment.
    plain = _UNPRINTABLE.sub("?", text[:_MAX_VALUE])
    return re.sub(r"([\\()])", r"\\\1", plain)

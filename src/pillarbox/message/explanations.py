"""Explains header fields: what each is for, and what its value means.

``explain_field`` takes the purpose from a table and, for fields that machines write for machines,
breaks the value down piece by piece. Nothing is validated and nothing is raised: what cannot be
parsed is skipped, and values and pieces are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Struct

from pillarbox.message.dates import read_date
from pillarbox.message.encoded_word import one_line
from pillarbox.message.field_purposes import PURPOSES
from pillarbox.message.parameters import read_media_type, read_parameters, read_token
from pillarbox.message.trace import format_date

__all__ = ["Explanation", "Reading", "explain_field"]

_LONGEST: Final = 8_000
_MAX_READINGS: Final = 40
_SHOWN: Final = 300


class Reading(Struct, frozen=True, gc=False):
    """One piece of a value, and its meaning."""

    label: str  # such as "selector" or "from"
    text: str


class Explanation(Struct, frozen=True):
    """The purpose of a header field, and the meaning of its value."""

    what: str  # a sentence or two for a beginner; "" for an unknown field
    standard: str  # where it is defined: "RFC 5322 §3.6.2", a product, or "in use"
    readings: tuple[Reading, ...] = ()


_UNKNOWN: Final = Explanation("", "")
_OWN: Final = Explanation(
    "A field of the sender's own: names that begin with X- are free for anything.", "RFC 6648"
)


def explain_field(name: str, value: str) -> Explanation:
    """Explain a header field.

    Args:
        name: Its name in any case of letters.
        value: Its value in one line, decoded.
    """
    name = name.lower()
    known = PURPOSES.get(name)
    if known is None:
        return _OWN if name.startswith("x-") else _UNKNOWN
    reader = _READERS.get(name)
    readings: list[Reading] = []
    if reader is not None:
        for label, text in reader(one_line(value[:_LONGEST])):
            if text.strip() and len(readings) < _MAX_READINGS:
                readings.append(Reading(label, text.strip()[:_SHOWN]))
    return Explanation(*known, tuple(readings))


_Readings = Iterator[tuple[str, str]]

# --- the way it took ------------------------------------------------------------------------

_CLAUSE: Final = re.compile(
    r"\b(from|by|via|with|id|for)[ \t]++([^\s;()]++)(?:[ \t]*+(\([^)]{0,500}\)))?"
)
_PROTOCOLS: Final = {
    "SMTP": "plain SMTP, not encrypted",
    "ESMTP": "SMTP with extensions, not encrypted",
    "ESMTPS": "encrypted with TLS",
    "ESMTPA": "not encrypted, and the sender had logged in",
    "ESMTPSA": "encrypted with TLS, and the sender had logged in",
    "UTF8SMTP": "with internationalized addresses, not encrypted",
    "UTF8SMTPS": "with internationalized addresses, encrypted with TLS",
    "UTF8SMTPSA": "with internationalized addresses, encrypted, and the sender had logged in",
    "LMTP": "handed over to a mailbox server",
    "LMTPS": "handed over to a mailbox server, encrypted with TLS",
    "LMTPA": "handed over to a mailbox server after a login",
    "HTTP": "handed in over the web",
    "HTTPS": "handed in over the web, encrypted",
    "MAPI": "within Exchange",
    "LOCAL": "handed in by a program on the same machine",
}
_LABELS: Final = {
    "from": "came from", "by": "taken by", "via": "by way of", "with": "protocol",
    "id": "number there", "for": "recipient",
}  # fmt: skip


def _received(value: str) -> _Readings:
    hop, _, date = value.rpartition(";")
    for found in _CLAUSE.finditer(hop or value):
        clause, word, comment = found.groups()
        if clause == "with":
            meaning = _PROTOCOLS.get(word.upper(), "")
            yield "protocol", f"{word}: {meaning}" if meaning else word
            continue
        yield _LABELS[clause], f"{word} {comment}" if comment and clause in {"from", "by"} else word
    if hop:
        yield from _date(date)


def _date(value: str) -> _Readings:
    at = read_date(value.encode("ascii", "replace"))
    if at is None:
        yield "date", "not a date in the standard's form"
    else:
        yield "in UTC", format_date(at).removesuffix(" +0000")


def _return_path(value: str) -> _Readings:
    if not value.strip(" <>"):
        yield "sender", "empty: this is itself a bounce or a notice, and nothing answers it"


# --- who sent it, proved --------------------------------------------------------------------

_RESULTS: Final = {
    "pass": "passed",
    "fail": "failed",
    "softfail": "probably not allowed (softfail)",
    "neutral": "the domain does not say (neutral)",
    "none": "there was nothing to check",
    "policy": "passed, but does not count by the checker's own rules",
    "temperror": "could not be checked at that time",
    "permerror": "cannot be checked: the record or the signature is broken",
    "bestguesspass": "would have passed, but the domain publishes nothing",
    "hardfail": "failed",
}
_METHODS: Final = {
    "spf": "SPF (may this address send for the envelope's domain)",
    "dkim": "DKIM (is the signature whole)",
    "dmarc": "DMARC (does From agree with SPF or DKIM)",
    "arc": "ARC (what earlier servers vouch for)",
    "bimi": "BIMI (may the logo be shown)",
    "iprev": "reverse DNS (does the address's name lead back to it)",
    "auth": "login (who handed it in)",
    "dkim-adsp": "ADSP (given up in 2013)",
    "dkim-atps": "ATPS (signatures of third parties)",
    "smime": "S/MIME (is the signature whole)",
    "dane": "DANE (was the server's certificate that of DNS)",
    "compauth": "Microsoft's overall judgment",
    "x-ptr": "reverse DNS",
}
_RESULT: Final = re.compile(
    r"[ \t]*+([A-Za-z0-9-]{1,40})(?:/[0-9]++)?[ \t]*+=[ \t]*+([A-Za-z]{1,20})(.*+)"
)


def _authentication_results(value: str) -> _Readings:
    server, _, results = value.partition(";")
    if "=" in server and server.strip().startswith("i="):  # of ARC: the place in the chain
        yield "place in the chain", server.partition("=")[2]
        server, _, results = results.partition(";")
    yield "checked by", server.strip().partition(" ")[0]
    for result in results.split(";"):
        found = _RESULT.match(result)
        if found is None:
            if result.strip() == "none":
                yield "result", "nothing was checked"
            continue
        method, verdict, rest = found[1].lower(), found[2].lower(), found[3].strip()
        meaning = _RESULTS.get(verdict, verdict)
        yield _METHODS.get(method, method), f"{meaning}: {rest}" if rest else meaning


def _received_spf(value: str) -> _Readings:
    verdict, _, rest = value.strip().partition(" ")
    yield "result", _RESULTS.get(verdict.lower(), verdict)
    yield "because", rest


_TAGS: Final = {
    "a": "algorithm", "b": "signature", "bh": "hash of the body", "c": "tolerates changes",
    "cv": "chain so far", "d": "signed by", "h": "signed fields", "i": "on behalf of",
    "l": "signed octets of the body", "q": "key is looked up by", "s": "selector",
    "t": "signed at", "x": "valid until", "z": "fields as they were", "v": "version",
}  # fmt: skip
_ALGORITHMS: Final = {
    "rsa-sha256": "rsa-sha256, the usual one",
    "ed25519-sha256": "ed25519-sha256, newer and shorter; not all receivers check it",
    "rsa-sha1": "rsa-sha1, broken: receivers no longer accept it",
}
_SIGNATURE_SHOWN: Final = 24  # characters of a signature or a hash


def _signature(value: str) -> _Readings:
    tags = dict(_tag_list(value))
    for tag, text in tags.items():
        label = _TAGS.get(tag, tag)
        if tag in {"t", "x"} and text.isdecimal() and len(text) < 12:  # noqa: PLR2004 - seconds since 1970
            yield label, format_date(float(text)).removesuffix(" +0000") + " UTC"
        elif tag in {"b", "bh"}:
            yield label, _shortened("".join(text.split()))
        elif tag == "a":
            yield label, _ALGORITHMS.get(text.lower(), text)
        elif tag == "h":
            yield label, ", ".join(text.replace(" ", "").split(":"))
        elif tag != "v":
            yield label, text
    if "d" in tags and "s" in tags:
        yield "key stands at", f"{tags['s']}._domainkey.{tags['d']}"


def _shortened(text: str) -> str:
    return text if len(text) <= _SIGNATURE_SHOWN else f"{text[:_SIGNATURE_SHOWN]}…"


def _arc_signature(value: str) -> _Readings:
    for label, text in _signature(value):
        yield ("place in the chain" if label == _TAGS["i"] else label), text


def _tag_list(value: str) -> Iterator[tuple[str, str]]:
    for tag in value.split(";"):
        name, equals, text = tag.partition("=")
        if equals:
            yield name.strip().lower(), text.strip()


# --- lists and content ----------------------------------------------------------------------


def _list_addresses(value: str) -> _Readings:
    for found in re.finditer(r"<([^<>]{1,2000})>", value):
        target = found[1].strip()
        scheme = target.partition(":")[0].lower()
        label = {"mailto": "by mail", "http": "on the web, not encrypted", "https": "on the web"}
        yield label.get(scheme, scheme), target[7:] if scheme == "mailto" else target


def _one_click(value: str) -> _Readings:
    is_right = value.replace(" ", "").lower() == "list-unsubscribe=one-click"
    yield "means", "one click is enough" if is_right else "not the value that the standard asks for"


def _content_type(value: str) -> _Readings:
    octets = value.encode()
    yield "kind", read_media_type(octets)
    labels = {"charset": "character set", "boundary": "boundary between the parts", "name": "file",
              "format": "lines", "method": "calendar method", "start": "main part"}  # fmt: skip
    for name, text in read_parameters(octets).items():
        if name == "format" and text.lower() == "flowed":
            text = "flowed: paragraphs were broken into lines, and may be joined again"  # noqa: PLW2901 - said in words
        yield labels.get(name, name), text


_ENCODINGS: Final = {
    "7bit": "not encoded: short lines of ASCII",
    "8bit": "not encoded: lines of any octets; the servers on the way must know 8BITMIME",
    "binary": "not encoded at all, not even in lines",
    "quoted-printable": "as text in which unusual octets stand as =XX",
    "base64": "in 64 letters; it takes a third more room",
}


def _transfer_encoding(value: str) -> _Readings:
    yield "written", _ENCODINGS.get(value.strip().lower(), "in a way that no standard knows")


def _disposition(value: str) -> _Readings:
    octets = value.encode()
    kind = read_token(octets)
    kinds = {"inline": "shown in the text", "attachment": "attached, to be saved"}
    yield "place", kinds.get(kind, kind)
    for name, text in read_parameters(octets).items():
        yield {"filename": "file"}.get(name, name), text


def _auto_submitted(value: str) -> _Readings:
    kind = value.partition(";")[0].strip().lower()
    kinds = {
        "no": "a person wrote it",
        "auto-generated": "a program wrote it of its own accord",
        "auto-replied": "a program wrote it as an answer",
        "auto-notified": "a program wrote it to tell of an event",
    }
    yield "means", kinds.get(kind, kind)


def _x_priority(value: str) -> _Readings:
    levels = {"1": "highest", "2": "high", "3": "normal", "4": "low", "5": "lowest"}
    yield "means", levels.get(value.strip()[:1], "")


def _message_id(value: str) -> _Readings:
    text = value.strip(" <>")
    local, at, domain = text.rpartition("@")
    if not at or not local or not domain:
        yield "form", "not in the standard's form <unique@domain>"
    else:
        yield "made at", domain


def _references(value: str) -> _Readings:
    yield "mails before this one", str(value.count("<"))


def _mime_version(value: str) -> _Readings:
    if value.strip().partition(" ")[0] != "1.0":
        yield "form", "1.0 is the only version there is"


def _feedback_id(value: str) -> _Readings:
    labels = ("first", "second", "third", "sender")
    yield from zip(labels, value.split(":"), strict=False)


_READERS: Final[dict[str, Callable[[str], _Readings]]] = {
    "received": _received,
    "x-received": _received,
    "return-path": _return_path,
    "date": _date,
    "resent-date": _date,
    "authentication-results": _authentication_results,
    "arc-authentication-results": _authentication_results,
    "received-spf": _received_spf,
    "dkim-signature": _signature,
    "x-google-dkim-signature": _signature,
    "arc-message-signature": _arc_signature,
    "arc-seal": _arc_signature,
    "list-unsubscribe": _list_addresses,
    "list-subscribe": _list_addresses,
    "list-post": _list_addresses,
    "list-help": _list_addresses,
    "list-owner": _list_addresses,
    "list-archive": _list_addresses,
    "list-unsubscribe-post": _one_click,
    "content-type": _content_type,
    "content-transfer-encoding": _transfer_encoding,
    "content-disposition": _disposition,
    "auto-submitted": _auto_submitted,
    "x-priority": _x_priority,
    "message-id": _message_id,
    "references": _references,
    "mime-version": _mime_version,
    "feedback-id": _feedback_id,
}

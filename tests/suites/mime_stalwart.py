"""The mails and header values of Stalwart's mail-parser, with what it reads in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.suites.mime_differences import ADDRESSES, CONTENT_TYPES, DATES, MAILS, SUBJECTS
from tests.suites.registry import Case, Suite

from pillarbox.message.body import select_body
from pillarbox.message.dates import read_date
from pillarbox.message.encoded_word import decode_text
from pillarbox.message.header import unfold
from pillarbox.message.mail import read_mail
from pillarbox.message.parameters import read_media_type, read_parameters, read_token
from pillarbox.message.people import read_people

__all__ = ["SUITES"]


# --- whole mails ----------------------------------------------------------------------------


def _mails(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("eml/*/*.eml")):
        yield Case(f"{path.parent.name}/{path.name}", partial(_mail, path))


def _mail(path: Path) -> str:
    octets = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    expected = json.loads(path.with_suffix(".crlf.json").read_text(encoding="utf-8"))
    wrong = []
    for what, theirs, ours in (
        ("subject", _subject(expected), read_mail(octets).subject),
        ("text", _texts(expected, "text_body"), _our_texts(octets, "text")),
        ("html", _texts(expected, "html_body"), _our_texts(octets, "html")),
        ("attachments", *_attachments(expected, octets)),
    ):
        if theirs != ours:
            wrong.append(f"{what}: expected {theirs!r:.400}, found {ours!r:.400}")
    return "; ".join(wrong)


def _subject(message: dict[str, Any]) -> str:
    for field in message["parts"][0]["headers"]:
        if field["name"] == "subject":
            return str(field["value"]["Text"])
    return ""


def _texts(message: dict[str, Any], view: str) -> list[str]:
    parts = [message["parts"][number]["body"] for number in message[view]]
    return [next(iter(body.values())) for body in parts if "Text" in body or "Html" in body]


def _our_texts(octets: bytes, view: str) -> list[str]:
    parts = getattr(select_body(read_mail(octets).tree), view)
    return [part.text for part in parts if part.media_type.startswith(("text/", "multipart/"))]


def _attachments(message: dict[str, Any], octets: bytes) -> tuple[object, object]:
    """Return names and sizes: theirs, and ours; no size where theirs is that of a decoded text."""
    theirs = [_attachment(message["parts"][number]) for number in message["attachments"]]
    mail = read_mail(octets)
    ours = [
        (part.node.filename, part.size)
        for part in sorted((*mail.attachments, *mail.inlines), key=lambda part: part.number)
    ]
    for place, (_, size) in enumerate(theirs[: len(ours)]):
        if size is None:
            ours[place] = (ours[place][0], 0)
    return [(name, size or 0) for name, size in theirs], ours


def _attachment(part: dict[str, Any]) -> tuple[str, int | None]:
    """Return the name and the size; of a text that was decoded, the size is not known."""
    names: dict[str, str] = {}
    for field in part["headers"]:
        if field["name"] in {"content_disposition", "content_type"}:
            value = field["value"]
            content = value.get("ContentType", {}) if isinstance(value, dict) else {}
            for each in content.get("attributes") or ():
                names.setdefault(each["name"], each["value"])
    body = part["body"]
    octets = body.get("Binary", body.get("InlineBinary"))
    return names.get("filename", names.get("name", "")), None if octets is None else len(octets)


# --- header values --------------------------------------------------------------------------


def _values(name: str, check: Callable[[str, Any], str], folder: Path) -> Iterator[Case]:
    vectors = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    for number, vector in enumerate(vectors):
        case = f"{number} {vector['header'].strip()!a:.60}"
        yield Case(case, partial(check, vector["header"], vector["expected"]))


def _value(header: str) -> bytes:
    """Return the value as it comes on the wire; what follows the field is cut off."""
    octets = header.encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    lines = octets.split(b"\r\n")
    folded = [line for line in lines[1:] if line[:1] in {b" ", b"\t"}]
    count = next(
        (n for n, line in enumerate(lines[1:]) if line[:1] not in {b" ", b"\t"}), len(folded)
    )
    return b"\r\n".join((lines[0], *lines[1 : count + 1]))


def _subject_value(header: str, expected: str) -> str:
    found = decode_text(_value(header))
    return "" if found == expected else f"expected {expected!r}, found {found!r}"


def _addresses(header: str, expected: Any) -> str:
    people = [(person.name, person.address) for person in read_people(_value(header))]
    wanted = list(_people(expected or {}))
    return "" if people == wanted else f"expected {wanted}, found {people}"


def _people(expected: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for each in expected.get("List", ()):
        yield each["name"] or "", each["address"] or ""
    for group in expected.get("Group", ()):
        for each in group["addresses"]:
            yield each["name"] or "", each["address"] or ""


def _date(header: str, expected: dict[str, Any] | None) -> str:
    found = read_date(unfold(_value(header)))
    wanted = None if expected is None else _time(expected)
    return "" if found == wanted else f"expected {wanted}, found {found}"


def _time(parts: dict[str, Any]) -> float:
    offset = timedelta(hours=parts["tz_hour"], minutes=parts["tz_minute"])
    zone = timezone(-offset if parts["tz_before_gmt"] else offset)
    return datetime(
        parts["year"], parts["month"], parts["day"], parts["hour"], parts["minute"],
        parts["second"], tzinfo=zone,
    ).astimezone(UTC).timestamp()  # fmt: skip


def _content_type(header: str, expected: dict[str, Any] | None) -> str:
    value = _value(header)
    found = read_media_type(value) or read_token(value), read_parameters(value)
    if expected is None:
        wanted = "", dict[str, str]()
    else:
        kind = "/".join(filter(None, (expected["c_type"], expected["c_subtype"])))
        attributes = dict(reversed(expected.get("attributes") or ()))
        # What language a value is in, we do not keep.
        wanted = (
            kind,
            {name: value for name, value in attributes.items() if not name.endswith("-language")},
        )
    return "" if found == wanted else f"expected {wanted}, found {found}"


SUITES: Final = (
    Suite("mime-stalwart-mail-parser/mails", _mails, MAILS),
    Suite(
        "mime-stalwart-mail-parser/subjects",
        partial(_values, "unstructured", _subject_value),
        SUBJECTS,
    ),
    Suite(
        "mime-stalwart-mail-parser/addresses", partial(_values, "address", _addresses), ADDRESSES
    ),
    Suite("mime-stalwart-mail-parser/dates", partial(_values, "date", _date), DATES),
    Suite(
        "mime-stalwart-mail-parser/content-types",
        partial(_values, "content_type", _content_type),
        CONTENT_TYPES,
    ),
)

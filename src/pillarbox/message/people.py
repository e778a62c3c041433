"""The people that an address field names, as a reader is shown them.

For eyes only: what is decided (who may send, who is aligned) is decided on ``parse_address_list``,
which refuses what is ambiguous. Here something is shown for whatever stands there. Encoded words
are decoded in names and never in addresses, so none can bring an ``@`` (RFC 2047 §5). Nothing
is raised; time is linear, and a list is cut at a bound. RFC 5322 §3.4, RFC 6532 §3.2.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from pillarbox.message.address_list import parse_address_list
from pillarbox.message.charset import guess_text
from pillarbox.message.encoded_word import decode_text, one_line
from pillarbox.message.header import unfold

__all__ = ["MAX_PEOPLE", "Person", "read_people"]

MAX_PEOPLE: Final = 1_000
_LONGEST: Final = 64 * 1024
_LONGEST_CACHED: Final = 512


class Person(Struct, frozen=True, gc=False):
    """An address of a header field, decoded for people."""

    address: str
    name: str = ""


# One element of a broken list: quoted parts and angle brackets may hold commas.
_ELEMENT: Final = re.compile(r'(?>(?:[^",<;]++|"(?>(?:[^"\\]++|\\.)*)"?|<[^<>]*+>?)+)', re.DOTALL)
_ANGLE: Final = re.compile(r"<([^<>]*+)>")
_BARE: Final = re.compile(r"[^\s<>\"(),;:]{1,256}@[^\s<>\"(),;:]{1,256}")
_GROUP: Final = re.compile(r"\s*+(?>(?:[^\":<>@,;]++|\"[^\"]*+\")*):(?!//)")
_COMMENT: Final = re.compile(r"\(([^()\\]{1,200})\)")


def read_people(value: bytes) -> tuple[Person, ...]:
    """Read the value of From, To, Cc, Reply-To and their like.

    Args:
        value: The field's value; folds may still be in it.
    """
    return _cached(value) if len(value) <= _LONGEST_CACHED else _read(value)


def _read(value: bytes) -> tuple[Person, ...]:
    value = unfold(value[:_LONGEST])
    try:
        value.decode()
    except UnicodeDecodeError:
        value = guess_text(value).encode()
    found = parse_address_list(value)
    if found.error:
        return _salvage(value.decode("utf-8", "replace"))
    people = tuple(
        Person(one_line(str(address.mailbox)), _decoded(address.name))
        for address in found.addresses[:MAX_PEOPLE]
    )
    if len(people) == 1 and not people[0].name and (comment := _COMMENT.search(value.decode())):
        return (Person(people[0].address, _decoded(comment[1].strip())),)  # RFC 822 had names there
    return people


# The same people write over and over.
_cached = lru_cache(maxsize=1024)(_read)


def _salvage(text: str) -> tuple[Person, ...]:
    """Return what a reader would take for people in a list that is none."""
    people: list[Person] = []
    for found in _ELEMENT.finditer(text):
        group = _GROUP.match(found[0])
        element = found[0][group.end() if group else 0 :].strip()
        if element:
            people.append(_person(element))
        if len(people) >= MAX_PEOPLE:
            break
    return tuple(people)


def _person(element: str) -> Person:
    angle = _ANGLE.search(element)
    if angle is not None:
        name = (element[: angle.start()] + element[angle.end() :]).strip()
        return Person(one_line(angle[1].strip()), _decoded(_unquoted(name).strip("() ")))
    bare = _BARE.search(element)
    if bare is None:
        return Person("", _decoded(_unquoted(element)))
    rest = (element[: bare.start()] + element[bare.end() :]).strip(" \t()")
    return Person(one_line(bare[0]), _decoded(_unquoted(rest)))


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return name


def _decoded(name: str) -> str:
    if "=?" in name:
        # RFC 2047 §5 (3) forbids quotation marks around an encoded word; many write them.
        return decode_text(name.encode()).strip('"')
    return one_line(name)

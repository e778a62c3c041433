"""The people in an address field, for display.

For display only: decisions (who may send, who is aligned) use ``parse_address_list``, which refuses
ambiguity. Here any input gives a result. Encoded words are decoded in names but never in addresses,
so they cannot introduce an ``@`` (RFC 2047 §5). Nothing is raised; time is linear, and long lists
are cut. RFC 5322 §3.4, RFC 6532 §3.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
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


# One element of a malformed list: quoted parts and angle brackets may contain commas.
_ELEMENT: Final = re.compile(r'(?>(?:[^",<;]++|"(?>(?:[^"\\]++|\\.)*)"?|<[^<>]*+>?)+)', re.DOTALL)
_ANGLE: Final = re.compile(r"<([^<>]*+)>")
_BARE: Final = re.compile(r"[^\s<>\"(),;:]{1,256}@[^\s<>\"(),;:]{1,256}")
_GROUP: Final = re.compile(r"\s*+(?>(?:[^\":<>@,;]++|\"[^\"]*+\")*):(?!//)")
_COMMENT: Final = re.compile(r"\(([^()\\]{1,200})\)")


def read_people(value: bytes) -> tuple[Person, ...]:
    """Read the value of From, To, Cc, Reply-To and similar fields.

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


# The same senders recur.
_cached = lru_cache(maxsize=1024)(_read)


def _salvage(text: str) -> tuple[Person, ...]:
    """Return the likely people in a malformed list."""
    people: list[Person] = []
    for found in _ELEMENT.finditer(text):
        group = _GROUP.match(found[0])
        people.extend(_in_element(found[0][group.end() if group else 0 :]))
        if len(people) >= MAX_PEOPLE:
            break
    return tuple(people[:MAX_PEOPLE])


def _in_element(element: str) -> Iterator[Person]:
    """Yield the people between two commas; if a comma is missing, there may be several."""
    position = 0
    person: Person | None = None
    for angle in _ANGLE.finditer(element):
        if person is not None:
            yield person
        name = element[position : angle.start()].strip()
        person = Person(one_line(angle[1].strip()), _decoded(_unquoted(name).strip("() ")))
        position = angle.end()
    rest = element[position:].strip()
    if person is not None and not person.name and "@" not in rest:
        yield Person(person.address, _decoded(_unquoted(rest).strip("() ")))
        return
    if person is not None:
        yield person
    bare = _BARE.search(rest)
    if bare is not None:
        name = (rest[: bare.start()] + rest[bare.end() :]).strip(" \t()")
        yield Person(one_line(bare[0]), _decoded(_unquoted(name)).strip(" ,"))
    elif rest and person is None:
        yield Person("", _decoded(_unquoted(rest)))


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = name[1:-1].replace('\\"', '"').replace("\\\\", "\\")
    return name


def _decoded(name: str) -> str:
    if "=?" in name:
        # RFC 2047 §5 (3) forbids quotation marks around an encoded word; many write them.
        return decode_text(name.encode()).strip('"')
    return one_line(name)

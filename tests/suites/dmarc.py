"""The vectors of the public suffix list, and mailauth's for records of tags."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.suites.registry import Case, Suite

from pillarbox.mailauth.bimi import parse_bimi_record
from pillarbox.mailauth.dmarc import ListedSuffixes
from pillarbox.mailauth.record_tags import RecordTags, parse_record_tags
from pillarbox.smtp.address import ascii_domain

__all__ = ["SUITES"]

# --- public suffixes --------------------------------------------------------------------------


def _suffixes(folder: Path) -> Iterator[Case]:
    listed = ListedSuffixes(folder / "public_suffix_list.dat")
    for line in (folder / "tests" / "tests.txt").read_text(encoding="utf-8").splitlines():
        name, _, expected = line.partition(" ")
        if name and not name.startswith("//") and name != "null":
            yield Case(name, partial(_check_suffix, listed, name, expected))


def _check_suffix(listed: ListedSuffixes, name: str, expected: str) -> str:
    found = listed.organizational_domain(ascii_domain(name))
    wanted = None if expected == "null" else ascii_domain(expected)
    return "" if found == wanted else f"expected {wanted}, found {found}"


# --- records of tags --------------------------------------------------------------------------

_GENERIC: Final = "an option of mailauth's generic parser that we do not have"
_FIRST: Final = "of a tag that stands twice the first counts, and it is named"
_OPTIONAL: Final = "a= may be left out or empty: the logo is then without evidence"
_PARSE: Final = "parseTagValueRecord Tests > "
_BIMI: Final = "validateTagValueRecord BIMI Tests > "
_TAG_DIFFERENCES: Final = {
    f"{_PARSE}Basic parsing functionality > Should parse SPF record format": _FIRST,
    f"{_PARSE}Error handling > Should stop parsing on first error in strict mode": _GENERIC,
    f"{_PARSE}Options handling > Should enforce required tags": _GENERIC,
    f"{_PARSE}Options handling > Should restrict to allowed tags": _GENERIC,
    f"{_PARSE}Options handling > Should handle case sensitivity": _GENERIC,
    f"{_PARSE}Options handling > Should warn about duplicate tags": _FIRST,
    f"{_BIMI}Authority (a) validation > Should reject empty authority": _OPTIONAL,
    f"{_BIMI}Authority (a) validation > Should reject missing authority": _OPTIONAL,
    f"{_BIMI}Error handling and edge cases > Should reject unknown record type": _GENERIC,
}


def _tags(folder: Path) -> Iterator[Case]:
    for test in json.loads((folder / "record-parse.json").read_text()):
        yield Case(test["name"], partial(_check_tags, test))


def _check_tags(test: dict[str, Any]) -> str:
    results = [_call(call["fn"], call["args"]) for call in test["calls"]]
    for one in test["asserts"]:
        found = re.fullmatch(r"call#(\d+)\.?(.*)", one["target"])
        if found is None:
            return f"cannot read {one['target']}"
        problem = _assert(results[int(found[1]) - 1], found[2], one["assert"])
        if problem:
            return f"{one['target']} {one['assert']}: {problem}"
    return ""


def _call(function: str, args: list[Any]) -> RecordTags:
    text = args[0] if isinstance(args[0], str) and args[0] != "undefined" else ""
    read = parse_record_tags(text.replace("\\r", "\r").replace("\\n", "\n"))
    if function == "validateTagValueRecord":
        record = parse_bimi_record(text)
        problems = ("it is no record",) if record is None else record.problems
        known = tuple(one for one in problems if not one.startswith("unknown tag"))
        return RecordTags(read.tags, known)
    return read


def _assert(read: RecordTags, target: str, expected: str) -> str:
    if target == "isValid":
        return "" if (not read.malformed) == (expected == "to be true") else str(read.malformed)
    if target == "errors" and expected.startswith("to have length"):
        return "" if f"({len(read.malformed)})" in expected else str(read.malformed)
    if target == "tags" and expected == "to deep equal({})":
        return "" if not read.tags else str(read.tags)
    if target.startswith("tags."):
        value = read.get(target.removeprefix("tags."))
        return "" if expected == f"to equal({json.dumps(value)})" else repr(value)
    # The rest is about the wording of messages, which is each program's own.
    return "" if read.malformed or "warnings" in target else f"nothing is wrong with {read}"


SUITES: Final = (
    Suite("dmarc-psl/tests", _suffixes),
    Suite("dmarc-mailauth-vectors/record-parse", _tags, _TAG_DIFFERENCES),
)

"""What others collected of replies and bounces: is the cause found, and whom it concerns?

The classes of the field manual are ours, given by reading each reply and its description there;
KumoMTA's and Sisimai's are theirs, and a table says which of ours are the same thing.
"""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.suites.explain_classes import FIELD_MANUAL, KUMOMTA
from tests.suites.explain_differences import (
    FIELD_MANUAL_DIFFERENCES,
    FLUFL_DIFFERENCES,
    KUMOMTA_DIFFERENCES,
    SISIMAI_DIFFERENCES,
)
from tests.suites.registry import Case, Suite

from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.observation import Observation
from pillarbox.diagnosis.reading.text import read

__all__ = ["SUITES"]

_NO_BOUNCE: Final = frozenset({"feedback", "vacation", "delivered"})  # Sisimai's reasons


def _kind(text: str) -> str:
    """Return the class of the first cause that is found in a reply."""
    causes = explain(read(text.encode())[0]).causes
    return causes[0].entry.kind if causes else "nothing"


def _class(text: str, wanted: frozenset[str]) -> str:
    found = _kind(text)
    return "" if found in wanted else f"{found}, not {'|'.join(sorted(wanted))}: {text[:90]}"


def _field_manual(folder: Path) -> Iterator[Case]:
    replies = json.loads((folder / "responses.share.json").read_text("utf-8"))
    for number, (reply, classes) in enumerate(zip(replies, FIELD_MANUAL.split(), strict=True)):
        name = f"{number} {reply['provider']} {reply['reply']}"
        yield Case(name, partial(_class, reply["response"], frozenset(classes.split("|"))))


def _kumomta(folder: Path) -> Iterator[Case]:
    for file in ("bounce_classifier/iana.toml", "community/bounces.toml"):
        rules = tomllib.loads((folder / file).read_text("utf-8"))["rules"]
        kind = Path(file).stem
        for theirs, patterns in rules.items():
            for number, pattern in enumerate(patterns):
                for text in _samples(pattern):
                    name = f"{kind} {theirs} {number} {text}"
                    yield Case(name, partial(_class, text, KUMOMTA[theirs]))


def _samples(pattern: str) -> Iterator[str]:
    """Yield texts that a rule matches: each of its alternatives, and a word for any text."""
    tokens = re.findall(r"\((?:[^()\\]|\\.)*\)|\[[^\]]*\]|\\d\{\d\}|\\d[+*]?|\\.|\.[+*]|.", pattern)
    choices = [_choices(token) for token in tokens]
    for chosen in itertools.islice(itertools.product(*choices), 60):
        yield re.sub(r" +", " ", "".join(chosen)).strip()


def _choices(token: str) -> list[str]:
    fixed = {
        "^": "",
        "$": "",
        ".+": " ... ",
        ".*": " ",
        r"\d{2}": "50",
        r"\d{3}": "550",
        r"\d": "5",
        r"\d+": "5",
    }
    if token in fixed:
        return [fixed[token]]
    if token.startswith("("):
        return token[1:-1].replace("\\", "").split("|")
    if token.startswith("["):
        return list(token[1:-1])
    return [token.removeprefix("\\")]


def _flufl(
    facet: Callable[[dict[str, Any], list[Observation]], str], folder: Path
) -> Iterator[Case]:
    for test in json.loads((folder / "expected.json").read_text("utf-8")):
        if test["addresses"]:
            yield Case(test["file"], partial(_check_flufl, facet, folder, test))


def _check_flufl(
    facet: Callable[[dict[str, Any], list[Observation]], str], folder: Path, test: dict[str, Any]
) -> str:
    return facet(test, list(read((folder / "data" / test["file"]).read_bytes())))


def _named(test: dict[str, Any], observed: list[Observation]) -> str:
    found = {one.recipient.lower() for one in observed if one.action in {"failed", "delayed"}}
    wanted = {address.lower() for address in test["addresses"]}
    return "" if found == wanted else f"{sorted(found)}, not {sorted(wanted)}"


def _delayed(test: dict[str, Any], observed: list[Observation]) -> str:
    is_delayed = any(one.action == "delayed" for one in observed)
    return "" if is_delayed == test["temporary"] else f"delayed: {is_delayed}"


def _sisimai(facet: str, folder: Path) -> Iterator[Case]:
    cases = json.loads((folder / "expected.share.json").read_text("utf-8"))["cases"]
    for name, rows in sorted(cases.items()):
        octets = folder / "maildir" / "bsd" / name
        if facet == "recipients":
            if any(row["reason"] not in _NO_BOUNCE for row in rows):
                yield Case(name, partial(_count, octets, len(rows)))
            continue
        for number, row in enumerate(rows):
            wanted = _FACETS[facet][0](row)
            if wanted is not None:
                yield Case(f"{name} {number}", partial(_facet, facet, octets, number, wanted))


def _count(path: Path, wanted: int) -> str:
    found = [
        one.recipient
        for one in read(path.read_bytes())
        if one.recipient and one.action in {"failed", "delayed"}
    ]
    return "" if len(found) == wanted else f"{found}, not {wanted} of them"


def _facet(facet: str, path: Path, number: int, wanted: object) -> str:
    observed = read(path.read_bytes())
    if number >= len(observed):
        return f"nothing, not {wanted}"
    found = _FACETS[facet][1](observed[number])
    return "" if found == wanted else f"{found}, not {wanted}: {observed[number].text[:90]}"


_FACETS: Final[dict[str, tuple[Callable[[Any], object], Callable[[Observation], object]]]] = {
    "status": (
        lambda row: row["status"] if row["status_in_message"] else None,
        lambda one: str(one.enhanced),
    ),
    "reply": (
        lambda row: row["replycode"] if row["reply_in_message"] else None,
        lambda one: str(one.code),
    ),
    "hard": (
        lambda row: row["hardbounce"] if row["reason"] not in _NO_BOUNCE else None,
        lambda one: explain(one).is_hard,
    ),
}

SUITES: Final[tuple[Suite, ...]] = (
    Suite("smtp-replies-fieldmanual/class", _field_manual, FIELD_MANUAL_DIFFERENCES),
    Suite("smtp-replies-kumomta/class", _kumomta, KUMOMTA_DIFFERENCES),
    Suite("bounce-flufl/recipients", partial(_flufl, _named), FLUFL_DIFFERENCES),
    Suite("bounce-flufl/delayed", partial(_flufl, _delayed)),
    *(
        Suite(f"bounce-sisimai/{facet}", partial(_sisimai, facet), SISIMAI_DIFFERENCES[facet])
        for facet in ("recipients", *_FACETS)
    ),
)

"""The ARC validation suite of Valimail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml
from tests.key_table import KeyTable
from tests.suites.registry import Case, Suite

from pillarbox.mailauth import arc

__all__ = ["SUITES"]

# Where the suite leaves the result empty, the fields are malformed and must not pass.
_EXPECTED: Final = {"": "fail", "none": "none", "pass": "pass", "fail": "fail"}


def _cases(folder: Path) -> Iterator[Case]:
    file = folder / "tests" / "arc-draft-validation-tests.yml"
    for group in filter(None, yaml.safe_load_all(file.read_text())):
        for name, test in group["tests"].items():
            yield Case(name, partial(_check, test, group.get("txt-records") or {}))


def _check(test: dict[str, Any], records: dict[str, str]) -> str:
    message = test["message"].encode().replace(b"\n", b"\r\n")
    table = KeyTable({name: (record.encode(),) for name, record in records.items()})
    chain = asyncio.run(arc.validate(message, table))
    expected = _EXPECTED[(test["cv"] or "").lower()]
    if chain.status.value == expected:
        return ""
    return f"expected {expected}, found {chain.status.value}: {chain.reason}"


SUITES: Final = (Suite("arc-valimail/validation", _cases),)

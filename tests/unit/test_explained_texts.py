"""What people paste into ``pillarbox explain``, a table of it, and what it comes down to."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from pillarbox.diagnosis.explain import explain
from pillarbox.diagnosis.reading.text import read

_FILE = Path(__file__).parents[1] / "explained_texts.toml"
_TEXTS = [
    pytest.param(text, id=text["name"]) for text in tomllib.loads(_FILE.read_text("utf-8"))["text"]
]


@pytest.mark.parametrize("text", _TEXTS)
def test_what_people_paste_is_explained(text: dict[str, Any]) -> None:
    """The first cause is of the right class, and says who can put it right, and if waiting helps."""
    diagnosis = explain(read(text["said"].encode())[-1])
    first = diagnosis.causes[0].entry
    found = {
        "class": first.kind,
        "fault": first.fault.name.lower(),
        "waiting": diagnosis.is_temporary,
    }
    assert found == {key: text[key] for key in found}

"""What is wrong with the settings of signatures."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.check import check
from pillarbox.config.loader import load


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[dkim_domain.org]", 140),
        ("[dkim_domain.'exa mple.org']", 140),
        ("[dkim_domain.'Example.org']", 141),
        ("[dkim_domain.'example.org']\nrsa_bits = 1024", 142),
        ("[dkim_domain.'example.org']\nrsa_bits = 8192", 142),
        ("[dkim_domain.'example.org']\ndelegate = 'a b'", 143),
        ("[dkim]\nexpire_after = '1 h'", 144),
        ("[dkim_domain.'example.org']\ndelegate = 'keys.example.net'\nrsa_bits = 4096", None),
        ("[dkim]\nexpire_after = '14 d'", None),
    ],
)
def test_settings_of_signatures_are_checked(tmp_path: Path, text: str, code: int | None) -> None:
    """Each mistake has its own finding, and sound settings have none."""
    path = tmp_path / "pillarbox.toml"
    path.write_text(text)
    numbers = {int(each.code.removeprefix("PB-CONFIG-")) for each in check(load(path, {}))}
    assert {number for number in numbers if 140 <= number < 150} == ({code} - {None})

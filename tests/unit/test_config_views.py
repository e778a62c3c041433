"""Views of the configuration: units, the reference, the starter file, what is in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.check import check
from pillarbox.config.loader import load
from pillarbox.config.reference import reference
from pillarbox.config.schema import SECTIONS
from pillarbox.config.settings import TlsMode, Unit
from pillarbox.config.show import effective
from pillarbox.config.template import Answers, starter
from pillarbox.config.units import parse_quantity, show_quantity
from pillarbox.findings import Level

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("5 min", Unit.SECONDS, 300),
        ("4h", Unit.SECONDS, 14_400),
        ("250 ms", Unit.SECONDS, 0.25),
        ("1.5 D", Unit.SECONDS, 129_600),
        ("30", Unit.SECONDS, 30),
        ("64 KiB", Unit.OCTETS, 65_536),
        ("25 MB", Unit.OCTETS, 25_000_000),
        ("5 min", Unit.OCTETS, None),
        ("64 KiB", Unit.SECONDS, None),
        ("-5 s", Unit.SECONDS, None),
        ("1e9 s", Unit.SECONDS, None),
        ("٣ s", Unit.SECONDS, None),
        ("", Unit.SECONDS, None),
        ("999999999999999999 d", Unit.SECONDS, None),
    ],
)
def test_quantities_are_read_exactly(text: str, unit: Unit, value: float | None) -> None:
    """A number with a known unit is read, and nothing else."""
    assert parse_quantity(text, unit) == value


@pytest.mark.parametrize("value", [0, 1, 59, 60, 90, 3600, 5400, 86_400, 432_000, 123_456])
@pytest.mark.parametrize("unit", list(Unit))
def test_a_quantity_reads_back_as_it_is_shown(value: int, unit: Unit) -> None:
    """What `config show` prints can be put into the file."""
    assert parse_quantity(show_quantity(value, unit), unit) == value


def test_the_committed_reference_is_the_printed_one() -> None:
    """docs/configuration.md is what `pillarbox config reference` prints."""
    committed = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert committed == reference(), "run: pillarbox config reference > docs/configuration.md"


def test_every_key_is_in_the_reference() -> None:
    """No setting is undocumented."""
    text = reference()
    for section in SECTIONS.values():
        assert section.doc, section.name
        for key in section.keys.values():
            assert f"| `{key.name}` |" in text
            assert key.doc


@pytest.mark.parametrize(
    "answers",
    [
        Answers(kind="relay"),
        Answers(kind="relay", smarthost="smtp.example.net:587", smarthost_user="apikey"),
        Answers(kind="relay", smarthost="127.0.0.1:2526", smarthost_tls=TlsMode.NONE),
        Answers(kind="mx", domain="example.net", hostname="mail.example.net"),
        Answers(kind="mx", domain="example.net", low_ports=True),
        Answers(kind="office", domain="example.net"),
        Answers(kind="office", domain="example.net", low_ports=True, smarthost="h.example:465"),
    ],
    ids=str,
)
def test_a_starter_file_is_a_sound_configuration(
    tmp_path: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `pillarbox init` writes loads and has no errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("socket.getfqdn", lambda: "mail.example.org")
    secret = Path("smarthost-password")
    secret.write_text("x")
    secret.chmod(0o600)
    path = Path("pillarbox.toml")
    path.write_text(starter(answers))
    errors = [each for each in check(load(path, {})) if each.level >= Level.WARNING]
    assert errors == []


def test_effective_values_have_their_origins_and_hide_secrets(tmp_path: Path) -> None:
    """Each value comes with its place; a password is never shown."""
    path = tmp_path / "pillarbox.toml"
    path.write_text(
        "[route.out]\nkind = 'smarthost'\npassword = 'hunter2'\n"
        "[domain.'example.org']\nroute = 'out'\n"
    )
    loaded = load(path, {"PILLARBOX_STORE__URL": "postgresql://u:hunter2@h/d"})
    shown = {item.key: item for item in effective(loaded)}
    assert shown["route.out.password"].value == '"***"'
    assert shown["route.out.password"].origin == f"{path}:3"
    assert shown["store.url"].value == '"***"'
    assert shown["store.url"].origin == "$PILLARBOX_STORE__URL"
    assert shown['domain."example.org".route'].value == '"out"'
    assert shown["queue.lifetime"].value == '"5 d"'
    assert shown["queue.lifetime"].is_default
    assert "hunter2" not in str(shown)
    assert "hunter2" not in repr(loaded.settings)

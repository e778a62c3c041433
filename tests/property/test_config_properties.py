"""Laws of the configuration: any file gives settings or a ConfigError, and nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, strategies as st

from pillarbox.config.check import check
from pillarbox.config.error import ConfigError
from pillarbox.config.lines import key_lines, line_of
from pillarbox.config.loader import load
from pillarbox.config.schema import SECTIONS
from pillarbox.config.show import effective

_words = st.sampled_from(
    [
        *SECTIONS,
        *(name for section in SECTIONS.values() for name in section.keys),
        "x",
        '"a b"',
        '""',
    ]
)
_values = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.sampled_from(["'mx'", "'smarthost'", "'5 min'", "'64 KiB'", "'[::1]:25'", "['*']", "[1]"]),
    st.sampled_from(
        ["{}", "{a = 1}", "1979-05-27", "'''x'''", '"\\u0000"', "[['a']]", "'%\ufffd'"]
    ),
)
_lines = st.one_of(
    st.tuples(_words, _values).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.tuples(_words, _words).map(lambda pair: f"[{pair[0]}.{pair[1]}]"),
    _words.map(lambda word: f"[{word}]"),
    st.text(max_size=20),
)
_files = st.lists(_lines, max_size=12).map("\n".join)
_environ = st.dictionaries(
    st.tuples(_words, _words, st.sampled_from(["", "_FILE"])).map(
        lambda parts: f"PILLARBOX_{parts[0]}__{parts[1]}{parts[2]}".upper()
    ),
    st.text(max_size=20),
    max_size=3,
)


def load_text(octets: bytes, environ: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pillarbox.toml")
        path.write_bytes(octets)
        try:
            loaded = load(path, environ)
        except ConfigError:
            return
        check(loaded)
        list(effective(loaded))


@given(_files, _environ)
def test_any_file_loads_or_is_a_config_error(text: str, environ: dict[str, str]) -> None:
    """No configuration, however wrong, ends in another exception."""
    load_text(text.encode("utf-8", "replace"), environ)


@given(st.binary(max_size=200))
def test_any_octets_load_or_are_a_config_error(octets: bytes) -> None:
    """No file, whatever its octets, ends in another exception."""
    load_text(octets, {})


@given(_files)
def test_lines_are_lines_of_the_file(text: str) -> None:
    """A line number that is told is one that the file has."""
    lines = key_lines(text)
    last = text.count("\n") + 1
    assert all(1 <= number <= last for number in lines.values())
    assert line_of(("nowhere",), {}) is None

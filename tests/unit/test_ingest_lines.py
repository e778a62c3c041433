"""Long lines of mail that did not come by SMTP."""

from __future__ import annotations

import pytest

from pillarbox.sandbox.ingest import has_long_line


@pytest.mark.parametrize("lines", [1, 2, 5_000])
@pytest.mark.parametrize("length", [0, 997, 998, 999, 3_000])
@pytest.mark.parametrize("end", [b"", b"last\r\n"])
def test_a_line_is_long_beyond_998_octets(lines: int, length: int, end: bytes) -> None:
    """RFC 5322 §2.1.1, wherever the line stands."""
    content = b"x\r\n" * lines + b"y" * length + b"\r\n" + end
    assert has_long_line(content) == (length > 998)

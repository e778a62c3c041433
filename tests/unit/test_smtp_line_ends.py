"""Finding a CR or LF that stands alone."""

from __future__ import annotations

import re
from itertools import product

from pillarbox.smtp.line_ends import has_only_crlf

LONE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def test_every_short_text_is_judged_like_its_definition() -> None:
    """A01: no order of CR, LF and other octets deceives the fast check."""
    for length in range(8):
        for octets in map(bytes, product(b"\r\na", repeat=length)):
            assert has_only_crlf(octets) == (LONE.search(octets) is None), octets

"""``python -m tests.suites``: one line for each outside suite, and what is wrong in it.

With names, only the suites whose names begin so. With ``--document``, what ``docs/suites.md`` says instead.
"""

from __future__ import annotations

import sys

from tests.suites.catalog import SUITES
from tests.suites.document import document
from tests.suites.registry import run


def main() -> int:
    """Print the tallies; return 1 if a case fails that is no known difference."""
    if "--document" in sys.argv:
        print(document(), end="")
        return 0
    failed = False
    wanted = tuple(sys.argv[1:]) or ("",)
    for suite in SUITES:
        if not suite.name.startswith(wanted):
            continue
        if not suite.folder.exists():
            print(f"{suite.name} skipped: {suite.folder} is not on this machine")
            continue
        tally = run(suite)
        print(tally)
        for name, what in tally.wrong.items():
            print(f"    {name}: {suite.differences.get(name, what)}")
        for name in sorted(tally.healed):
            print(f"    {name}: listed as a difference, and is none")
        failed = failed or bool(tally.unexplained or tally.healed)
    return 1 if failed else 0


sys.exit(main())

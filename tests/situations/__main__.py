"""``python -m tests.situations``: how many situations the commands see through, and which not.

With words, only the situations in whose names or commands one of them stands.
"""

from __future__ import annotations

import sys

from tests.situations.registry import BROKEN, HEALTHY


def main() -> int:
    """Print a line for each situation and the count; return 1 if one is not seen through."""
    wanted = tuple(sys.argv[1:]) or ("",)
    chosen = [
        one
        for one in (*BROKEN, *HEALTHY)
        if any(word in f"{one.command}: {one.name}" for word in wanted)
    ]
    seen = 0
    for one in chosen:
        wrong = one.verdict()
        seen += not wrong
        print(f"{'ok ' if not wrong else 'NOT'}  {one.command}: {one.name}")
        if wrong:
            print(f"     {wrong}")
    broken = sum(one in BROKEN for one in chosen)
    print(f"situations {seen}/{len(chosen)}   ({broken} broken, {len(chosen) - broken} healthy)")
    return 0 if seen == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())

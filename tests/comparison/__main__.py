"""``python -m tests.comparison``: what others say otherwise of the same domains and listeners."""

from __future__ import annotations

import shutil
import sys

from tests.comparison import domains, listeners


def main() -> int:
    """Print each difference with its reason; return 1 if one has none."""
    unexplained = 0
    if domains.CHECKDMARC.exists():
        found = domains.compare()
        for one in found:
            print(f"checkdmarc  {one.situation}, {one.area}: ours {one.ours}, theirs {one.theirs}")
            print(f"            {one.reason or 'NOT EXPLAINED: ' + '; '.join(one.words)}")
            unexplained += not one.reason
        total = len(domains.AREAS) * len(domains.COMPARED)
        print(f"checkdmarc {total - len(found)}/{total} alike")
    else:
        print("checkdmarc skipped: scripts/install-peers.sh installs it")
    if shutil.which("testssl") is None:
        print("testssl.sh skipped: scripts/install-peers.sh installs it")
        return int(bool(unexplained))
    for name in listeners.LISTENERS:
        differing = listeners.compare(name)
        print(f"testssl.sh  a listener {name}: {'alike' if not differing else ''}")
        for each in differing:
            print(f"            {each.question}: ours {each.ours}, theirs {each.theirs}")
        unexplained += len(differing)
    return int(bool(unexplained))


sys.exit(main())

"""``python -m pillarbox`` is ``pillarbox``."""

from __future__ import annotations

from pillarbox.cli.main import main

main()

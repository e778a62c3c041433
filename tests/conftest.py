"""What all tests share: how Hypothesis searches, here and where a change is judged."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# The machines are shared and slow now and then: time is judged by bench/, not here.
settings.register_profile(
    "search", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
# A change is judged by the same examples each time; people's runs look for new ones.
settings.register_profile("judge", settings.get_profile("search"), derandomize=True, database=None)
settings.load_profile("judge" if os.environ.get("CI") else "search")

# Readline sets these where there is no terminal: what a command prints is then as wide as that.
for name in ("COLUMNS", "LINES"):
    os.environ.pop(name, None)

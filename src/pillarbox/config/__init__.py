"""Settings: their types, where they come from, and the reference printed from them."""

from __future__ import annotations

"""Settings: their types, their sources, and the reference generated from them."""

from __future__ import annotations

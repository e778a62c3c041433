"""The one door through which every message comes in."""

from __future__ import annotations

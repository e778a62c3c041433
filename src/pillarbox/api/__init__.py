"""HTTP interfaces for programs."""

from __future__ import annotations

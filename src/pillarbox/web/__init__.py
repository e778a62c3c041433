"""The foundation of everything that speaks HTTP: the application, its security, its errors."""

from __future__ import annotations

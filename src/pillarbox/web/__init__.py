"""The foundation of all HTTP services: the application, its security, its errors."""

from __future__ import annotations

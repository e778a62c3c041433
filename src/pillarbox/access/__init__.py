"""Authentication: credentials in the store, other user sources, and reasons for refused logins."""

from __future__ import annotations

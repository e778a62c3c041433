"""The sandbox: mail is caught, shown, judged, failed on purpose and released."""

from __future__ import annotations

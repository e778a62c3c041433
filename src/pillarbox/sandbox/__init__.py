"""The sandbox: mail is caught, looked at, judged, failed on purpose and released."""

from __future__ import annotations

"""The errors that routes of the native API document."""

from __future__ import annotations

from typing import Any, Final

from pillarbox.api.sandbox.models import ProblemDocument

__all__ = ["MAIL_PROBLEMS", "SEARCH_PROBLEMS", "problems"]


def problems(**descriptions: str) -> dict[int | str, dict[str, Any]]:
    """Return documented problems: ``problems(_404="there is no such mail")``."""
    return {
        int(status.lstrip("_")): {
            "description": description,
            "model": ProblemDocument,
            "content": {"application/problem+json": {}},
        }
        for status, description in descriptions.items()
    }


SEARCH_PROBLEMS: Final = problems(_422="The search has a word that is not known.")
MAIL_PROBLEMS: Final = problems(_404="There is no such mail (in this project).")

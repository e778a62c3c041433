"""The error responses that native routes document."""

from __future__ import annotations

from typing import Any, Final

from pillarbox.api.sandbox.models import ProblemDocument
from pillarbox.web.problems import MEDIA_TYPE

__all__ = ["MAIL_PROBLEMS", "SEARCH_PROBLEMS", "VALUE_PROBLEMS", "problems"]


def problems(**descriptions: str) -> dict[int | str, dict[str, Any]]:
    """Return documented problems: ``problems(_404="there is no such mail")``."""
    return {
        int(status.lstrip("_")): {
            "description": description,
            "content": {MEDIA_TYPE: {"schema": ProblemDocument.model_json_schema()}},
        }
        for status, description in descriptions.items()
    }


VALUE_PROBLEMS: Final = problems(_422="A value is not valid; `errors` says which.")
SEARCH_PROBLEMS: Final = problems(_422="The search has an unknown word.")
MAIL_PROBLEMS: Final = problems(_404="There is no such message (in this project).")

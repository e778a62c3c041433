"""Errors for HTTP clients: RFC 9457 problems, each with a code that never changes.

A ``Problem`` may be raised anywhere below the application. All other exceptions become one, too:
known errors keep their message, and defects are reported without details, which go to the log.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from pillarbox.errors import PillarboxError, TemporaryError

__all__ = [
    "MEDIA_TYPE",
    "Fault",
    "Problem",
    "Renderer",
    "problem_of",
    "problem_response",
    "request_id",
]

MEDIA_TYPE: Final = "application/problem+json"
_CODES: Final = {
    400: "bad_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timed_out",
    409: "conflict",
    413: "payload_too_large",
    415: "unsupported_media_type",
    421: "unknown_host",
    422: "validation_error",
    429: "rate_limited",
    500: "defect",
    503: "unavailable",
}
_SENTENCES: Final = {  # for errors that the framework describes in one word
    404: "There is nothing at this path.",
    405: "This path does not support this method.",
}
_MOST_FAULTS: Final = 50
_RETRY_SECONDS: Final = "5"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request, and where."""

    field: str  # such as "to[0]"
    code: str
    message: str


class Problem(HTTPException):
    """An error response to a request, with its reason."""

    def __init__(
        self,
        status: int,
        detail: str,
        code: str = "",
        *,
        hint: str = "",
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Make a problem.

        Args:
            status: The HTTP status of the response.
            detail: One sentence: what is wrong.
            code: A name that never changes; "" means the default for the status.
            hint: What to do about it.
            faults: Where in the request the error is.
            headers: Header fields of the response.
        """
        super().__init__(status, detail, dict(headers) if headers else None)
        self.code = code or _CODES.get(status, "error")
        self.hint = hint
        self.faults = tuple(faults)

    @property
    def status(self) -> int:
        """The HTTP status of the response."""
        return self.status_code

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status_code).phrase


Renderer = Callable[[HTTPConnection, Problem], Response]
"""Turns a problem into a response, for an interface that does not use RFC 9457."""


def request_id(connection: HTTPConnection) -> str:
    """Return the id of a request, as in its response and the log."""
    return str(connection.scope.get("state", {}).get("request_id", ""))


def problem_response(connection: HTTPConnection, problem: Problem) -> Response:
    """Return a problem in the form of RFC 9457."""
    body: dict[str, Any] = {
        "type": f"urn:pillarbox:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status_code,
        "detail": problem.detail,
        "instance": request_id(connection),
        "code": problem.code,
    }
    if problem.hint:
        body["hint"] = problem.hint
    if problem.faults:
        body["errors"] = [
            {"field": fault.field, "code": fault.code, "message": fault.message}
            for fault in problem.faults[:_MOST_FAULTS]
        ]
    return Response(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        status_code=problem.status_code,
        headers=dict(problem.headers or {}),
        media_type=MEDIA_TYPE,
    )


def problem_of(error: Exception) -> Problem | None:
    """Return the problem for an error; None if it is a defect of pillarbox."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        detail = _SENTENCES.get(error.status_code, str(error.detail))
        return Problem(error.status_code, detail, headers=error.headers)
    if isinstance(error, TemporaryError):
        return Problem(503, str(error), headers={"Retry-After": _RETRY_SECONDS})
    if isinstance(error, PillarboxError):
        return Problem(422, str(error))
    return None


def _invalid(error: RequestValidationError) -> Problem:
    faults = [
        Fault(_path(fault["loc"]), str(fault["type"]), str(fault["msg"]))
        for fault in error.errors()[:_MOST_FAULTS]
    ]
    if any(fault.code == "json_invalid" for fault in faults):
        return Problem(400, "The body is not JSON.", "invalid_json", faults=faults)
    first = faults[0] if faults else Fault("", "", "it is not valid")
    return Problem(422, f"{first.field or 'The request'}: {first.message}", faults=faults)


def _path(location: Sequence[str | int]) -> str:
    """Return the location of a fault, such as ``to[0].address``, without "body" or "query"."""
    shown = ""
    for step in location[1:]:
        if isinstance(step, int):
            shown += f"[{step}]"
        else:
            shown += f".{step}" if shown else step
    return shown

"""Reads the request bodies of Mailpit clients: any media type, member names in any case.

Mailpit's Go decoder accepts ``ids`` for ``IDs`` and ignores the media type, and clients rely on
both. One client sends forms, which Mailpit does not understand (and then deletes all mail); here
they are read as they are meant.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec
from fastapi import Depends, Path, Request
from msgspec import Struct

from pillarbox.api.serving import LATEST, TheSandbox, read_id, read_search
from pillarbox.inbox.values import Summary
from pillarbox.message.mail import Mail
from pillarbox.web.problems import Problem
from pillarbox.web.routing import read_json_aside

__all__ = ["Bounds", "TheMail", "TheSummary", "asks", "bounds", "describes", "read_body"]

_Body = TypeVar("_Body", bound=Struct)
_MOST: Final = 10_000
_ASKED: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "query": ({"type": "string", "examples": ["subject:welcome"]}, "In the search language."),
    "start": ({"type": "integer", "default": 0}, "Number to skip."),
    "limit": ({"type": "integer", "default": 50}, "Maximum number to return."),
    "tz": ({"type": "string"}, "Time zone of `before:` and `after:`, such as Pacific/Auckland."),
    "dl": ({"type": "string"}, "`1` for a file to save."),
    "follow": ({"type": "boolean"}, "Whether a redirect counts as its end."),
}
_FORM: Final = "application/x-www-form-urlencoded"


class Bounds(Struct, frozen=True):
    """Which part of a list is asked for."""

    start: int
    limit: int


def bounds(request: Request) -> Bounds:
    """Return ``start`` and ``limit``; what is no number is as if it were not there."""
    return Bounds(
        start=_number(request.query_params.get("start"), 0),
        limit=min(_number(request.query_params.get("limit"), 50), _MOST),
    )


def asks(*names: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of values that are read from the query."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": schema, "description": what}
            for name, (schema, what) in _ASKED.items()
            if name in names
        ]
    }


def describes(kind: type[Struct]) -> dict[str, Any]:
    """Return what the OpenAPI document says of a body that ``read_body`` reads."""
    schema = msgspec.json.schema(kind)
    named = schema.pop("$defs", {})

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(each) for each in part]
        if not isinstance(part, dict):
            return part
        if "$ref" in part:
            return resolved(named[part["$ref"].rpartition("/")[2]])
        # Titles and descriptions are of our classes, and nothing to clients.
        return {name: resolved(each) for name, each in part.items() if name != "title"}

    return {"requestBody": {"content": {"application/json": {"schema": resolved(schema)}}}}


async def read_body(request: Request, kind: type[_Body]) -> _Body:
    """Return the body as ``kind``; an empty one is an empty object.

    Raises:
        Problem: It is not JSON, or not of that kind (400).
    """
    body = await request.body()
    # curl -d says that JSON is a form.
    is_form = _FORM in request.headers.get("content-type", "") and body.lstrip()[:1] not in b"{["
    value = _read_form(body, kind) if is_form else await read_json_aside(body.strip() or b"{}")
    try:
        return msgspec.convert(_spelled(value, kind), kind, strict=not is_form)
    except msgspec.ValidationError as error:
        raise Problem(400, str(error)) from None


def _spelled(value: Any, kind: type[Struct]) -> Any:
    """Return an object with its members spelled as ``kind`` has them."""
    if not isinstance(value, dict):
        return value
    names = {name.lower(): name for name in kind.__struct_encode_fields__}
    return {names.get(key.lower(), key): each for key, each in value.items() if each is not None}


def _read_form(body: bytes, kind: type[Struct]) -> dict[str, Any]:
    """Return the fields of a form; those that ``kind`` has as lists are lists."""
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST)
    lists = {
        each.encode_name.lower() for each in msgspec.structs.fields(kind) if each.type == list[str]
    }
    return {name: value if name.lower() in lists else value[-1] for name, value in fields.items()}


def _number(text: str | None, default: int) -> int:
    if text is None or not text.isdecimal() or len(text) > 9:  # noqa: PLR2004 - digits of an int
        return default
    return int(text) or default


async def _summary(
    request: Request,
    sandbox: TheSandbox,
    id: Annotated[str, Path(max_length=100)],  # noqa: A002 - as it stands in the path
) -> Summary:
    if id == LATEST:
        search = request.query_params.get("query", "").strip()
        found = await sandbox.latest(
            read_search(search) if search else None,
            project=request.path_params.get("project"),
        )
    else:
        found = await sandbox.summary(read_id(id))
    project = request.path_params.get("project")
    if found is None or (project is not None and found.project != project):
        raise Problem(404, "message not found")
    return found


TheSummary = Annotated[Summary, Depends(_summary)]


async def _mail(sandbox: TheSandbox, summary: TheSummary) -> Mail:
    mail = await sandbox.mail(summary.id)
    if mail is None:
        raise Problem(404, "message not found")
    return mail


TheMail = Annotated[Mail, Depends(_mail)]

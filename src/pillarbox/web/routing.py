"""The router of every interface: strict parsing of JSON.

``json`` by itself accepts NaN, uses the last of duplicate members, and takes minutes for a number
with a million digits. Anything that another parser may read differently is refused here (RFC 8259
§4, §6, and I-JSON, RFC 7493 §2).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from pillarbox.web.problems import Problem

__all__ = ["Router", "read_json", "read_json_aside", "takes_body"]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

_LARGEST_BODY: Final = "pillarbox_largest_body"
_MOST_DIGITS: Final = 40  # of a number
_QUICK: Final = 128 * 1024  # octets that are parsed faster than a thread starts
_MOST_MEMBERS: Final = 100_000  # of all objects of a body


_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


class _Reader:
    """Parses one body."""

    def __init__(self) -> None:
        self._members = 0

    def members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        self._members += len(pairs)
        if self._members > _MOST_MEMBERS:
            raise ValueError(f"it has more than {_MOST_MEMBERS} members")
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a member appears twice in an object")
        return found

    def integer(self, digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
        return int(digits)

    def fraction(self, digits: str) -> float:
        if len(digits) > _MOST_DIGITS:
            raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
        value = float(digits)
        if value in {float("inf"), float("-inf")}:
            raise ValueError("a number is too large")
        return value

    def constant(self, name: str) -> NoReturn:
        raise ValueError(f"{name} is no JSON")


def read_json(body: bytes) -> Any:
    """Parse a JSON body.

    Raises:
        Problem: It is not JSON, or parsers would read it differently (400).
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _bad("it is not UTF-8") from None
    reader = _Reader()
    try:
        value = json.loads(
            text,
            object_pairs_hook=reader.members,
            parse_int=reader.integer,
            parse_float=reader.fraction,
            parse_constant=reader.constant,
        )
    except json.JSONDecodeError as error:
        raise _bad(f"{error.msg}, line {error.lineno} column {error.colno}") from None
    except ValueError as error:
        raise _bad(str(error)) from None
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    if _SURROGATE.search(text) and not _is_encodable(value):
        raise _bad("a string has half a character (a lone surrogate)")
    return value


def _is_encodable(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


async def read_json_aside(body: bytes) -> Any:
    """Like ``read_json``, but on a thread if that takes long.

    Raises:
        Problem: See ``read_json``.
    """
    return read_json(body) if len(body) <= _QUICK else await asyncio.to_thread(read_json, body)


def _bad(what: str) -> Problem:
    return Problem(400, f"The body is not valid JSON: {what}.", "invalid_json")


def takes_body(octets: int) -> Callable[[Endpoint], Endpoint]:
    """Set the body size limit of a route: a decorator below the route's own."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _LARGEST_BODY, octets)
        return endpoint

    return mark


class _StrictRequest(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            self._json = await read_json_aside(await self.body())
        return self._json


class _StrictRoute(APIRoute):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.body_field is not None and "4XX" not in self.responses:
            self.responses.setdefault(400, {"description": "The body is not JSON."})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        most = getattr(self.endpoint, _LARGEST_BODY, None)

        async def handle_strictly(request: Request) -> Response:
            if most is not None:
                request.scope["state"]["largest_body"] = most
            return await handle(_StrictRequest(request.scope, request.receive))

        return handle_strictly


class Router(APIRouter):
    """A router that parses JSON strictly; use it in place of ``APIRouter``."""

    def __init__(self, **options: Any) -> None:
        """Take what ``APIRouter`` takes."""
        super().__init__(
            route_class=_StrictRoute, generate_unique_id_function=_operation_id, **options
        )


def _operation_id(route: APIRoute) -> str:
    """Return an operation id for generated clients, such as ``sandbox_list_messages``."""
    return f"{route.endpoint.__module__.split('.')[-2]}_{route.name}"

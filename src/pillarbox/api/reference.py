"""Arranges an OpenAPI document for readers: operations by subject, with example calls."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct

__all__ = ["Group", "Operation", "Parameter", "Reference", "Text", "read_reference"]

_METHODS: Final = ("get", "post", "put", "patch", "delete")
_SAMPLE: Final = {"id": "latest", "number": "2", "part": "2", "name": "inbox", "tag": "welcome"}
_DEEPEST: Final = 6


Text = tuple[tuple[str, bool], ...]
"""Words, and whether they are code: the document has them in backticks."""


class Parameter(Struct, frozen=True):
    """A value that an operation takes, or a member of its body or answer."""

    name: str
    where: str  # "path", "query", "header", "body"
    type: str
    what: Text
    is_required: bool


class Operation(Struct, frozen=True):
    """One thing that can be asked."""

    anchor: str
    method: str
    path: str
    summary: str
    what: tuple[Text, ...]  # paragraphs
    parameters: tuple[Parameter, ...]
    answer: tuple[Parameter, ...]
    problems: tuple[tuple[str, Text], ...]
    example: str  # a curl command


class Group(Struct, frozen=True):
    """Operations on one subject."""

    name: str
    anchor: str
    operations: tuple[Operation, ...]


class Reference(Struct, frozen=True):
    """A whole document."""

    title: str
    version: str
    groups: tuple[Group, ...]


def read_reference(document: dict[str, Any], base: str) -> Reference:
    """Arrange a document.

    Args:
        document: As OpenAPI 3.1 has it.
        base: Where the application is, for examples.
    """
    groups: dict[str, list[Operation]] = {}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                tag = next(iter(item[method].get("tags", ())), "Other")
                operation = _Reader(document, base).operation(path, method, item[method])
                groups.setdefault(tag, []).append(operation)
    return Reference(
        document["info"]["title"],
        document["info"]["version"],
        tuple(Group(name, _anchor(name), tuple(found)) for name, found in groups.items()),
    )


class _Reader:
    """Reads operations of one document."""

    def __init__(self, document: dict[str, Any], base: str) -> None:
        self._schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
        self._base = base

    def operation(self, path: str, method: str, given: dict[str, Any]) -> Operation:
        parameters = [self._parameter(each) for each in given.get("parameters", ())]
        body = _json_schema(given.get("requestBody", {}))
        if body is not None:
            parameters.extend(self._members(body, "body"))
        answers = given.get("responses", {})
        answer: dict[str, Any] = next(
            (answers[code] for code in ("200", "201") if code in answers), {}
        )
        schema = _json_schema(answer)
        return Operation(
            anchor=_anchor(f"{method}-{path}"),
            method=method.upper(),
            path=path,
            summary=given.get("summary", ""),
            what=tuple(_marked(each) for each in given.get("description", "").split("\n\n")),
            parameters=tuple(parameters),
            answer=() if schema is None else tuple(self._members(schema, "answer")),
            problems=tuple(
                (code, _marked(each.get("description", "")))
                for code, each in answers.items()
                if code[0] in "45"
            ),
            example=self._example(path, method, given, body),
        )

    def _parameter(self, given: dict[str, Any]) -> Parameter:
        return Parameter(
            given["name"],
            given["in"],
            self._type(given.get("schema", {})),
            _marked(given.get("description", "")),
            bool(given.get("required", False)),
        )

    def _members(self, schema: dict[str, Any], where: str) -> Iterator[Parameter]:
        schema = self._resolved(schema)
        if schema.get("type") == "array":
            schema = self._resolved(schema.get("items", {}))
        required = set(schema.get("required", ()))
        for name, member in schema.get("properties", {}).items():
            what = member.get("description") or self._resolved(member).get("description", "")
            yield Parameter(name, where, self._type(member), _marked(what), name in required)

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        found: dict[str, Any] = self._schemas.get(name, schema) if name else schema
        return found

    def _type(self, schema: dict[str, Any]) -> str:
        if "$ref" in schema:
            return str(schema["$ref"].rpartition("/")[2])
        choices = schema.get("anyOf")
        if choices:
            # Null is the same as nothing given, and needs no word.
            return " or ".join(self._type(each) for each in choices if each != {"type": "null"})
        if schema.get("type") == "array":
            return f"list of {self._type(schema.get('items', {}))}"
        if "enum" in schema:
            return " | ".join(str(each) for each in schema["enum"])
        return str(schema.get("const") or schema.get("type", "any"))

    def _example(
        self, path: str, method: str, given: dict[str, Any], body: dict[str, Any] | None
    ) -> str:
        for name, value in _SAMPLE.items():
            path = path.replace(f"{{{name}}}", value)
        words = ["curl"]
        if method != "get":
            words += ["-X", method.upper()]
        if body is not None:
            words += ["--json", json.dumps(self._sample(body, 0))]
        elif "requestBody" in given:
            kind = next(iter(given["requestBody"].get("content", {"text/plain": {}})))
            words += ["-H", f"Content-Type: {kind}", "--data-binary", "@mail.eml"]
        words.append(self._base + path + _query(given))
        return shlex.join(words)

    def _sample(self, schema: dict[str, Any], depth: int) -> Any:
        """Return a value that a body could have: what is required, or has an example."""
        schema = self._resolved(schema)
        if "examples" in schema:
            return schema["examples"][0]
        if "properties" in schema and depth < _DEEPEST:
            required = schema.get("required") or list(schema["properties"])[:1]
            return {
                name: self._sample(member, depth + 1)
                for name, member in schema["properties"].items()
                if name in required or "examples" in member
            }
        if schema.get("type") == "array":
            return [self._sample(schema.get("items", {}), depth + 1)]
        return {"string": "text", "integer": 1, "number": 1.0, "boolean": True}.get(
            schema.get("type", ""), schema.get("default", "text")
        )


def _marked(text: str) -> Text:
    words = text.replace("\n", " ").split("`")
    return tuple((word, bool(number % 2)) for number, word in enumerate(words) if word)


def _json_schema(holder: dict[str, Any]) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (
        holder.get("content", {}).get("application/json", {}).get("schema")
    )
    return found


def _query(given: dict[str, Any]) -> str:
    pairs = [
        f"{each['name']}={each['schema']['examples'][0]}"
        for each in given.get("parameters", ())
        if each["in"] == "query" and each.get("schema", {}).get("examples")
    ]
    return f"?{'&'.join(pairs)}" if pairs else ""


def _anchor(text: str) -> str:
    kept = "".join(each if each.isalnum() else "-" for each in text.lower())
    return "-".join(part for part in kept.split("-") if part)

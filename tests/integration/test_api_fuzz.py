"""Every operation of the OpenAPI document, asked with arbitrary values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.web_sandbox import RunningSandbox, sandbox_web

METHODS = ("get", "post", "put", "patch", "delete")
ENDLESS = frozenset({"/api/sandbox/v1/events"})
NASTY = (
    "", " ", "0", "-1", "9" * 30, "latest", "null", "NaN", "../../etc/passwd", "%00", "\x00",
    "'; DROP TABLE mails; --", '" OR 1=1', "{{7*7}}", "<script>", "a\r\nSet-Cookie: x=y",
    "\u202egnp.exe", "\U0001f4e7", "x" * 2_000, "to:", "is:never", 'subject:"', "-", "before:2026-13-45",
    "larger:9e99", "*" * 500, "%", "_" * 100, "AND OR NOT NEAR(",
)  # fmt: skip
TEXT = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@dataclass(frozen=True)
class Operation:
    """One operation, and what it says of itself."""

    method: str
    path: str
    parameters: tuple[dict[str, Any], ...]
    body: dict[str, Any] | None
    statuses: frozenset[str]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with sandbox_web() as running:
        assert running.sandbox is not None
        running.sandbox.judging = None  # which would ask outside where a drawn value says so
        running.send(html="<p>Hello <a href='https://example.com/'>there</a>")
        yield running


@pytest.fixture(scope="module")
def document(sandbox: RunningSandbox) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.get("/openapi.json").json
    return found


def operations(document: dict[str, Any]) -> list[Operation]:
    """Return all operations but streams that do not end."""
    return [
        Operation(
            method.upper(),
            path,
            tuple(item[method].get("parameters", ())),
            item[method]
            .get("requestBody", {})
            .get("content", {})
            .get("application/json", {})
            .get("schema"),
            frozenset(item[method]["responses"]),
        )
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item and path not in ENDLESS
    ]


def values(schema: dict[str, Any], schemas: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return values that nearly fit a schema, so that they get past the first check."""
    if "$ref" in schema:
        return values(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "anyOf" in schema:
        return st.one_of(*(values(each, schemas) for each in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    plain: dict[str, st.SearchStrategy[Any]] = {
        "string": TEXT,
        "integer": st.integers(-5, 600) | st.integers(),
        "number": st.floats(-1, 1, allow_nan=False),
        "boolean": st.booleans(),
        "null": st.none(),
    }
    kind = schema.get("type", "")
    if kind == "array":
        return st.lists(values(schema.get("items", {}), schemas), max_size=3)
    if kind == "object" and "properties" in schema:
        members = {name: values(each, schemas) for name, each in schema["properties"].items()}
        needed = {name: members.pop(name) for name in schema.get("required", ())}
        return st.fixed_dictionaries(needed, optional=members)
    return plain.get(kind, JSON)


def ask(
    sandbox: RunningSandbox, operation: Operation, data: st.DataObject, schemas: dict[str, Any]
) -> None:
    """Send one request made of drawn values, and hold the answer to the document."""
    path, query, headers = operation.path, [], {}
    for parameter in operation.parameters:
        name, where = parameter["name"], parameter["in"]
        nearly = values(parameter.get("schema", {}), schemas)
        value = data.draw(st.one_of(nearly, TEXT), label=name)
        if where == "path":
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        elif where == "query" and data.draw(st.booleans(), label=f"{name}?"):
            capped = min(value, 0.05) if name == "timeout" and isinstance(value, float) else value
            query.append(
                (name, "0.01" if name == "timeout" and not isinstance(value, float) else capped)
            )
        elif where == "header":
            headers[name] = (
                str(value).encode("ascii", "ignore").decode().replace("\r", "").replace("\n", "")
            )
    if operation.path.endswith("/wait") and not any(name == "timeout" for name, _ in query):
        query.append(("timeout", "0.01"))
    body = None
    if operation.method != "GET":
        body = data.draw(
            st.one_of(values(operation.body, schemas), JSON) if operation.body else JSON,
            label="body",
        )
        body = json.dumps(body).encode("utf-8", "replace")
        headers.setdefault("Content-Type", "application/json")
    url = f"{path}?{urlencode(query, errors='replace')}" if query else path
    answer = sandbox.ask(operation.method, url, body, {k: v for k, v in headers.items() if v})
    shown = f"{operation.method} {url[:300]} {body!r}: {answer.status} {answer.text[:300]}"
    assert answer.status < 500, shown
    assert not sandbox.defects, shown
    if operation.path.startswith("/api/sandbox/") and answer.status >= 400:
        leads_elsewhere = answer.status in {404, 405} and "{" in operation.path
        assert leads_elsewhere or str(answer.status) in operation.statuses, shown
        assert answer.headers["content-type"] == "application/problem+json", shown
        assert answer.json["detail"], shown
    if answer.status == 200:
        assert "200" in operation.statuses or "201" in operation.statuses, shown


def test_no_value_makes_an_operation_fail(
    sandbox: RunningSandbox, document: dict[str, Any]
) -> None:
    """Whatever is sent is answered: with success or a problem, never with a defect."""
    _run(sandbox, document, examples=6)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_no_value_makes_an_operation_fail_in_many_tries(
    sandbox: RunningSandbox, document: dict[str, Any]
) -> None:
    """The same, many times over."""
    _run(sandbox, document, examples=300)


def _run(sandbox: RunningSandbox, document: dict[str, Any], *, examples: int) -> None:
    schemas = document["components"]["schemas"]
    found = operations(document)
    assert len(found) > 60
    for operation in found:
        _try(sandbox, operation, schemas, examples)


def _try(
    sandbox: RunningSandbox, operation: Operation, schemas: dict[str, Any], examples: int
) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def try_it(data: st.DataObject) -> None:
        ask(sandbox, operation, data, schemas)

    try_it()

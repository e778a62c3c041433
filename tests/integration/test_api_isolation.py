"""Nobody gets at mail of another project: a matrix made from the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.web_sandbox import PREFIX, RunningSandbox, make_message, sandbox_web

METHODS = ("get", "post", "put", "patch", "delete")
BODIES = {
    "State": {"is_read": True},
    "Assertions": {"headers": [{"name": "Subject", "present": True}]},
    "Release": {"recipients": ["real@example.com"]},
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with sandbox_web() as running:
        for name in ("ours", "theirs"):
            running.ask("PUT", f"{PREFIX}/projects/{name}", {"users": [name]})
        yield running


def operations(sandbox: RunningSandbox) -> list[tuple[str, str, dict[str, Any]]]:
    """Return every operation of the native API on one mail."""
    paths = sandbox.get("/openapi.json").json["paths"]
    return [
        (path, method, item[method])
        for path, item in paths.items()
        for method in METHODS
        if method in item and path.startswith(f"{PREFIX}/messages/{{id}}")
    ]


def body_of(operation: dict[str, Any]) -> Any:
    """Return a body that the operation takes."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    return None if content is None else BODIES[content["schema"]["$ref"].rpartition("/")[2]]


def test_no_operation_finds_mail_of_another_project(sandbox: RunningSandbox) -> None:
    """Each operation on a mail answers 404 in another project, as if there were no such mail."""
    theirs = sandbox.send_message(make_message(subject="Theirs"), user="theirs")
    tried = 0
    for path, method, operation in operations(sandbox):
        names = {each["name"] for each in operation["parameters"]}
        assert "project" in names, f"{method} {path} cannot be held to a project"
        url = path.replace("{id}", theirs).replace("{number}", "1")
        answer = sandbox.ask(method.upper(), f"{url}?project=ours", body_of(operation))
        assert answer.status == 404, f"{method} {path}: {answer.status}"
        assert "Theirs" not in answer.text
        tried += 1
    assert tried >= 12
    mail = sandbox.get(f"{PREFIX}/messages/{theirs}?project=theirs").json
    assert (mail["subject"], mail["is_read"]) == ("Theirs", False)


def test_every_operation_works_in_its_own_project(sandbox: RunningSandbox) -> None:
    """The same operations find the mail where it is, so that the matrix proves something."""
    for path, method, operation in operations(sandbox):
        if path.endswith(("/release", "/findings")):
            continue  # no relay and no judging here
        ours = sandbox.send_message(make_message(), user="ours")
        url = path.replace("{id}", ours).replace("{number}", "1")
        answer = sandbox.ask(method.upper(), f"{url}?project=ours", body_of(operation))
        assert answer.status == 200, f"{method} {path}: {answer.text}"


def test_lists_searches_and_changes_stay_in_their_project(sandbox: RunningSandbox) -> None:
    """Bulk operations reach only mail of the project, even by id."""
    ours = sandbox.send_message(make_message(subject="Plan"), user="ours")
    theirs = sandbox.send_message(make_message(subject="Plan"), user="theirs")
    listed = sandbox.get(f"{PREFIX}/messages?project=ours&query=subject:plan").json
    assert [row["id"] for row in listed["data"]] == [ours]
    changed = sandbox.ask(
        "PATCH",
        f"{PREFIX}/messages",
        {"ids": [ours, theirs], "project": "ours", "is_read": True, "tags": ["t"]},
    ).json
    assert changed["changed"] == [ours]
    assert [tag["tag"] for tag in sandbox.get(f"{PREFIX}/tags?project=theirs").json] == []
    removed = sandbox.ask("DELETE", f"{PREFIX}/messages?id={theirs}&project=ours").json
    assert removed["removed"] == 0
    assert "Plan" not in sandbox.get(f"{PREFIX}/dump?project=inbox").text
    waited = sandbox.get(f"{PREFIX}/messages/wait?query=subject:plan&project=inbox&timeout=0.05")
    assert waited.status == 408
    assert "Plan" not in waited.text


def test_mailpits_clients_are_held_to_a_project_by_their_address(sandbox: RunningSandbox) -> None:
    """Below ``/in/{project}`` the whole of Mailpit's API is about one project."""
    ours = sandbox.send_message(make_message(subject="Ours only"), user="ours")
    theirs = sandbox.send_message(make_message(subject="Theirs only"), user="theirs")
    base = "/in/ours/api/v1"
    listed = sandbox.get(f"{base}/messages").json
    assert {row["Subject"] for row in listed["messages"]} & {"Theirs only"} == set()
    assert sandbox.get(f"{base}/message/{ours}").json["Subject"] == "Ours only"
    assert sandbox.get(f"{base}/message/{theirs}").status == 404
    assert sandbox.get(f"{base}/message/latest").json["ID"] == ours
    sandbox.ask("DELETE", f"{base}/messages", {"IDs": [theirs]})
    assert sandbox.get(f"/api/v1/message/{theirs}").status == 200
    sandbox.ask("DELETE", f"{base}/messages")
    assert sandbox.get(f"/api/v1/message/{theirs}").status == 200
    assert sandbox.get(f"/api/v1/message/{ours}").status == 404

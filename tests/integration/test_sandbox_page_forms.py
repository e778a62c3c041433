"""What the sandbox's pages do by forms alone, as a browser without scripts sends them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from tests.web_sandbox import Answer, RunningSandbox, make_message, whole_sandbox

from pillarbox.inbox.values import Selection

_FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def running() -> Iterator[RunningSandbox]:
    """One sandbox for all tests here."""
    with whole_sandbox() as running:
        yield running
        assert not running.defects, running.defects


@pytest.fixture
def sandbox(running: RunningSandbox) -> RunningSandbox:
    """It, without mail."""
    assert running.sandbox is not None
    running.run(lambda: running.sandbox.remove(Selection()))  # type: ignore[union-attr]
    return running


def _post(sandbox: RunningSandbox, path: str, *fields: tuple[str, str], **more: str) -> Answer:
    body = urlencode([*fields, *more.items()]).encode()
    return sandbox.ask("POST", path, body, {"Content-Type": _FORM, "Accept": "text/html"})


def _page(sandbox: RunningSandbox, path: str) -> str:
    answer = sandbox.get(path, Accept="text/html")
    assert answer.status == 200, answer.text
    return answer.text


def _subjects(sandbox: RunningSandbox, query: str = "") -> list[str]:
    found = sandbox.run(lambda: sandbox.sandbox.find(query or None))  # type: ignore[union-attr]
    return [summary.subject for summary in found.summaries]


def _upload(sandbox: RunningSandbox, *files: tuple[str, bytes], project: str = "") -> Answer:
    parts = [
        b'--border\r\nContent-Disposition: form-data; name="project"\r\n\r\n' + project.encode()
    ]
    parts += [
        f'--border\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: message/rfc822\r\n\r\n".encode()
        + content
        for name, content in files
    ]
    body = b"\r\n".join([*parts, b"--border--\r\n"])
    kind = "multipart/form-data; boundary=border"
    return sandbox.ask(
        "POST", "/new/files", body, {"Content-Type": kind, "Accept": "application/json"}
    )


def test_bulk_actions_need_no_script(sandbox: RunningSandbox) -> None:
    """Checked mails are marked and deleted by the buttons of a form, which leads back."""
    names = [sandbox.send(subject=subject) for subject in ("one", "two", "three")]
    marked = _post(
        sandbox, "/actions/mark", ("ids", names[0]), ("ids", names[1]), read="1", q="is:unread"
    )
    assert (marked.status, marked.headers["location"]) == (303, "/?q=is%3Aunread")
    assert _subjects(sandbox, "is:unread") == ["three"]
    _post(sandbox, "/actions/delete", ("ids", names[0]), ("ids", names[2]))
    assert _subjects(sandbox) == ["two"]


def test_a_tag_gets_another_name_and_color(sandbox: RunningSandbox) -> None:
    """A tag is renamed and colored on its page, everywhere and for everybody; then taken off."""
    sandbox.send(X_Tags="urgent")
    _post(sandbox, "/tags", tag="urgent", name="soon", hue="3")
    page = _page(sandbox, "/")
    assert 'class="dot hue-3"' in page
    assert 'class="tag hue-3"' in page
    assert "urgent" not in page
    _post(sandbox, "/tags/remove", tag="soon")
    assert "soon" not in _page(sandbox, "/tags")


def test_a_name_that_is_no_tag_is_refused(sandbox: RunningSandbox) -> None:
    """A tag without a letter is not taken, and the page says so."""
    sandbox.send(X_Tags="urgent")
    answer = _post(sandbox, "/tags", tag="urgent", name="!!!", hue="1")
    assert answer.status == 422
    assert "needs at least one letter" in answer.text


def test_a_search_is_saved_and_removed(sandbox: RunningSandbox) -> None:
    """A saved search stands in the rail of every page until it is removed."""
    saved = _post(sandbox, "/searches", q="subject:receipt", project="inbox")
    assert saved.headers["location"] == "/?q=subject%3Areceipt&project=inbox"
    assert 'href="/?q=subject%3Areceipt&amp;project=inbox"' in _page(sandbox, "/rules")
    assert _post(sandbox, "/searches", q="").status >= 400
    _post(sandbox, "/searches/remove", name="subject:receipt")
    assert "subject:receipt" not in _page(sandbox, "/tags")


def test_a_sample_comes_by_smtp(sandbox: RunningSandbox) -> None:
    """A sample is caught like any mail: with a session to look at."""
    answer = _post(sandbox, "/new/sample", name="code")
    assert answer.status == 303
    (summary,) = sandbox.run(sandbox.sandbox.find).summaries  # type: ignore[union-attr]
    assert summary.subject == "724 118 is your sign-in code"
    assert summary.session
    assert _post(sandbox, "/new/sample", name="../etc").status == 422


def test_a_mail_is_written_and_sent(sandbox: RunningSandbox) -> None:
    """What is written on the page arrives, in any script."""
    _post(
        sandbox,
        "/new",
        **{"from": "App <a@example.com>"},
        to="Ann <ann@example.com>, jö@bücher.example",
        subject="Grüße",
        text="Hallo",
        html="<p>Hallo",
    )
    assert _subjects(sandbox) == ["Grüße"]


def test_a_written_mail_fails_on_purpose(sandbox: RunningSandbox) -> None:
    """An address that fails by its name does so from the page, which keeps what was written."""
    answer = _post(
        sandbox, "/new", **{"from": "a@example.com"}, to="550@example.com", subject="keep me"
    )
    assert answer.status == 422
    assert "Refused for 550@example.com: 550" in answer.text
    assert 'value="keep me"' in answer.text


@pytest.mark.parametrize(
    "fields",
    [
        {"from": "nobody", "to": "ann@example.com"},
        {"from": "a@example.com", "to": ""},
        {"from": "a@example.com", "to": "ann@example.com", "subject": "a\r\nBcc: x@example.com"},
    ],
)
def test_what_cannot_be_sent_is_refused(sandbox: RunningSandbox, fields: dict[str, str]) -> None:
    """No address, no recipient and a line end in the subject are told, and send nothing."""
    assert _post(sandbox, "/new", **fields).status == 422
    assert not _subjects(sandbox)


def test_files_are_brought_in(sandbox: RunningSandbox) -> None:
    """Single mails and an mbox come in by one form; a file that is empty is left out."""
    one = make_message(subject="one").as_bytes()
    two = make_message(subject="two").as_bytes()
    box = b"From a@example.com Sat Nov 21 10:00:00 2026\n" + two + b"\n"
    box += (
        b"From a@example.com Sat Nov 21 10:00:01 2026\n" + make_message(subject="three").as_bytes()
    )
    answer = _upload(sandbox, ("one.eml", one), ("box.mbox", box), ("none.eml", b""))
    assert answer.json["said"] == "3 messages imported"
    assert sorted(_subjects(sandbox)) == ["one", "three", "two"]
    assert _upload(sandbox).status == 422
    assert "There is no project" in _upload(sandbox, ("one.eml", one), project="nope").json["said"]


def test_two_mails_are_compared(sandbox: RunningSandbox) -> None:
    """The page shows which fields and which lines differ, the earlier mail first."""
    names = [sandbox.send(subject=subject, text=f"same\n{subject}") for subject in ("one", "two")]
    page = _page(sandbox, f"/compare?ids={names[1]}&ids={names[0]}")
    assert page.index("Earlier") < page.index(">one<") < page.index("Later")
    assert '<li class="is-gone"><span class="number">2</span>' in page
    assert sandbox.get(f"/compare?ids={names[0]}", Accept="text/html").status == 422
    assert sandbox.get(f"/compare?ids={names[0]},0000000000000", Accept="text/html").status == 404


def test_settings_say_what_is_in_force(sandbox: RunningSandbox) -> None:
    """Every setting of the sandbox stands there with its variable."""
    page = _page(sandbox, "/settings")
    assert "PILLARBOX_SANDBOX__MAX_MESSAGES" in page
    assert "127.0.0.1:0" in page

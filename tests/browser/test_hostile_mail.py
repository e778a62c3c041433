from __future__ import annotations

import json
import re
import urllib.request
from email.message import EmailMessage

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.console_rig import Console, Visit, visiting
from tests.hostile_html import MARK, hostile_pieces, hostile_texts
from tests.sample_mail import confirmation, hostile

_BATCH = 60
_SETTLED = 150  # milliseconds in which what was smuggled in would have run
_VIEWS = ("message", "text", "source", "headers", "parts", "files", "links", "checks", "raw")

# Frames as the page makes them, one for each mail; what any of them posts is remembered.
_SHOW = """async paths => {
  window.posted ??= [];
  window.onmessage = event => window.posted.push(String(event.data));
  document.querySelector('#frames')?.remove();
  const box = document.createElement('div');
  box.id = 'frames';
  document.body.append(box);
  await Promise.all(paths.map(path => new Promise(done => {
    const frame = document.createElement('iframe');
    frame.setAttribute('sandbox', 'allow-popups allow-popups-to-escape-sandbox');
    frame.onload = done;
    frame.src = path;
    box.append(frame);
  })));
}"""


def _page(html: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "x@evil.example", "ann@example.com", "x"
    message.set_content(html, subtype="html")
    return message


def _is_untouched(page: Page) -> bool:
    return bool(
        page.evaluate(
            "() => !window.pwned && !window.posted?.length && window.name === '' "
            "&& document.cookie === 'secret=1' && localStorage.getItem('secret') === '1'"
        )
    )


def _guard(visit: Visit) -> None:
    visit.go()
    visit.page.evaluate(
        "() => { document.cookie = 'secret=1'; localStorage.setItem('secret', '1') }"
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", [2, pytest.param(1, marks=pytest.mark.slow)], ids=["some", "all"])
def test_nothing_in_a_mail_runs_or_loads(browser: Browser, console: Console, step: int) -> None:
    """Of more than 300 ways to run a script, to load something or to leave, none works."""
    ids = [console.send(_page(piece)) for piece in hostile_pieces()[::step]]
    assert len(ids) > 300
    with visiting(browser, console.base, complains=False) as visit:
        _guard(visit)
        for start in range(0, len(ids), _BATCH):
            paths = [f"/view/{name}.html" for name in ids[start : start + _BATCH]]
            visit.page.evaluate(_SHOW, paths)
            visit.page.wait_for_timeout(_SETTLED)
            assert not visit.dialogs, (start, visit.dialogs)
            assert not visit.foreign, (start, visit.foreign)
            assert _is_untouched(visit.page)
            assert visit.page.url == f"{console.base}/"
        assert len(visit.context.pages) == 1


@pytest.mark.timeout(300)
def test_nothing_runs_where_a_mail_is_opened_alone(browser: Browser, console: Console) -> None:
    """The answer itself forbids it: a mail in a tab of its own is as harmless as in the frame."""
    ids = [console.send(_page(piece)) for piece in hostile_pieces()[::15]]
    with visiting(browser, console.base, complains=False) as visit:
        _guard(visit)
        page = visit.context.new_page()
        for name in ids:
            page.goto(f"{console.base}/view/{name}.html?remote=0")
            page.wait_for_timeout(30)
            assert page.url.startswith(console.base)
        assert not visit.dialogs
        assert not visit.foreign
        assert _is_untouched(visit.page)


def test_links_of_a_mail_lead_to_our_page_or_nowhere(browser: Browser, console: Console) -> None:
    """Whatever a link looks like, a click on it asks no other host."""
    links = [piece for piece in hostile_pieces() if "href" in piece][::7]
    ids = [console.send(_page(piece)) for piece in links]
    with visiting(browser, console.base, complains=False) as visit:
        _guard(visit)
        for name in ids:
            visit.page.evaluate(_SHOW, [f"/view/{name}.html"])
            frame = visit.page.frames[-1]
            targets = frame.locator("a, area").evaluate_all(
                "all => all.map(one => [one.href?.baseVal ?? one.href ?? '', one.target?.baseVal ?? one.target])"
            )
            for href, target in targets:
                is_ours = href.removeprefix(console.base).startswith("/leave?to=")
                # A place in the mail itself stays; what cannot be followed has no target.
                assert (is_ours and target == "_blank") or href == "" or "#" in href, (name, href)
        assert not visit.foreign
        assert not visit.dialogs


def test_the_frame_is_a_stranger_to_the_page(console: Console, visit: Visit) -> None:
    """Neither side can look into the other, and the policy of the answer says why."""
    name = console.send(confirmation().message)
    visit.go()
    visit.open("481920")
    assert visit.page.evaluate("document.querySelector('#stage iframe').contentDocument") is None
    sandbox = visit.page.locator("#stage iframe").get_attribute("sandbox") or ""
    assert set(sandbox.split()) == {"allow-popups", "allow-popups-to-escape-sandbox"}
    with urllib.request.urlopen(f"{console.base}/view/{name}.html", timeout=10) as answer:
        policy = answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["img-src"] == "data:"
    assert "allow-scripts" not in directives["sandbox"]
    assert "allow-same-origin" not in directives["sandbox"]
    assert directives["form-action"] == directives["base-uri"] == "'none'"
    assert directives["frame-ancestors"] == "'self'"


def test_remote_pictures_come_by_https_only(browser: Browser, console: Console) -> None:
    """When pictures are asked for, nothing else is loaded, and nothing in the clear."""
    name = console.send(
        _page(
            "<img src=https://evil.example/a.png><img src=http://evil.example/b.png>"
            "<link rel=stylesheet href=https://evil.example/c.css><script src=https://evil.example/d.js>"
            "</script><iframe src=https://evil.example/e></iframe>"
        )
    )
    with visiting(browser, console.base, complains=False) as visit:
        visit.page.goto(f"{console.base}/view/{name}.html?remote=1")
        visit.page.wait_for_timeout(_SETTLED)
        assert visit.foreign == ["https://evil.example/a.png"]


def test_pages_cannot_be_framed_and_scripts_are_our_files(console: Console) -> None:
    """Pages forbid frames around them and every script and style that is no file of ours."""
    name = console.write("one")
    for path in ("/", f"/mail/{name}", "/rules", "/projects", "/webhooks", "/connect", "/leave"):
        with urllib.request.urlopen(console.base + path, timeout=10) as answer:
            policy, body = answer.headers["content-security-policy"], answer.read().decode()
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"<script(?![^>]*\ssrc=)", body)
        assert not re.search(r"\son[a-z]+\s*=|\sstyle\s*=|javascript:", body)


def test_hostile_texts_stay_texts(browser: Browser, console: Console) -> None:
    """A subject, a name, a tag, a file name, a field, a greeting or a rule is never markup."""
    for number, text in enumerate(hostile_texts()):
        flat = re.sub(r"[\r\n\0]", " ", text)
        lines = [
            f"From: {json.dumps(flat)} <a{number}@example.com>",
            f"To: {json.dumps(flat)} <b@example.com>",
            f"Subject: {flat}",
            f"X-Tags: {flat}",
            f"X-{number}: {flat}",
            "MIME-Version: 1.0",
            "Content-Type: multipart/mixed; boundary=b",
            "",
            "--b",
            "Content-Type: text/plain",
            "",
            flat,
            "--b",
            f"Content-Type: application/octet-stream; name={json.dumps(flat)}",
            f"Content-Disposition: attachment; filename={json.dumps(flat)}",
            f"Content-ID: <{flat}>",
            "",
            "x",
            "--b--",
            "",
        ]
        console.send("\r\n".join(lines).encode("utf-8", "surrogatepass"), name=f"x{number}")
    with visiting(browser, console.base) as visit:
        _guard(visit)
        for path in ("/", "/connect", "/rules", "/projects", "/webhooks", "/?q=alert"):
            visit.go(path)
            _has_no_mark(visit)
        visit.go()
        names = visit.page.locator("#row-list .row").evaluate_all(
            "rows => rows.map(row => row.dataset.id)"
        )
        assert len(names) == len(hostile_texts())
        for number, name in enumerate(names):
            for view in _VIEWS if number == 0 else ("files",):
                visit.page.goto(f"{console.base}/mail/{name}/{view}")
                _has_no_mark(visit)
        assert _is_untouched(visit.page)
        visit.is_clean()


def _has_no_mark(visit: Visit) -> None:
    assert visit.page.locator(f"[{MARK}]").count() == 0
    assert visit.page.locator("main script, main iframe:not([data-frame])").count() == 0


def test_the_search_shows_what_was_typed_as_text(console: Console, visit: Visit) -> None:
    """What stands in the address is shown, and not obeyed."""
    console.write("one")
    for text in hostile_texts()[:8]:
        visit.page.goto(f"{console.base}/?q={urllib.request.quote(text)}")
        _has_no_mark(visit)
    visit.complaints[:] = [one for one in visit.complaints if "422" not in one]


def test_leaving_for_a_script_is_refused(console: Console, visit: Visit) -> None:
    """The page in between follows no link that runs something, and shows a false user name."""
    for target in ("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x"):
        visit.page.goto(f"{console.base}/leave?to={urllib.request.quote(target)}")
        expect(visit.page.get_by_role("heading", name="This link leads nowhere")).to_be_visible()
        assert visit.page.locator("main a[href^='javascript'], main a.primary").count() == 0
    visit.page.goto(f"{console.base}/leave?to=https://bank.example@evil.example/login")
    expect(visit.page.get_by_role("heading")).to_contain_text("evil.example")
    expect(visit.page.locator(".notice")).to_contain_text("bank.example")


def test_a_hostile_mail_looks_harmless(console: Console, visit: Visit) -> None:
    """The browser has nothing to complain of: what would fail is taken out before."""
    sample = hostile()
    console.send(sample.message, sample.sender, sample.recipients)
    visit.go()
    visit.open("Your account is locked")
    frame = visit.page.frame_locator("#stage iframe")
    expect(frame.get_by_role("heading", name="Your account is locked")).to_be_visible()
    assert visit.page.title().startswith('<script>alert("subject")</script>')
    link = frame.get_by_role("link", name="sign in at bank.example")
    assert (link.get_attribute("href") or "").startswith(
        "/leave?to=https%3A%2F%2Fbank.example%40evil"
    )


def test_files_are_saved_and_never_shown(console: Console) -> None:
    """A file of a mail is offered under a safe name, as octets, and sandboxed should it open."""
    sample = hostile()
    name = console.send(sample.message, sample.sender, sample.recipients)
    mail = console.run(console.sandbox.mail(console.run(console.sandbox.latest()).id))  # type: ignore[union-attr]
    assert mail is not None
    number = mail.attachments[0].number
    for query in ("", "?show=1"):
        path = f"{console.base}/mail/{name}/part/{number}{query}"
        with urllib.request.urlopen(path, timeout=10) as answer:
            assert answer.headers["content-type"] == "application/octet-stream"
            saved = answer.headers["content-disposition"]
            assert saved.startswith("attachment; ")
            assert not re.search(r"[.]{2}|/", saved)
            assert "sandbox" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/actions/delete", "/rules", "/projects", "/live"])
def test_pages_of_others_change_nothing(console: Console, path: str) -> None:
    """A form or a stream that another origin starts is refused."""
    import urllib.error

    headers = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    if path == "/live":
        request = urllib.request.Request(
            console.base + path, headers={**headers, "Accept": "text/event-stream"}
        )
    else:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        request = urllib.request.Request(console.base + path, data=b"all=1", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code == 403

"""Projects and tags: which inbox a mail goes to, and what it is marked with."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.catching import MAIL, Running, catching, project, with_sandbox

from pillarbox.inbox.values import Cap, Selection
from pillarbox.sandbox.changes import ChangeKind
from pillarbox.sandbox.projects import Project, ProjectRejected

SHOP = project(
    users=("shop-app",),
    recipient_domains=("shop.test", ".shop.test"),
    sender_domains=("shop.example",),
)


@pytest.mark.parametrize(
    ("user", "sender", "to", "goes_to"),
    [
        ("", "a@x.test", ["b@y.test"], "inbox"),
        ("shop-app", "a@x.test", ["b@y.test"], "shop"),
        ("", "a@x.test", ["b+shop@y.test"], "shop"),
        ("", "a@x.test", ["b@shop.test"], "shop"),
        ("", "a@x.test", ["b@deep.below.shop.test"], "shop"),
        ("", "a@x.test", ["b@notshop.test"], "inbox"),
        ("", "a@shop.example", ["b@y.test"], "shop"),
        ("", "a@x.test", ["b@y.test", "c@SHOP.test"], "shop"),
        # A credential goes before a tag, a tag before a domain, the first recipient first.
        ("shop-app", "a@x.test", ["b+crm@y.test"], "shop"),
        ("", "a@shop.example", ["b@shop.test", "c+crm@y.test"], "crm"),
        ("", "a@x.test", ["b+crm@y.test", "c+shop@y.test"], "crm"),
    ],
)
def test_each_mail_is_in_the_one_project_that_asks_first(
    user: str, sender: str, to: list[str], goes_to: str
) -> None:
    """Credential, +tag, recipient's domain, sender's domain: the first that fits decides."""

    async def test(running: Running) -> None:
        caught = await running.send(sender=sender, to=to, user=user, password="any")
        assert caught.project == goes_to
        for name in ("inbox", "shop", "crm"):
            assert (await running.all(name)).total == (name == goes_to)

    with_sandbox(test, projects={"shop": SHOP, "crm": project()})


def test_projects_are_made_and_changed_while_mail_comes_in(tmp_path: Path) -> None:
    """What is made at run time is there after a restart, and its mail goes when it is removed."""
    file = tmp_path / "mail.sqlite"

    async def test() -> None:
        async with catching(database=file) as running:
            async with running.sandbox.changes.subscribe() as changes:
                await running.sandbox.put_project(Project(name="new", users=("new",)))
                assert (await anext(changes)).kind is ChangeKind.PROJECTS
            assert (await running.send(user="new", password="x")).project == "new"
        async with catching(database=file) as running:
            assert [each.name for each in running.sandbox.projects.all()] == ["inbox", "new"]
            assert (await running.send(user="new", password="x")).project == "new"
            await running.sandbox.put_project(Project(name="new", users=("other",)))
            assert (await running.send(user="new", password="x")).project == "inbox"
            removed = await running.sandbox.remove_project("new")
            assert len(removed.ids) == 2
            assert running.sandbox.projects.get("new") is None
            assert (await running.all()).total == 1

    asyncio.run(test())


def test_a_project_has_a_cap_of_its_own() -> None:
    """Mail of other projects does not push out that of a project, nor the other way round."""

    async def test(running: Running) -> None:
        await running.sandbox.put_project(Project(name="small", cap=Cap(max_messages=2)))
        first = await running.send()
        for _ in range(4):
            await running.send(to="bob+small@example.org")
        assert (await running.all("small")).total == 2
        assert await running.sandbox.summary(first.id) is not None

    with_sandbox(test)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Project(name="Shop"), "name"),
        (Project(name="-x"), "name"),
        (Project(name="x" * 64), "name"),
        (Project(name=""), "name"),
        (Project(name="../x"), "name"),
        (Project(name="shop"), "name"),
        (Project(name="x", tag="a@b"), "tag"),
        (Project(name="x", tag="shop"), "tag"),
        (Project(name="x", users=("SHOP-APP",)), "users"),
        (Project(name="x", users=("",)), "users"),
        (Project(name="x", password="p"), "users"),
        (Project(name="x", recipient_domains=("not a domain",)), "recipient_domains"),
        (Project(name="x", recipient_domains=("shop.test",)), "recipient_domains"),
        (Project(name="x", sender_domains=("a@b.test",)), "sender_domains"),
    ],
)
def test_a_project_that_cannot_be_is_refused_with_the_field(wanted: Project, field: str) -> None:
    """Names, domains, and what another project asks for already: each has a clear answer."""

    async def test(running: Running) -> None:
        with pytest.raises(ProjectRejected) as refused:
            await running.sandbox.put_project(wanted)
        assert refused.value.field == field
        assert len(running.sandbox.projects.all()) == 2

    with_sandbox(test, projects={"shop": SHOP})


def test_configured_and_default_projects_stay() -> None:
    """What stands in the configuration is changed there, and the default project never goes."""

    async def test(running: Running) -> None:
        for name in ("shop", "inbox", "nowhere"):
            with pytest.raises(ProjectRejected):
                await running.sandbox.remove_project(name)

    with_sandbox(test, projects={"shop": SHOP})


def test_mail_is_tagged_by_what_it_says() -> None:
    """X-Tags, the +tag of recipients and, if wanted, the user name become tags, cleaned."""
    content = b"Subject: x\r\nX-Tags: one, Two words, <b>three</b>, one\r\n\r\nx\r\n"

    async def test(running: Running) -> None:
        caught = await running.send(
            content, to=["a+plus@x.test", "b+more+tags@x.test"], user="ann", password="x"
        )
        assert set(caught.tags) == {
            "one", "Two words", "bthreeb", "plus", "more", "tags", "ann",
        }  # fmt: skip
        assert {each.tag for each in await running.sandbox.tags()} == set(caught.tags)

    with_sandbox(test, tag_by_user=True)


def test_ways_to_tag_can_be_turned_off() -> None:
    """Without them, mail that asks for tags has none."""

    async def test(running: Running) -> None:
        caught = await running.send(b"X-Tags: one\r\n\r\nx\r\n", to="a+plus@x.test")
        assert caught.tags == ()

    with_sandbox(test, tag_by_address=False, tag_by_header=False)


def test_a_search_gives_mail_a_tag() -> None:
    """Mail that a rule's search finds has its tag, and everybody is told."""

    async def test(running: Running) -> None:
        async with running.sandbox.changes.subscribe() as changes:
            caught = await running.send()
            other = await running.send(b"Subject: invoice 7\r\n\r\nx\r\n")
            tagged = None
            while tagged is None:
                change = await anext(changes)
                tagged = change if change.kind is ChangeKind.UPDATE else None
        assert tagged.ids == (other.id,)
        summary = await running.sandbox.summary(other.id)
        assert summary is not None
        assert summary.tags == ("billing",)
        assert (await running.sandbox.summary(caught.id)) == caught
        found = await running.sandbox.wait_for("tag:billing", timeout=5)
        assert found == summary

    with_sandbox(test, tags=("billing: subject:invoice",))


def test_tags_are_put_on_taken_off_and_renamed() -> None:
    """Tags that people give are cleaned, too, and each change is told once."""

    async def test(running: Running) -> None:
        caught = await running.send()
        meant = Selection(ids=frozenset({caught.id}))
        sandbox = running.sandbox
        assert await sandbox.tag(meant, add=("a", "<b>", "")) == (caught.id,)
        assert await sandbox.tag(meant, add=("a",)) == ()
        assert await sandbox.rename_tag("a", "c") == 1
        summary = await sandbox.summary(caught.id)
        assert summary is not None
        assert set(summary.tags) == {"b", "c"}
        await sandbox.set_tags(meant, ())
        assert await sandbox.tags() == ()

    with_sandbox(test)


def test_content_is_what_it_was(tmp_path: Path) -> None:
    """Neither a project nor tags touch the mail."""

    async def test(running: Running) -> None:
        caught = await running.send(MAIL, to="bob+shop@example.org")
        kept = await running.sandbox.content(caught.id)
        assert kept is not None
        assert kept.endswith(MAIL)

    with_sandbox(test, projects={"shop": SHOP}, database=tmp_path / "mail.sqlite")

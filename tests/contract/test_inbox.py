"""What the inbox promises, tried in memory and in a file."""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.inboxes import (
    KINDS,
    Listener,
    MakeInbox,
    asked,
    inbox_at,
    keep,
    mail,
    run,
    subjects,
)
from tests.mail import NOW, kept_message

from pillarbox.errors import PermanentError
from pillarbox.inbox.sqlite import SqliteInbox
from pillarbox.inbox.values import Cap, Counts, Label, Page, Person, Selection, TagCount
from pillarbox.message.summary import MailSummary
from pillarbox.store.ids import show_id
from pillarbox.store.port import Batch, KeptMessage, MessageId, StoreUnavailable

ALL = Selection()


@pytest.fixture(params=list(KINDS))
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeInbox:
    """Make inboxes of one kind."""
    path = KINDS[request.param](tmp_path)
    return lambda: inbox_at(path)


def by_subject(kept: KeptMessage, summary: MailSummary) -> Label:
    """Sort mail into projects by the first word of its subject."""
    del kept
    return Label(project=summary.subject.split()[0].lower(), tags=("caught",))


# --- keeping -----------------------------------------------------------------------------


def test_what_is_kept_is_shown(make: MakeInbox) -> None:
    """A summary says what the envelope, the header, the text and the session were."""

    async def steps(inbox: SqliteInbox) -> None:
        kept = replace(
            mail(
                subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
                text="Guten   Morgen,\r\nAnn!",
                envelope=("bob@example.org", "carl@example.net"),
                fields="Cc: Dan <dan@example.org>\r\nReply-To: help@example.com\r\n"
                "Message-ID: <1@example.com>\r\nX-Tags: Welcome, eu\r\n",
                session="s1",
            ),
            tls="TLSv1.3",
        )
        listener = Listener(inbox)
        (number,) = await keep(inbox, kept)
        summary = await inbox.summary(number)
        assert summary is not None
        assert listener.kept == [summary]
        assert (await inbox.find()).summaries == (summary,)
        assert summary.subject == "Grüße"
        assert summary.snippet == "Guten Morgen, Ann!"
        assert summary.author == Person("ann@example.com", "Ann Miller")
        assert summary.to == (Person("bob@example.org", "Bob"),)
        assert summary.cc == (Person("dan@example.org", "Dan"),)
        assert summary.bcc == (Person("carl@example.net"),)
        assert summary.reply_to == (Person("help@example.com"),)
        assert summary.message_id == "1@example.com"
        assert summary.recipients == ("bob@example.org", "carl@example.net")
        assert (summary.reverse_path, summary.identity) == ("ann@example.com", "ann")
        assert (summary.client, summary.session, summary.tls) == ("192.0.2.1", "s1", "TLSv1.3")
        assert summary.tags == ("eu", "Welcome")
        assert (summary.project, summary.at, summary.size) == ("inbox", NOW, kept.size)
        assert not summary.is_read
        assert await inbox.content(number) == kept.content

    run(make, steps)


def test_a_large_content_comes_in_chunks(make: MakeInbox) -> None:
    """Chunks written before, the first one last, are the content once the mail is kept."""

    async def steps(inbox: SqliteInbox) -> None:
        content = b"Subject: large\r\n\r\n" + b"needle and hay\r\n" * 20_000
        kept = kept_message(content=content, is_large=True)
        await inbox.write_chunk(kept.id, 1, content[100_000:])
        await inbox.write_chunk(kept.id, 0, content[:100_000])
        assert await inbox.content(kept.id) is None
        await keep(inbox, kept)
        assert await inbox.content(kept.id) == content
        assert await subjects(inbox, "needle") == ["large"]

    run(make, steps)


def test_a_large_content_must_have_been_written(make: MakeInbox) -> None:
    """A mail whose chunks are missing is not kept, and nothing else of its batch."""

    async def steps(inbox: SqliteInbox) -> None:
        kept = kept_message(is_large=True)
        await inbox.write_chunk(kept.id, 0, b"Subject: x\r\n\r\n")
        await inbox.discard_chunks(kept.id)
        with pytest.raises(PermanentError, match="no content"):
            await keep(inbox, mail(), kept)
        assert await subjects(inbox) == []

    run(make, steps)


def test_a_batch_is_kept_whole_or_not_at_all(make: MakeInbox) -> None:
    """When one mail of a batch cannot be kept, none is, and a search finds none."""

    async def steps(inbox: SqliteInbox) -> None:
        first, other = mail(subject="first"), mail(subject="other", fields="X-Tags: t\r\n")
        await keep(inbox, first)
        with pytest.raises(PermanentError):
            await keep(inbox, other, first)
        assert await subjects(inbox) == ["first"]
        assert await subjects(inbox, "other") == []
        assert await inbox.tags() == ()
        await keep(inbox, other)
        assert await subjects(inbox, "other") == ["other"]

    run(make, steps)


def test_results_without_mail_are_nothing_to_it(make: MakeInbox) -> None:
    """A batch without new mail is no error, and nobody is told of it."""

    async def steps(inbox: SqliteInbox) -> None:
        listener = Listener(inbox)
        await inbox.commit(Batch())
        assert listener.kept == []

    run(make, steps)


def test_nothing_is_done_while_it_is_closed(make: MakeInbox) -> None:
    """A closed inbox says that it does not answer; closing twice is fine."""

    async def steps(inbox: SqliteInbox) -> None:
        await inbox.close()
        with pytest.raises(StoreUnavailable, match="not open"):
            await keep(inbox, mail())
        with pytest.raises(StoreUnavailable):
            await inbox.find()
        await inbox.close()

    run(make, steps)


def test_what_cannot_be_written_in_utf8_is_kept_all_the_same(make: MakeInbox) -> None:
    """Octets of no charset, lone surrogates and NULs in a mail do not keep it out."""

    async def steps(inbox: SqliteInbox) -> None:
        for content in (
            b"Subject: \xff\xfe\xed\xa0\x80 odd\r\n\r\n\x00\xed\xa0\x80 text\r\n",
            b"Subject: =?utf-16?b?2AA=?= odd\r\nX-Tags: \xed\xa0\x80\r\n\r\n",
            b"Subject: =?utf-8?q?=00?= odd\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n+2AA-",
            b"\x00" * 1000,
            b"",
        ):
            await keep(inbox, kept_message(content=content))
        assert (await inbox.counts()).total == 5
        assert len(await subjects(inbox, "odd")) == 3

    run(make, steps)


def test_a_listener_that_fails_refuses_no_mail(make: MakeInbox) -> None:
    """What was kept was kept, whatever those who are told of it do; the others are told."""

    async def steps(inbox: SqliteInbox) -> None:
        defects: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: defects.append(context["exception"])
        )
        inbox.on_kept(lambda kept: kept[9])  # type: ignore[arg-type, return-value]
        listener = Listener(inbox)
        await keep(inbox, mail())
        assert len(listener.kept) == 1
        assert [type(defect) for defect in defects] == [IndexError]

    run(make, steps)


# --- looking -----------------------------------------------------------------------------


def test_lists_are_newest_first_and_in_parts(make: MakeInbox) -> None:
    """Parts by offset and by cursor go through the same list, and say what is left."""

    async def steps(inbox: SqliteInbox) -> None:
        ids = [(await keep(inbox, mail(subject=f"{n}", at=NOW + n)))[0] for n in range(7)]

        def numbers(page: Page) -> list[MessageId]:
            return [summary.id for summary in page.summaries]

        newest = ids[::-1]
        first = await inbox.find(limit=3)
        assert (numbers(first), first.total, first.has_more) == (newest[:3], 7, True)
        second = await inbox.find(limit=3, before=first.summaries[-1].id)
        assert (numbers(second), second.total, second.has_more) == (newest[3:6], 7, True)
        third = await inbox.find(limit=3, start=6)
        assert (numbers(third), third.total, third.has_more) == (newest[6:], 7, False)
        assert (await inbox.find(limit=0)).summaries == ()

    run(make, steps)


@pytest.mark.parametrize("words", ["", "good"])
@pytest.mark.parametrize(
    ("order", "expected"),
    [("newest", "543210"), ("oldest", "012345"), ("largest", "524130"), ("smallest", "304152")],
)
def test_parts_follow_each_other_in_every_order(
    make: MakeInbox, order: str, expected: str, words: str
) -> None:
    """A cursor goes on behind its mail in the order that is asked for; none is missed or twice."""

    async def steps(inbox: SqliteInbox) -> None:
        for n in range(6):  # three sizes, each twice
            await keep(inbox, mail(subject=f"{n}", text="Good." + "." * (n % 3), at=NOW + n))
        query = asked(f"order:{order} {words}")
        seen: list[str] = []
        before: MessageId | None = None
        has_more = True
        while has_more:
            page = await inbox.find(query, limit=2, before=before)
            seen += [summary.subject for summary in page.summaries]
            before, has_more = page.summaries[-1].id, page.has_more
        assert "".join(seen) == expected

    run(make, steps)


@pytest.mark.parametrize(("limit", "start"), [(10**30, 0), (5, 10**30), (-5, 0), (5, -7)])
def test_no_limit_or_offset_is_too_odd(make: MakeInbox, limit: int, start: int) -> None:
    """What is out of all range is taken for the end of the range."""

    async def steps(inbox: SqliteInbox) -> None:
        await keep(inbox, mail())
        page = await inbox.find(limit=limit, start=start)
        assert page.total == 1
        assert len(page.summaries) == (limit > 0 and start <= 0)

    run(make, steps)


def test_a_search_sees_what_was_just_kept(make: MakeInbox) -> None:
    """However much comes at once, a search that is asked behind it finds all of it."""

    async def steps(inbox: SqliteInbox) -> None:
        for turn in range(8):
            await keep(inbox, *(mail(text=f"number{turn}x{n} all") for n in range(100)))
            page = await inbox.find(asked("all"), limit=1)
            assert page.total == (turn + 1) * 100
            assert (await inbox.find(asked(f"number{turn}x99"))).total == 1

    run(make, steps)


def test_counts_are_of_what_is_listed(make: MakeInbox) -> None:
    """Totals, unread mails and octets follow keeping, marking, removing and restoring."""

    async def steps(inbox: SqliteInbox) -> None:
        inbox.label_with(by_subject)
        mails = [mail(subject=f"{name} {n}", at=NOW + n) for name in "ab" for n in range(3)]
        await keep(inbox, *mails)
        sizes = {name: sum(m.size for m in mails[o : o + 3]) for name, o in (("a", 0), ("b", 3))}
        assert await inbox.counts("a") == counts(3, 3, sizes["a"])
        assert await inbox.counts() == counts(6, 6, sizes["a"] + sizes["b"])
        await inbox.mark(Selection(project="a"), is_read=True)
        removed = await inbox.remove(Selection(ids=frozenset({mails[0].id, mails[3].id})))
        assert (await inbox.counts("a")).unread == 0
        assert (await inbox.counts()).unread == 2
        assert (await inbox.counts("b")).oldest_at == NOW + 1
        await inbox.restore(removed.undo)
        assert await inbox.counts() == counts(6, 3, sizes["a"] + sizes["b"])
        assert await inbox.counts("nobody's") == counts(0, 0, 0, None)

    def counts(total: int, unread: int, octets: int, oldest: float | None = NOW) -> Counts:
        return Counts(total=total, unread=unread, octets=octets, oldest_at=oldest)

    run(make, steps)


def test_projects_are_apart(make: MakeInbox) -> None:
    """A list, a search, tags and a removal in a project do not touch another."""

    async def steps(inbox: SqliteInbox) -> None:
        inbox.label_with(by_subject)
        await keep(inbox, mail(subject="shop sale"), mail(subject="news sale"))
        assert await subjects(inbox, "sale", "shop") == ["shop sale"]
        assert await subjects(inbox, "", "news") == ["news sale"]
        assert await inbox.tags("shop") == (TagCount("caught", 1),)
        await inbox.remove(Selection(project="shop"))
        assert await subjects(inbox) == ["news sale"]
        assert await subjects(inbox, "", "nobody's") == []

    run(make, steps)


def test_an_id_finds_its_mail(make: MakeInbox) -> None:
    """The id that the 250 has shown finds one mail, and nonsense none."""

    async def steps(inbox: SqliteInbox) -> None:
        number, other = await keep(inbox, mail(subject="this"), mail(subject="other"))
        assert await subjects(inbox, f"id:{show_id(number)}") == ["this"]
        assert await subjects(inbox, f"-id:{show_id(other).upper()}") == ["this"]
        assert await subjects(inbox, "id:nonsense") == []
        assert await inbox.summary(MessageId(1)) is None
        assert await inbox.content(MessageId(1)) is None

    run(make, steps)


# --- changing ----------------------------------------------------------------------------


def test_a_selection_names_its_mails(make: MakeInbox) -> None:
    """Of some ids, those that a search finds; nothing selected is everything."""

    async def steps(inbox: SqliteInbox) -> None:
        one, two, three = await keep(
            inbox, mail(subject="red"), mail(subject="blue"), mail(subject="red")
        )
        red = asked("subject:red")
        assert await inbox.matching(ALL) == {one, two, three}
        assert await inbox.matching(Selection(query=red)) == {one, three}
        found = await inbox.matching(Selection(ids=frozenset({two, three}), query=red))
        assert found == {three}
        assert await inbox.matching(Selection(ids=frozenset())) == frozenset()

    run(make, steps)


def test_marks_say_what_changed(make: MakeInbox) -> None:
    """Only mails that were otherwise change."""

    async def steps(inbox: SqliteInbox) -> None:
        ids = await keep(inbox, mail(subject="a"), mail(subject="b"))
        assert await inbox.mark(Selection(query=asked("a")), is_read=True) == ids[:1]
        assert await inbox.mark(ALL, is_read=True) == ids[1:]
        assert await inbox.mark(Selection(ids=frozenset(ids)), is_read=True) == ()
        assert await subjects(inbox, "is:unread") == []
        assert await inbox.mark(Selection(ids=frozenset()), is_read=False) == ()
        assert await inbox.mark(ALL, is_read=False) == ids

    run(make, steps)


def test_tags_are_put_on_and_taken_off(make: MakeInbox) -> None:
    """Tags are found whatever their case, and counted once a mail."""

    async def steps(inbox: SqliteInbox) -> None:
        a, b = await keep(inbox, mail(subject="a"), mail(subject="b"))
        assert await inbox.tag(ALL, add=["To do", "TO  DO", "x", " "]) == (a, b)
        assert await inbox.tag(ALL, add=["to do"]) == ()
        nothing = Selection(query=asked("subject:nothing"))
        assert await inbox.tag(nothing, add=["new"], remove=["x"]) == ()
        assert await inbox.set_tags(nothing, ["new"]) == ()
        assert await inbox.tags() == (TagCount("To do", 2), TagCount("x", 2))
        assert await inbox.tag(Selection(ids=frozenset({b})), add=["y"], remove=["X"]) == (b,)
        assert await subjects(inbox, 'tag:"to do" -tag:x') == ["b"]
        assert await inbox.set_tags(ALL, ["x", "z"]) == (a, b)
        assert await inbox.set_tags(ALL, ["z", "x"]) == ()
        assert await inbox.tags() == (TagCount("x", 2), TagCount("z", 2))
        assert await inbox.set_tags(Selection(ids=frozenset({a})), []) == (a,)
        assert await subjects(inbox, "is:tagged") == ["b"]

    run(make, steps)


def test_a_tag_is_renamed_everywhere(make: MakeInbox) -> None:
    """A tag gets another name, other capitals, is merged into another, or goes."""

    async def steps(inbox: SqliteInbox) -> None:
        await keep(
            inbox,
            mail(subject="a", fields="X-Tags: one\r\n"),
            mail(subject="b", fields="X-Tags: one, two\r\n"),
        )
        assert await inbox.rename_tag("One", "ONE") == 2
        assert await inbox.tags() == (TagCount("ONE", 2), TagCount("two", 1))
        assert await inbox.rename_tag("one", "Two") == 2
        assert await inbox.tags() == (TagCount("two", 2),)
        assert await inbox.rename_tag("two", None) == 2
        assert await inbox.tags() == ()
        assert await inbox.rename_tag("nobody's", "x") == 0
        assert await subjects(inbox, "is:tagged") == []

    run(make, steps)


def test_a_mail_has_a_bounded_number_of_short_tags(make: MakeInbox) -> None:
    """What a header asks for does not fill the list of tags."""

    async def steps(inbox: SqliteInbox) -> None:
        many = ", ".join(f"tag{n:03}" for n in range(500))
        await keep(inbox, mail(fields=f"X-Tags: {'x' * 500}, {many}\r\n"))
        tags = await inbox.tags()
        assert len(tags) == 50
        assert max(len(tag.tag) for tag in tags) == 100

    run(make, steps)


def test_what_is_removed_is_gone_and_comes_back(make: MakeInbox) -> None:
    """A removal takes mails from every list at once; its name brings them back, once."""

    async def steps(inbox: SqliteInbox) -> None:
        a, b = await keep(inbox, mail(subject="a", fields="X-Tags: t\r\n"), mail(subject="b"))
        removed = await inbox.remove(Selection(query=asked("subject:a")))
        assert removed.ids == (a,)
        assert await subjects(inbox, "good") == ["b"]
        assert (await inbox.summary(a), await inbox.content(a)) == (None, None)
        assert await inbox.tags() == ()
        assert (await inbox.remove(Selection(ids=frozenset({a})))).undo == ""
        assert await inbox.restore(removed.undo) == (a,)
        assert await subjects(inbox, "good") == ["b", "a"]
        assert await inbox.tags() == (TagCount("t", 1),)
        assert await inbox.restore(removed.undo) == ()
        assert (await inbox.remove(ALL)).ids == (a, b)

    run(make, steps)


@pytest.mark.parametrize(
    "undo", ["", "0", "-1", "nonsense", "1; DROP TABLE mail", "9" * 40, "\u0661"]
)
def test_only_the_name_of_a_removal_brings_back(make: MakeInbox, undo: str) -> None:
    """Anything else brings back nothing."""

    async def steps(inbox: SqliteInbox) -> None:
        await keep(inbox, mail())
        await inbox.remove(ALL)
        assert await inbox.restore(undo) == ()

    run(make, steps)


def test_undo_has_its_time(make: MakeInbox) -> None:
    """A removal can be brought back for ten minutes, and then its room is free."""

    async def steps(inbox: SqliteInbox) -> None:
        await keep(inbox, mail())
        removed = await inbox.remove(ALL)
        await inbox.sweep(now=NOW + 599)
        assert await inbox.restore(removed.undo) != ()
        removed = await inbox.remove(ALL)
        await inbox.sweep(now=NOW + 601)
        assert await inbox.restore(removed.undo) == ()

    run(make, steps)


# --- caps --------------------------------------------------------------------------------


def test_a_cap_is_exact_at_every_commit(make: MakeInbox) -> None:
    """No list ever shows more than the cap; the oldest go, and who listens hears of them."""

    async def steps(inbox: SqliteInbox) -> None:
        listener = Listener(inbox)
        inbox.hold_to({}, Cap(max_messages=10))
        kept: list[MessageId] = []
        for turn in range(9):
            kept += await keep(inbox, *(mail(subject=f"{turn}", at=NOW + turn) for _ in range(3)))
            page = await inbox.find(limit=100)
            assert [summary.id for summary in page.summaries] == kept[::-1][:10]
            assert (await inbox.find(asked("good"))).total == min(len(kept), 10)
        assert listener.gone == kept[:-10]

    run(make, steps)


def test_what_goes_over_a_cap_with_its_own_batch_is_never_told(make: MakeInbox) -> None:
    """A batch larger than the cap leaves its newest mails, and only these are announced."""

    async def steps(inbox: SqliteInbox) -> None:
        listener = Listener(inbox)
        inbox.hold_to({}, Cap(max_messages=2))
        ids = await keep(inbox, *(mail(subject=f"{n}", at=NOW + n) for n in range(5)))
        assert [summary.id for summary in listener.kept] == list(ids[-2:])
        assert listener.gone == []
        assert await subjects(inbox) == ["4", "3"]

    run(make, steps)


def test_a_cap_of_octets_is_held(make: MakeInbox) -> None:
    """The oldest go until the contents fit; a mail that is alone too large goes itself."""

    async def steps(inbox: SqliteInbox) -> None:
        inbox.hold_to({}, Cap(max_octets=10_000))
        for n in range(9):
            await keep(inbox, mail(subject=f"{n}", text="x" * 3_000, at=NOW + n))
            assert (await inbox.counts()).octets <= 10_000
        assert await subjects(inbox) == ["8", "7", "6"]
        await keep(inbox, mail(text="x" * 20_000, at=NOW + 10))
        assert await subjects(inbox) == []

    run(make, steps)


def test_each_project_has_its_cap(make: MakeInbox) -> None:
    """A project's cap pushes out its own mail only."""

    async def steps(inbox: SqliteInbox) -> None:
        inbox.label_with(by_subject)
        inbox.hold_to({"a": Cap(max_messages=1)}, Cap(max_messages=3))
        for n in range(3):
            await keep(inbox, mail(subject=f"a {n}", at=NOW + n), mail(subject="b", at=NOW + n))
        assert await subjects(inbox) == ["b", "a 2", "b"]

    run(make, steps)


def test_old_mail_goes_with_a_sweep(make: MakeInbox) -> None:
    """Ages are held, by project and in all; what went is returned."""

    async def steps(inbox: SqliteInbox) -> None:
        inbox.label_with(by_subject)
        inbox.hold_to({"a": Cap(max_age=5)}, Cap(max_age=60))
        old, short, fresh, new = await keep(
            inbox,
            mail(subject="b", at=NOW - 100),
            mail(subject="a", at=NOW - 10),
            mail(subject="b", at=NOW - 10),
            mail(subject="a", at=NOW),
        )
        assert sorted(await inbox.sweep(now=NOW)) == [old, short]
        assert await inbox.sweep(now=NOW) == ()
        assert {summary.id for summary in (await inbox.find()).summaries} == {fresh, new}

    run(make, steps)


def test_a_lower_cap_is_held_with_the_next_sweep(make: MakeInbox) -> None:
    """A cap that is set later holds for what is there."""

    async def steps(inbox: SqliteInbox) -> None:
        ids = await keep(inbox, *(mail(at=NOW + n) for n in range(5)))
        inbox.hold_to({}, Cap(max_messages=2))
        assert await inbox.sweep(now=NOW) == ids[:3]

    run(make, steps)


def test_what_can_be_brought_back_is_within_the_cap(make: MakeInbox) -> None:
    """Removed mail makes room for new mail: the oldest removal is given up first."""

    async def steps(inbox: SqliteInbox) -> None:
        inbox.hold_to({}, Cap(max_octets=10_000))
        await keep(inbox, *(mail(text="x" * 3_000, at=NOW + n) for n in range(2)))
        first = await inbox.remove(ALL)
        await keep(inbox, mail(text="x" * 3_000))
        second = await inbox.remove(ALL)
        await keep(inbox, mail(text="x" * 3_000))
        assert await inbox.restore(first.undo) == ()
        assert await inbox.restore(second.undo) == second.ids

    run(make, steps)


# --- what belongs to mail ----------------------------------------------------------------


def test_transcripts_go_with_their_last_mail(make: MakeInbox) -> None:
    """A session is kept, replaced, and gone when none of its mails is left."""

    async def steps(inbox: SqliteInbox) -> None:
        a, b = await keep(inbox, mail(session="s"), mail(session="s"))
        assert await inbox.transcript("s") is None
        await inbox.keep_transcripts({"s": b"one", "t": b"no mail"})
        await inbox.keep_transcripts({"s": b"two"})
        assert await inbox.transcript("s") == b"two"
        inbox.hold_to({}, Cap(max_messages=1))
        await inbox.sweep(now=NOW)
        await purged(inbox)
        assert await inbox.transcript("s") == b"two"
        await inbox.remove(Selection(ids=frozenset({a, b})))
        await inbox.sweep(now=NOW + 601)
        await purged(inbox)
        assert await inbox.transcript("s") is None
        assert await inbox.transcript("t") == b"no mail"

    run(make, steps)


def test_sessions_without_mail_are_bounded(make: MakeInbox) -> None:
    """Only the last thousand or so are kept."""

    async def steps(inbox: SqliteInbox) -> None:
        for n in range(30):
            await inbox.keep_transcripts({f"{n}.{k}": b"x" for k in range(100)})
        await inbox.sweep(now=NOW)
        assert await inbox.transcript("10.0") is None
        assert await inbox.transcript("29.99") == b"x"

    run(make, steps)


def test_an_assessment_is_of_a_mail_that_is_there(make: MakeInbox) -> None:
    """It is kept, replaced, and nothing is kept of what is gone."""

    async def steps(inbox: SqliteInbox) -> None:
        (number,) = await keep(inbox, mail())
        assert await inbox.assessment(number) is None
        await inbox.keep_assessment(number, b"1")
        await inbox.keep_assessment(number, b"2")
        assert await inbox.assessment(number) == b"2"
        await inbox.keep_assessment(MessageId(7), b"3")
        assert await inbox.assessment(MessageId(7)) is None

    run(make, steps)


def test_settings_are_small_values_by_name(make: MakeInbox) -> None:
    """They are written, replaced and removed, by kind."""

    async def steps(inbox: SqliteInbox) -> None:
        await inbox.put_setting("rules", "a", b"1")
        await inbox.put_setting("rules", "a", b"2")
        await inbox.put_setting("hooks", "a", b"3")
        assert await inbox.settings("rules") == {"a": b"2"}
        await inbox.put_setting("rules", "a", None)
        assert await inbox.settings("rules") == {}
        assert await inbox.settings("hooks") == {"a": b"3"}

    run(make, steps)


def test_records_come_back_in_the_order_in_which_they_began(make: MakeInbox) -> None:
    """They are written many at a time, replaced and forgotten, by kind."""

    async def steps(inbox: SqliteInbox) -> None:
        await inbox.put_records("call", {"b": b"1", "a": b"2", "c": b"3"})
        await inbox.put_records("count", {"a": b"9"})
        await inbox.put_records("call", {"b": b"4", "c": None, "d": b"5", "none": None})
        assert list((await inbox.records("call")).items()) == [
            ("b", b"4"),
            ("a", b"2"),
            ("d", b"5"),
        ]
        assert await inbox.records("count") == {"a": b"9"}

    run(make, steps)


async def purged(inbox: SqliteInbox) -> None:
    """Have all rows deleted that can be, as happens when nobody asks for anything."""
    while await inbox._run(lambda opened: opened.tidy(lambda: True)):
        pass


def test_checksums_agree_with_the_door(make: MakeInbox) -> None:
    """The octets that come out are those that the door has counted."""

    async def steps(inbox: SqliteInbox) -> None:
        kept = mail(text="x" * 50_000)
        await keep(inbox, kept)
        content = await inbox.content(kept.id)
        assert content is not None
        assert zlib.crc32(content) == kept.checksum

    run(make, steps)

"""Why a login was refused: thirty mistakes, and what the operator is told of each."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.logins import START, Logins, logins
from tests.receiving import user_file

from pillarbox.access.answers import Admitted
from pillarbox.access.failures import Application, FailureBook
from pillarbox.access.issue import Forms
from pillarbox.config.settings import AuthSettings
from pillarbox.policy.autopsy import (
    HIDDEN,
    REPAIRS,
    SENTENCES,
    Autopsy,
    Cause,
    repaired,
    shown_identity,
)
from pillarbox.smtp.sasl.claims import (
    Claim,
    CramClaim,
    PasswordClaim,
    ProofClaim,
    ProofFailure,
    TokenClaim,
)
from pillarbox.store.credentials import CredentialKind

ANN = "Ann.Doe@local.test"
PASSWORD = "Correct Härse 9"
OLD = "Correct Härse 8"


def twice(text: str) -> str:
    """Return base64, as if the client had coded once before."""
    return b64encode(text.encode()).decode()


async def stocked(rig: Logins) -> dict[str, str]:
    """Fill the store; return secrets by what they are."""
    await rig.add(ANN, OLD)
    rig.now += 100.0
    await rig.rotate(ANN, PASSWORD)
    secrets = {"old key": await rig.add("shop", project="blue")}
    rig.now += 100.0
    secrets["key"] = await rig.rotate("shop")
    secrets["lab"] = await rig.add("lab", project="red", is_sandbox=True)
    secrets["gone"] = await rig.add("gone")
    await rig.revoke("gone")
    secrets["over"] = await rig.add("over", expires_at=rig.now + 10.0)
    secrets["reader"] = await rig.add("reader", scopes=("read",))
    secrets["phone"] = await rig.add(
        "phone", kind=CredentialKind.APP_PASSWORD, account="joe@local.test"
    )
    await rig.add("max", "another one", forms=Forms(scram=True))
    rig.now += 100.0
    return secrets


Case = tuple[Callable[[dict[str, str]], tuple[str, str]], Cause]
MUTATIONS: dict[str, Case] = {
    "unknown user": (lambda _: ("nobody", PASSWORD), Cause.UNKNOWN_USER),
    "wrong password": (lambda _: (ANN, "something else"), Cause.WRONG_SECRET),
    "former password": (lambda _: (ANN, OLD), Cause.FORMER_SECRET),
    "former key": (lambda s: ("apikey", s["old key"]), Cause.FORMER_SECRET),
    "revoked key": (lambda s: ("apikey", s["gone"]), Cause.REVOKED),
    "expired key": (lambda s: ("apikey", s["over"]), Cause.EXPIRED),
    "key that may not send": (lambda s: ("apikey", s["reader"]), Cause.NO_SCOPE),
    "key of another": (lambda s: ("shop", s["lab"]), Cause.OTHER_CREDENTIAL),
    "app password of another": (lambda s: (ANN, s["phone"]), Cause.OTHER_CREDENTIAL),
    "swapped": (lambda _: (PASSWORD, ANN), Cause.SWAPPED),
    "swapped key": (lambda s: (s["key"], "shop"), Cause.SWAPPED),
    "both coded twice": (lambda _: (twice(ANN), twice(PASSWORD)), Cause.ENCODED_TWICE),
    "password coded twice": (lambda _: (ANN, twice(PASSWORD)), Cause.ENCODED_TWICE),
    "key coded twice": (lambda s: ("apikey", twice(s["key"])), Cause.ENCODED_TWICE),
    "PLAIN as a password": (
        lambda _: (ANN, twice(f"\0{ANN}\0{PASSWORD}")),
        Cause.ENCODED_TWICE,
    ),
    "line end": (lambda _: (ANN, PASSWORD + "\n"), Cause.LINE_END),
    "line end of both": (lambda _: (ANN + "\r\n", PASSWORD + "\r\n"), Cause.LINE_END),
    "line end of a key": (lambda s: ("apikey", s["key"] + "\n"), Cause.LINE_END),
    "blank behind": (lambda _: (ANN, PASSWORD + " "), Cause.WHITE_SPACE),
    "blank before the user": (lambda _: (" " + ANN, PASSWORD), Cause.WHITE_SPACE),
    "no-break space": (lambda _: (ANN, "\u00a0" + PASSWORD), Cause.WHITE_SPACE),
    "quotation marks": (lambda _: (ANN, f'"{PASSWORD}"'), Cause.QUOTED),
    "URL-encoded": (lambda _: (quote(ANN, safe=""), quote(PASSWORD)), Cause.URL_ENCODED),
    "user in lower case": (lambda _: (ANN.lower(), PASSWORD), Cause.CASE_OF_USER),
    "caps lock": (lambda _: (ANN, PASSWORD.swapcase()), Cause.CASE_OF_SECRET),
    "domain too many": (lambda _: ("max@local.test", "another one"), Cause.LOCAL_PART),
    "Windows domain": (lambda _: ("CORP\\max", "another one"), Cause.LOCAL_PART),
    "domain missing": (lambda _: ("Ann.Doe", PASSWORD), Cause.FULL_ADDRESS),
    "user:password": (lambda _: (ANN, f"{ANN}:{PASSWORD}"), Cause.USER_IN_SECRET),
    "Bearer": (lambda s: ("apikey", f"Bearer {s['key']}"), Cause.SCHEME_IN_SECRET),
    "NAME=value": (lambda s: ("apikey", f"SMTP_KEY={s['key']}"), Cause.SCHEME_IN_SECRET),
    "Latin-1 of UTF-8": (
        lambda _: (ANN, PASSWORD.encode().decode("latin-1")),
        Cause.OTHER_CHARSET,
    ),
    "decomposed": (lambda _: (ANN, PASSWORD.replace("ä", "a\u0308")), Cause.UNICODE_FORM),
    "key cut off": (lambda s: ("apikey", s["key"][:-3]), Cause.CUT_OFF),
    "too long": (lambda _: (ANN, "x" * 2000), Cause.TOO_LONG),
    "token as a password": (
        lambda _: (ANN, "eyJhbGciOiJSUzI1NiJ9.e30.AAAA"),
        Cause.TOKEN_AS_PASSWORD,
    ),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_each_mistake_has_its_verdict(name: str) -> None:
    """A right login that was spoilt in one way is told as that, without its secret."""
    mutation, cause = MUTATIONS[name]

    async def main() -> None:
        async with logins() as rig:
            secrets = await stocked(rig)
            user, password = mutation(secrets)
            autopsy = await rig.explain(PasswordClaim("", user, password))
            assert autopsy.cause is cause
            shown = {ANN, "shop"}  # names are no secrets, wherever they stand
            for secret in {PASSWORD, OLD, password, *secrets.values()} - shown:
                assert secret not in str(autopsy)

    asyncio.run(main())


def test_a_former_secret_is_told_with_when_and_by_whom() -> None:
    """The operator learns whose secret it was, who rotated it, and at what time."""

    async def main() -> None:
        async with logins() as rig:
            secrets = await stocked(rig)
            password = await rig.explain(PasswordClaim("", ANN, OLD))
            assert (password.credential, password.changed_at) == (ANN, START + 100.0)
            assert "rotated by ann" in str(password)
            key = await rig.explain(PasswordClaim("", "anything", secrets["old key"]))
            assert (key.credential, key.changed_at) == ("shop", START + 200.0)
            gone = await rig.explain(PasswordClaim("", "apikey", secrets["gone"]))
            assert (gone.detail, gone.changed_at) == ("by bob", START + 200.0)

    asyncio.run(main())


def test_what_scram_hides_is_not_made_up() -> None:
    """Where no password is shown, the verdict says what can be told and no more."""

    async def main() -> None:
        async with logins() as rig:
            await stocked(rig)
            wrong = ProofFailure.WRONG_PROOF
            cases: dict[Cause, Claim] = {
                Cause.UNKNOWN_USER: ProofClaim("", "nobody", wrong),
                Cause.BAD_PROOF: ProofClaim("", "max", wrong),
                Cause.NO_VERIFIER: ProofClaim("", ANN, wrong),
                Cause.BAD_BINDING: ProofClaim("", "max", ProofFailure.WRONG_BINDING),
            }
            for cause, claim in cases.items():
                assert (await rig.explain(claim)).cause is cause
            cram = CramClaim("max", b"<1@x>", "0" * 32)
            assert (await rig.explain(cram)).cause is Cause.NO_VERIFIER
            token = TokenClaim("max", "eyJ.a.b")
            assert (await rig.explain(token)).cause is Cause.NOBODY_KNOWN

    asyncio.run(main())


def test_a_changed_line_of_the_user_file_is_remembered(tmp_path: Path) -> None:
    """A password that stood in the file before it was changed is a former one."""

    async def main() -> None:
        path = user_file(tmp_path, max="one")
        async with logins(AuthSettings(file=path)) as rig:
            assert isinstance(await rig.log_in("max", "one"), Admitted)
            rig.now += 60.0
            path.unlink()
            user_file(tmp_path, max="two")
            autopsy = await rig.explain(PasswordClaim("", "max", "one"))
            assert autopsy.cause is Cause.FORMER_SECRET
            assert autopsy.changed_at == START + 60.0
            assert (await rig.explain(PasswordClaim("", "max", "six"))).cause is Cause.WRONG_SECRET
            assert (await rig.explain(PasswordClaim("", "MAX", "two"))).cause is Cause.CASE_OF_USER

    asyncio.run(main())


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    """A typing mistake in the user name is answered by the name that it is near to."""

    async def main() -> None:
        async with logins() as rig:
            await stocked(rig)
            autopsy = await rig.explain(PasswordClaim("", "Ann.Do@local.test", "x"))
            assert ANN in autopsy.detail

    asyncio.run(main())


def test_every_cause_has_its_sentence() -> None:
    """The table of texts is complete, and every repair names a cause in it."""
    assert set(SENTENCES) == set(Cause)
    assert {cause for cause, _ in REPAIRS} <= set(SENTENCES)


def test_repairs_never_show_what_they_hold() -> None:
    """A repair that is printed shows neither user name nor secret."""
    shown = repr(list(repaired("canary-user ", "canary-secret ")))
    assert "canary" not in shown


@pytest.mark.parametrize(
    "user",
    ["pb_k7f3m2q9_abc", "shop pb_k7f3m2q9_abc", "eyJhbGciOiJub25lIn0.e30.", "a\0b", "x" * 60],
)
def test_a_user_name_that_may_be_a_secret_is_hidden(user: str) -> None:
    """What looks like a key, a token or a coded login is not shown, unless somebody has it."""
    assert shown_identity(user, is_known=False) == HIDDEN
    assert shown_identity(user, is_known=True) == user
    assert shown_identity("ann hunter2", is_known=False, secret="hunter2") == HIDDEN
    assert shown_identity("ann", is_known=False, secret="hunter2") == "ann"


def test_failures_are_counted_by_program() -> None:
    """One line a program: how often since when, by cause, and whether it came in again."""
    book = FailureBook()
    web = Application("web-3", "192.0.2.1", ("PLAIN",))
    former = Autopsy(cause=Cause.FORMER_SECRET, credential="shop", changed_at=5.0)
    for second in range(212):
        book.failed(web, former, user="shop", listener="in", at=10.0 + second)
    other = Application("web-3", "192.0.2.1", ("LOGIN", "PLAIN"))
    book.failed(other, Autopsy(cause=Cause.BUSY), user="x", listener="in", at=500.0)
    (first, _), (second_program, failures) = list(book)
    assert (first, second_program) == (other, web)
    assert (failures.count, failures.first_at, failures.last_at) == (212, 10.0, 221.0)
    assert failures.causes == {"former_secret": 212}
    book.succeeded("web-3", "192.0.2.1", 600.0)
    assert failures.recovered_at == 600.0
    book.failed(web, former, user="shop", listener="in", at=700.0)
    assert dict(book)[web].count == 1


def test_failures_are_known_again_after_a_restart() -> None:
    """What was written is read back as it was, the latest only; what cannot be read is nothing."""
    book = FailureBook()
    for number in range(4):
        program = Application(f"h{number}", "192.0.2.1", ("PLAIN", "LOGIN"))
        autopsy = Autopsy(cause=Cause.FORMER_SECRET, credential="shop", changed_at=5.0)
        book.failed(program, autopsy, user="shop", listener="in", at=number)
    book.succeeded("h3", "192.0.2.1", 9.0)
    after = FailureBook()
    after.read_back(book.written(3))
    assert list(after) == list(book)[:3]
    after.read_back(b'[{"other": "version"}]')
    assert len(list(after)) == 3


def test_the_table_of_failures_is_bounded() -> None:
    """Whoever comes from many addresses with many names pushes out the oldest."""
    book = FailureBook()
    for number in range(6_000):
        program = Application(f"h{number}", "192.0.2.1", ("PLAIN",))
        for user in range(8):
            book.failed(program, Autopsy(cause=Cause.BUSY), user=str(user), listener="in", at=1.0)
    kept = list(book)
    assert len(kept) == 5_000
    assert all(len(failures.users) <= 5 for _, failures in kept)

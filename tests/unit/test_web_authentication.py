"""Who guesses passwords of the pages, and how much that is made to cost us."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections import Counter

import pytest

from pillarbox.access.hashes import PasswordHasher
from pillarbox.web import authentication
from pillarbox.web.authentication import Authentication
from pillarbox.web.problems import Problem

KEPT = PasswordHasher.hash("right")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that a hash was made of."""
    made: list[str] = []

    def matches(verifier: str, password: str) -> bool:
        made.append(password)
        return verifier == KEPT and password == "right"

    monkeypatch.setattr(authentication, "matches", matches)
    return made


def ask(user: str, password: str, times: int) -> Counter[int]:
    """Return the statuses of so many requests at once; 200 for who is let in."""

    async def run() -> Counter[int]:
        door = Authentication({"ann": KEPT, "cy": "plain"}, frozenset())
        value = "Basic " + b64encode(f"{user}:{password}".encode()).decode()

        async def one() -> int:
            try:
                await door.check(value, "192.0.2.1")
            except Problem as problem:
                return problem.status
            return 200

        return Counter(await asyncio.gather(*(one() for _ in range(times))))

    return asyncio.run(run())


def test_many_guesses_at_once_are_as_few_as_one_by_one(hashed: list[str]) -> None:
    """A hundred requests that come before the first is judged do not make a hundred hashes."""
    answers = ask("ann", "wrong", 100)
    assert answers[429] >= 88
    assert len(hashed) <= 12


def test_a_right_password_costs_one_hash_whoever_asks_at_once(hashed: list[str]) -> None:
    """A page that loads twenty files is not taken for twenty guesses."""
    assert ask("ann", "right", 20) == {200: 20}
    assert len(hashed) <= 2


@pytest.mark.parametrize("password", ["wrong", "right"])
def test_a_name_that_nobody_has_takes_as_long_as_one_that_somebody_has(
    hashed: list[str], password: str
) -> None:
    """Otherwise the time would tell who is there; and nobody's password is right."""
    assert ask("nobody", password, 1) == {401: 1}
    assert hashed == [password]

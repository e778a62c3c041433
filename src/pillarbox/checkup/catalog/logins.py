"""The form of login that each mail provider expects, and why the one at hand cannot be right.

Pure: a user name and a secret in; sentences out that contain neither.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["Hint", "LoginForm", "form_of", "hints", "login_forms"]

_QUOTES: Final = ('""', "''", "“”", "<>")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginForm:
    """What one provider wants."""

    id: str
    name: str
    hosts: tuple[str, ...]  # "*" stands for a label
    ports: tuple[int, ...]  # for submission, the best first
    user: str = ""  # the literal word that it has to be
    user_form: str = ""  # "address": a whole address
    user_pattern: str = ""  # a regular expression for the whole
    user_words: str = ""
    secret: str = ""  # a regular expression for the whole
    secret_words: str = ""
    tokens_only: bool = False
    sure: str
    source: str


@dataclass(frozen=True, slots=True)
class Hint:
    """Something in a login that looks wrong."""

    number: int  # of the remark
    what: str
    fix: str


@cache
def login_forms() -> tuple[LoginForm, ...]:
    """Return what all providers that are known want."""
    text = files("pillarbox.checkup.catalog").joinpath("logins.toml").read_text(encoding="utf-8")
    return tuple(
        LoginForm(**{**row, "hosts": tuple(row["hosts"]), "ports": tuple(row["ports"])})
        for row in tomllib.loads(text)["provider"]
    )


def form_of(host: str) -> LoginForm | None:
    """Return what the provider of a host wants, None for one that is not known."""
    name = host.lower().rstrip(".")
    for form in login_forms():
        for pattern in form.hosts:
            head, star, tail = pattern.partition("*")
            if name == pattern or (star and name.startswith(head) and name.endswith(tail)):
                return form
    return None


def hints(user: str, secret: str, form: LoginForm | None) -> Iterator[Hint]:
    """Yield what looks wrong, the surest first.

    Args:
        user: The user name.
        secret: The password or key.
        form: What the provider wants.
    """
    if not secret:
        yield Hint(10, "The password is empty", "Check that the variable or the file is set.")
        return
    yield from _slips(user, secret)
    if form is not None:
        yield from _unlike(user, secret, form)


def _slips(user: str, secret: str) -> Iterator[Hint]:
    """Yield mistakes of copying, which are such at every provider."""
    if secret != secret.strip() or user != user.strip():
        which = "user name" if user != user.strip() else "password"
        yield Hint(
            11,
            f"White space or a line end is stuck to the {which}",
            "Remove it (use `printf %s`, not `echo`; `tr -d '\\n'`).",
        )
    if any(secret[:1] + secret[-1:] == pair for pair in _QUOTES) and len(secret) > len('""'):
        yield Hint(
            12,
            "The password is in quotation marks",
            "Remove them: Docker's --env-file, for one, treats them as part of the value.",
        )
    if "@" in secret and "." in secret.rpartition("@")[2] and "@" not in user:
        yield Hint(13, "User name and password look swapped", "Swap them.")
    if re.search(r"%[0-9A-Fa-f]{2}", user) and "@" not in user:
        yield Hint(
            14, "The user name is percent-encoded", "Write it as it is: %40 is for URLs, @ here."
        )


def _unlike(user: str, secret: str, form: LoginForm) -> Iterator[Hint]:
    """Yield what is not of the form that the provider gives out."""
    if form.tokens_only:
        yield Hint(
            19,
            f"{form.name} no longer accepts passwords",
            "Log in with an OAuth 2.0 token (XOAUTH2), or send through another provider.",
        )
    if form.user and user != form.user:
        yield Hint(
            15,
            f"{form.name} wants the literal word {form.user} as the user name",
            f"Set the user name to {form.user}; the key goes into the password.",
        )
    if form.user_form == "address" and "@" not in user:
        yield Hint(
            16,
            f"{form.name} wants a whole address as the user name",
            f"Set the user name to the address, such as {user.strip() or 'ann'}@example.org.",
        )
    if form.user_pattern and not re.fullmatch(form.user_pattern, user):
        yield Hint(
            17,
            f"The user name does not have the form that {form.name} issues",
            f"Use {form.user_words}.",
        )
    if form.secret and not re.fullmatch(form.secret, secret.strip()):
        yield Hint(
            18,
            f"The password does not have the form that {form.name} issues",
            f"Use {form.secret_words}.",
        )

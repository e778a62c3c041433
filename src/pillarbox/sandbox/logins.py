"""Who may log in to have mail caught: anybody, chosen users, or nobody.

Users of a project that has a password always have to give it, so that a project is not filled by
mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pillarbox.access.answers import Admitted, Answer, Denied
from pillarbox.access.assembly import AccessControl
from pillarbox.access.authenticator import Authenticator
from pillarbox.access.examiner import Examiner
from pillarbox.access.pool import Pool
from pillarbox.config.settings.sandbox import SandboxAuth, SandboxSettings
from pillarbox.errors import PermanentError
from pillarbox.policy.autopsy import Cause
from pillarbox.sandbox.projects import Projects
from pillarbox.sandbox.users import is_hash, is_right, read_users, read_users_file
from pillarbox.smtp.sasl.claims import Claim, PasswordClaim, TokenClaim

__all__ = ["Logins", "mechanisms", "read_logins"]

_NAME: Final = "sandbox"
_CACHE_SECONDS: Final = 60.0  # in which a slow hash is not computed again
_SCRAM_KEY: Final = bytes(32)  # nothing is offered that it would serve
# Mechanisms that show what they are given, so that anything can be taken. SCRAM and CRAM-MD5
# prove a password that both sides know: nobody can accept any.
_SHOWING: Final = ("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER")
_PASSWORDS: Final = ("PLAIN", "LOGIN")


def mechanisms(auth: SandboxAuth) -> tuple[str, ...]:
    """Return the SASL mechanisms that are offered."""
    if auth is SandboxAuth.NONE:
        return ()
    return _PASSWORDS if auth is SandboxAuth.CHOSEN else _SHOWING


def read_logins(settings: SandboxSettings) -> dict[str, str]:
    """Return the passwords, or hashes of them, of chosen users.

    Raises:
        PermanentError: A list of users cannot be used, or nobody could log in who has to.
    """
    if settings.needs_login and settings.logins is SandboxAuth.NONE:
        raise PermanentError(
            "sandbox.require_auth refuses all mail where no login is offered (sandbox.auth: none); "
            "leave one of them out, or write `refuse` to see logins fail"
        )
    users = read_users(settings.users, "sandbox.users")
    if settings.users_file is not None:
        users |= read_users_file(settings.users_file, "users_file")
    return users


class Logins:
    """A source of users that knows whom it is told to know."""

    name = _NAME

    def __init__(self, auth: SandboxAuth, users: Mapping[str, str], projects: Projects) -> None:
        """Let in whom ``auth`` says.

        Args:
            auth: Anybody, users, or nobody.
            users: Passwords or hashes, by user.
            projects: Whose users may come in, too.
        """
        self._auth = auth
        self._users = dict(users)
        self._projects = projects
        self._pool = Pool(1, "sandbox-hash")  # where slow hashes are computed
        self._seen = projects.generation

    def control(self) -> AccessControl:
        """Return what listeners ask."""
        authenticator = Authenticator(
            (self,), pool=self._pool, cache_seconds=_CACHE_SECONDS, scram_key=_SCRAM_KEY
        )
        return AccessControl(authenticator, Examiner((), None, b""))

    def use(self, auth: SandboxAuth, users: Mapping[str, str]) -> None:
        """Let in others from now on."""
        self._auth = auth
        self._users = dict(users)
        self._seen = -1  # what is remembered of logins is forgotten

    def takes(self, claim: Claim) -> bool:
        """Whether it can judge such a claim: what shows a password or a token."""
        return isinstance(claim, PasswordClaim | TokenClaim)

    def at_once(self, claim: Claim) -> Answer | None:
        """Judge a claim; None where a hash has to be computed."""
        user = claim.identity
        if self._auth is SandboxAuth.REFUSE:
            return Denied(Cause.WRONG_SECRET, _NAME, "this sandbox refuses every login")
        if not isinstance(claim, PasswordClaim):
            return _admitted(user or "token")
        kept = self._kept(user)
        if kept is None:
            if self._auth is SandboxAuth.ANY:
                return _admitted(user)
            return Denied(Cause.UNKNOWN_USER, _NAME)
        if is_hash(kept):
            return None
        return self._said(user, is_it=is_right(kept, claim.password))

    async def judge(self, claim: Claim) -> Answer:
        """Check a password against a hash, on a thread."""
        kept = self._kept(claim.identity)
        if not isinstance(claim, PasswordClaim) or kept is None:
            return Denied(Cause.UNKNOWN_USER, _NAME)
        if self._pool.is_full:
            return Denied(Cause.BUSY, _NAME)
        is_it = await self._pool.run(is_right, kept, claim.password)
        return self._said(claim.identity, is_it=is_it)

    def refresh(self) -> bool:
        """Forget remembered logins when the projects have changed."""
        has_changed = self._seen != self._projects.generation
        self._seen = self._projects.generation
        return has_changed

    def close(self) -> None:
        """Nothing to give up."""

    def _kept(self, user: str) -> str | None:
        # With ANY, the users of the list are as anybody else.
        kept = self._projects.password_of(user)
        if kept is None and self._auth is SandboxAuth.CHOSEN:
            kept = self._users.get(user)
        return kept

    @staticmethod
    def _said(user: str, *, is_it: bool) -> Answer:
        return _admitted(user) if is_it else Denied(Cause.WRONG_SECRET, _NAME)


def _admitted(user: str) -> Admitted:
    return Admitted(identity=user, source=_NAME, claimed=user)

"""The outcome of a login with each mechanism; secrets are not retained."""

from __future__ import annotations

from dataclasses import dataclass

from pillarbox.checkup.catalog.logins import Hint, LoginForm
from pillarbox.checkup.facts.report import ServerReport
from pillarbox.checkup.facts.smtp import Probe
from pillarbox.smtp.client_outcome import Stage
from pillarbox.smtp.reply import Reply

__all__ = ["LoginFacts", "LoginTry"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTry:
    """One login by one mechanism, over a connection of its own."""

    mechanism: str
    seconds: float
    is_accepted: bool
    stage: Stage | None = None  # at which it failed
    reply: Reply | None = None  # that it failed by
    reason: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it could not be tested: for now, not as far as the login, or no reply came."""
        if self.is_accepted:
            return False
        return self.stage is not Stage.AUTH or self.reply is None or self.reply.is_transient


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFacts:
    """All that was tried."""

    host: str
    user: str
    has_token: bool
    server: ServerReport
    probe: Probe | None  # of the port that was used; None: none is fit for a login
    form: LoginForm | None
    hints: tuple[Hint, ...]
    tries: tuple[LoginTry, ...]
    left_out: tuple[str, ...] = ()  # mechanisms that were not tried any more

    @property
    def offered(self) -> frozenset[str]:
        """The mechanisms that were offered in the end."""
        extensions = self.probe.offered if self.probe is not None else None
        return extensions.auth if extensions is not None else frozenset()

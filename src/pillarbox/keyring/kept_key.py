"""A DKIM key with its life cycle."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from pillarbox.errors import PermanentError
from pillarbox.mailauth.dkim import SigningKey
from pillarbox.mailauth.dkim.algorithm import Algorithm, PrivateKey, algorithm_of, public_octets
from pillarbox.mailauth.dkim.record import key_name
from pillarbox.policy.key_life import KeyCause, KeyState, next_state

__all__ = ["KeptKey"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptKey:
    """One key of one domain. Its private half is not part of its ``repr``."""

    domain: str  # in A-labels and lower case
    selector: str
    algorithm: Algorithm
    public: bytes  # as in p=, before base64
    private: SigningKey | None  # None: destroyed
    state: KeyState
    made_at: float  # seconds since 1970
    since: float  # when it entered its state, seconds since 1970

    @classmethod
    def new(cls, domain: str, selector: str, private_key: PrivateKey, now: float) -> KeptKey:
        """Create a key in its first state."""
        return cls(
            domain=domain,
            selector=selector,
            algorithm=algorithm_of(private_key),
            public=public_octets(private_key),
            private=SigningKey(domain, selector, private_key),
            state=KeyState.MADE,
            made_at=now,
            since=now,
        )

    @property
    def name(self) -> str:
        """The name of its DNS record."""
        return key_name(self.domain, self.selector)

    @property
    def record(self) -> str:
        """The record that publishes it."""
        kind, public = self.algorithm.key_type, base64.b64encode(self.public).decode("ascii")
        return f"v=DKIM1; k={kind}; p={public}"

    def after(self, cause: KeyCause, now: float) -> KeptKey | None:
        """Return the key in its next state, or None if nothing changes."""
        state = next_state(self.state, cause)
        if state is None:
            return None
        private = None if state is KeyState.RETIRED else self.private
        return replace(self, state=state, since=now, private=private)

    def must(self, cause: KeyCause, now: float) -> KeptKey:
        """Return the key in its next state.

        Raises:
            PermanentError: The cause does not apply to its state.
        """
        key = self.after(cause, now)
        if key is None:
            raise PermanentError(f"{self.name} is {self.state.value}; it cannot be {cause.value}")
        return key

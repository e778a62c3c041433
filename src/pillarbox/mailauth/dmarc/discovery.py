"""Policy discovery: which record and which policy apply to an author domain.

It uses the tree walk of RFC 9989 §4.10.1, or the public suffix list as in RFC 7489 §6.6.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.mailauth.dmarc.record import Policy, Record
from pillarbox.mailauth.dmarc.suffixes import ListedSuffixes, Suffixes
from pillarbox.mailauth.dmarc.tree_walk import RecordLookup, Step, Walk, tree_walk
from pillarbox.mailauth.resolver import Resolver
from pillarbox.smtp.address import ascii_domain

__all__ = ["Discovery", "Finder", "Mode", "discover", "normal_domain"]


class Mode(Enum):
    """How the organizational domain is found; the values are those of report RFC 9990."""

    TREE_WALK = "treewalk"
    SUFFIX_LIST = "psl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery:
    """What applies to one author domain."""

    domain: str
    mode: Mode
    walk: Walk  # with the suffix list: the one or two names that were queried
    organizational_domain: str
    record: Record | None = None
    record_domain: str = ""  # the DMARC policy domain
    policy: Policy = Policy.NONE  # before t=y
    policy_tag: str = ""  # "p", "sp" or "np"
    exists: bool | None = True  # whether DNS knows the domain; None: it did not answer
    failed: str = ""  # the query whose missing answer matters, in words

    @property
    def disposition(self) -> Policy:
        """The handling requested for mail that fails: the policy, one level weaker under t=y."""
        if self.record is not None and self.record.is_testing:
            return self.policy.one_below
        return self.policy


class Finder:
    """Finds policies and organizational domains for one message; queries no name twice."""

    def __init__(
        self, resolver: Resolver, mode: Mode = Mode.TREE_WALK, suffixes: Suffixes | None = None
    ) -> None:
        """Use ``mode``; ``suffixes`` replaces the installed public suffix list."""
        self.mode = mode
        self._lookup = RecordLookup(resolver)
        self._suffixes = suffixes or _installed
        self._walks: dict[str, Walk] = {}

    async def walk(self, domain: str) -> Walk:
        """Return the walk from a domain."""
        if domain not in self._walks:
            self._walks[domain] = await tree_walk(domain, self._lookup)
        return self._walks[domain]

    async def organizational_domain(self, domain: str) -> tuple[str, Step | None]:
        """Return a domain's organizational domain, and the step that failed while finding it."""
        if self.mode is Mode.SUFFIX_LIST:
            return self._suffixes.organizational_domain(domain) or domain, None
        walk = await self.walk(domain)
        return walk.organizational_domain, walk.unavailable

    async def discover(self, domain: str) -> Discovery:
        """Find the record and the policy for an author domain.

        Args:
            domain: A domain in A-labels and lower case, without a final dot.
        """
        if self.mode is Mode.SUFFIX_LIST:
            organization = self._suffixes.organizational_domain(domain) or domain
            walk = await self._listed_steps(domain, organization)
            places = walk.steps
        else:
            walk = await self.walk(domain)
            organization = walk.organizational_domain
            # From the highest preference to the lowest (RFC 9989 §4.10.1).
            ordered = (walk.at(domain), walk.at(organization), walk.public_suffix)
            places = tuple(step for step in ordered if step is not None)
        source = next((step for step in places if step.record is not None), None)
        failed = walk.unavailable
        if failed is not None and (source is None or source.domain != domain):
            return Discovery(
                domain=domain,
                mode=self.mode,
                walk=walk,
                organizational_domain=organization,
                failed=f"{failed.name}: {failed.note}",
            )
        return await self._settle(domain, walk, organization, source)

    async def _listed_steps(self, domain: str, organization: str) -> Walk:
        steps = [await self._lookup.at(domain)]
        if organization != domain and steps[0].record is None:
            steps.append(await self._lookup.at(organization))
        return Walk(domain, tuple(steps))

    async def _settle(
        self, domain: str, walk: Walk, organization: str, source: Step | None
    ) -> Discovery:
        """Select the policy from the record that was found."""
        record = None if source is None else source.record
        policy, tag, exists, failed = Policy.NONE, "", True, ""
        known: bool | None = True
        if source is not None and record is not None:
            policy, tag = record.p, "p"
            if source.domain != domain:
                # Whether the name exists is queried only if it makes a difference.
                if record.np is not None:
                    known = await self._lookup.exists(domain)
                    failed = f"{domain}: no answer whether it exists" if known is None else ""
                exists = known is not False
                policy, tag = record.policy_for_subdomain(exists=exists)
        return Discovery(
            domain=domain,
            mode=self.mode,
            walk=walk,
            organizational_domain=organization,
            record=record,
            record_domain="" if source is None else source.domain,
            policy=policy,
            policy_tag=tag,
            exists=known,
            failed=failed,
        )


async def discover(
    domain: str,
    resolver: Resolver,
    mode: Mode = Mode.TREE_WALK,
    suffixes: Suffixes | None = None,
) -> Discovery:
    """Find the record and the policy that apply to mail from a domain."""
    return await Finder(resolver, mode, suffixes).discover(normal_domain(domain))


def normal_domain(domain: str) -> str:
    """Return a domain as compared: A-labels, lower case, no final dot (RFC 9989 §5.3.1)."""
    return ascii_domain(domain.strip()).rstrip(".")


_installed = ListedSuffixes()

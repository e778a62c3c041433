"""From an observation to its causes, the most probable first.

Each pattern of the catalog that fits gives points: words more than an enhanced code, and that
more than a reply code, as servers write what they mean and choose codes carelessly. An
observation with any code at all has a cause, if only the one that its class names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from pillarbox.diagnosis.catalog.loading import catalog
from pillarbox.diagnosis.entry import Certainty, Entry, Lasting, Pattern
from pillarbox.diagnosis.observation import Observation
from pillarbox.diagnosis.phrase import flatten
from pillarbox.smtp.client_outcome import Stage

__all__ = ["Cause", "Diagnosis", "explain"]

_MAX_CAUSES: Final = 3
_WORDS: Final = 40
_MAX_WEIGHT: Final = 40
_ENHANCED: Final = 30
_CODE: Final = 8
_PROVIDER: Final = 12
_STAGE: Final = 32  # a pattern that names a stage means just this case
_KIND: Final = 12
_SECOND_SIGN: Final = 10
_VAGUE: Final = 15
_MAX_VAGUE_WEIGHT: Final = 20  # words that leave the cause open do not tell more by being many
_PRECISE: Final = 12  # letters; a shorter phrase is a hint
_NEGLIGIBLE: Final = 0.6  # of the best cause's points
_TEMPORARY: Final = 4
_UNREACHED: Final = frozenset({Stage.RESOLVE, Stage.CONNECT, Stage.TLS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A cause that fits, how sure it is, and what it was concluded from."""

    entry: Entry
    certainty: Certainty
    points: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What is concluded from an observation; no causes where it says nothing."""

    observation: Observation
    causes: tuple[Cause, ...]

    @property
    def stage(self) -> Stage | None:
        """How far the attempt had come: as observed, otherwise as is usual for the cause."""
        if self.observation.stage is not None or not self.causes:
            return self.observation.stage
        return self.causes[0].entry.stage

    @property
    def is_temporary(self) -> bool:
        """Whether the same may pass later without anybody changing anything."""
        lasting = self.causes[0].entry.lasting if self.causes else Lasting.AS_REPLIED
        if lasting is Lasting.AS_REPLIED:
            return self.observation.severity == _TEMPORARY or self.observation.action == "delayed"
        return lasting is Lasting.TEMPORARY

    @property
    def is_hard(self) -> bool:
        """Whether the address is dead, so that nothing more should be sent to it."""
        return bool(self.causes) and self.causes[0].entry.is_hard and not self.is_temporary


def explain(observation: Observation) -> Diagnosis:
    """Return the causes of what was observed, the most probable first."""
    flat = flatten(observation.text)
    found = [cause for entry in catalog() if (cause := _best(entry, observation, flat))]
    found.sort(key=lambda cause: -cause.points)
    shown: list[Cause] = []
    for cause in found:
        is_new = all(cause.entry.kind != other.entry.kind for other in shown)
        if not shown:
            shown.append(cause)
        elif (
            is_new
            and cause.points > found[0].points * _NEGLIGIBLE
            and not _is_too_late(cause, shown[0], observation)
        ):
            # What is second is less sure than what is first, however clear its signs.
            most = max(shown[0].certainty - 1, Certainty.POSSIBLE)
            shown.append(replace(cause, certainty=Certainty(min(cause.certainty, most))))
    return Diagnosis(observation=observation, causes=tuple(shown[:_MAX_CAUSES]))


def _is_too_late(cause: Cause, first: Cause, observation: Observation) -> bool:
    """Whether a cause needs a reply, where no server was reached that could have given one."""
    return (
        observation.code is None
        and first.entry.stage in {Stage.RESOLVE, Stage.CONNECT}
        and cause.entry.stage not in _UNREACHED
    )


def _best(entry: Entry, observation: Observation, flat: str) -> Cause | None:
    """Return the cause by the pattern that tells most; a sign of another kind makes it surer."""
    causes = [
        cause
        for pattern in entry.patterns
        if (cause := _match(entry, pattern, observation, flat)) is not None
    ]
    if not causes:
        return None
    best, *others = sorted(causes, key=lambda cause: -cause.points)
    signs = {sign: None for cause in (best, *others) for sign in cause.evidence}
    if len(signs) == len(best.evidence):
        return best
    surest = max(cause.certainty for cause in causes)
    is_surer = len(_kinds(signs)) > len(_kinds(best.evidence))
    return Cause(
        entry=entry,
        certainty=Certainty(min(surest + is_surer, Certainty.CERTAIN)),
        points=best.points + _SECOND_SIGN,
        evidence=tuple(signs),
    )


def _kinds(signs: Iterable[str]) -> frozenset[str]:
    """Return of which kinds signs are: words, a reply code, an enhanced code."""
    return frozenset("words" if sign.startswith('"') else sign.split()[0] for sign in signs)


def _match(entry: Entry, pattern: Pattern, observation: Observation, flat: str) -> Cause | None:
    """Return the cause if the whole pattern holds, with the points that it is worth."""
    codes = _codes(pattern, observation)
    placed = _place(entry, pattern, observation)
    if codes is None or placed is None:
        return None
    points = codes[0] + placed
    evidence = codes[1]
    weight = 0
    if pattern.phrases:
        told = max(
            (phrase for phrase in pattern.phrases if phrase.is_in(flat)),
            key=lambda phrase: phrase.weight,
            default=None,
        )
        if told is None:
            return None
        weight = min(told.weight, _MAX_WEIGHT)
        points += _WORDS + weight
        evidence = (*evidence, f'"{told.words.replace("*", "...")}"')
    certainty = pattern.certainty or _certainty(pattern, weight)
    if certainty is Certainty.POSSIBLE:
        points -= _VAGUE + max(weight - _MAX_VAGUE_WEIGHT, 0)
    return Cause(entry=entry, certainty=certainty, points=points, evidence=evidence)


def _codes(pattern: Pattern, observation: Observation) -> tuple[int, tuple[str, ...]] | None:
    """Return the points and the evidence of both codes; None if one is not as it should be."""
    points = 0
    evidence: list[str] = []
    if pattern.codes:
        code = str(observation.code or "")
        if pattern.codes.isdisjoint({code, f"{code[:1]}xx"}):
            return None
        points += _CODE if code in pattern.codes else 1
        evidence.append(f"reply code {code}")
    if pattern.enhanced:
        enhanced = str(observation.enhanced or "")
        if pattern.enhanced.isdisjoint({enhanced, f"x{enhanced[1:]}"}):
            return None
        points += _ENHANCED
        evidence.append(f"enhanced code {enhanced}")
    return points, tuple(evidence)


def _place(entry: Entry, pattern: Pattern, observation: Observation) -> int | None:
    """Return the points of stage, provider and kind; None if one is not as it should be."""
    if pattern.stages and observation.stage not in pattern.stages:
        return None
    if pattern.providers and observation.provider not in pattern.providers:
        return None
    if pattern.sources and observation.source not in pattern.sources:
        return None
    points = (_STAGE if pattern.stages else 0) + (_PROVIDER if pattern.providers else 0)
    points += _KIND if pattern.sources else 0
    if entry.provider and entry.provider == observation.provider:
        return points + _PROVIDER
    # Another provider may mean something else by the same number, hardly by the same words.
    return None if entry.provider and not pattern.phrases else points


def _certainty(pattern: Pattern, weight: int) -> Certainty:
    if weight >= _PRECISE and (pattern.enhanced or pattern.codes):
        return Certainty.CERTAIN
    if weight >= _PRECISE or pattern.enhanced:
        return Certainty.LIKELY
    return Certainty.POSSIBLE

"""A digest as one self-contained HTML page: no scripts, no fonts, no images from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from pillarbox.reports.digest.dmarc_digest import Day, DmarcDigest
from pillarbox.reports.digest.tls_digest import TlsDigest

__all__ = ["render_dmarc", "render_tls"]

_DAY: Final = 86_400
_WIDTH: Final = 960  # of the chart, in its own units
_HEIGHT: Final = 160
_MOST_BARS: Final = 120  # days; more are drawn as weeks


@dataclass(frozen=True, slots=True)
class _Bar:
    """One day or week of the chart."""

    x: float
    width: float
    passed: float  # heights
    failed: float
    title: str


def render_dmarc(digests: Sequence[DmarcDigest], *, made_at: float) -> str:
    """Return the page about who sends as some domains.

    Args:
        digests: One for each domain.
        made_at: The time that the page names, in seconds since 1970.
    """
    template = _environment().get_template("dmarc.html.jinja")
    return template.render(digests=digests, made_at=made_at)


def render_tls(digests: Sequence[TlsDigest], *, made_at: float) -> str:
    """Return the page about the TLS of some domains' exchangers."""
    template = _environment().get_template("tls.html.jinja")
    return template.render(digests=digests, made_at=made_at)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pillarbox.reports.digest"),
        autoescape=True,  # what stands in reports is of strangers
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["percent"] = _percent
    environment.filters["day"] = _day
    environment.filters["moment"] = _moment
    environment.globals["bars"] = _bars
    return environment


def _percent(part: int, whole: int) -> str:
    """Return a share, never rounded to all or to none of it."""
    if not whole:
        return "-"
    share = 100 * part / whole
    if 0 < share < 0.1:  # noqa: PLR2004
        return "< 0.1 %"
    if 99.9 < share < 100:  # noqa: PLR2004
        return "> 99.9 %"
    return f"{share:.1f} %".replace(".0 %", " %")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _bars(days: Sequence[Day]) -> list[_Bar]:
    """Return the bars of a chart ``_WIDTH`` wide and ``_HEIGHT`` high."""
    if not days:
        return []
    span = _DAY if (days[-1].begin - days[0].begin) // _DAY < _MOST_BARS else 7 * _DAY
    first = days[0].begin // span
    slots: dict[int, tuple[int, int]] = {}
    for day in days:
        passed, failed = slots.get(day.begin // span - first, (0, 0))
        slots[day.begin // span - first] = passed + day.passed, failed + day.failed
    highest = max(passed + failed for passed, failed in slots.values()) or 1
    step = min(_WIDTH / (max(slots) + 1), 48.0)
    return [
        _Bar(
            x=round(slot * step + step * 0.1, 2),
            width=round(step * 0.8, 2),
            passed=round(_HEIGHT * passed / highest, 2),
            failed=round(_HEIGHT * failed / highest, 2),
            title=f"{_day((slot + first) * span)}: {passed:,} passed, {failed:,} failed",
        )
        for slot, (passed, failed) in slots.items()
    ]

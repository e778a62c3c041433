"""Mailpit's three checks (HTML, links, spam), filled from our assessment."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from pillarbox.preflight.assessment import ClientSupport, ClientTally, FeatureUse, Support
from pillarbox.preflight.facts import LinkAnswer, SpamVerdict

__all__ = ["show_html_check", "show_link_check", "show_spam_check"]

Shape = dict[str, Any]
_WORDS = {Support.YES: "yes", Support.PARTLY: "partial", Support.NO: "no"}


def show_html_check(support: ClientSupport) -> Shape:
    """Return what clients do not know of the HTML."""
    clients = {client.name: client for client in support.clients}
    platforms: dict[str, list[str]] = {}
    for client in support.clients:
        platforms.setdefault(client.platform, []).append(client.family)
    warnings = [_warning(use, clients) for use in support.features]
    scores = [warning["Score"] for warning in warnings]
    return {
        "Warnings": warnings,
        "Platforms": platforms,
        "Total": {
            "Tests": sum(client.yes + client.partly + client.no for client in support.clients),
            "Nodes": sum(use.count for use in support.features),
            "Supported": _mean(score["Supported"] for score in scores),
            "Partial": _mean(score["Partial"] for score in scores) if scores else 0.0,
            "Unsupported": _mean(score["Unsupported"] for score in scores) if scores else 0.0,
        },
    }


def show_link_check(answers: Iterable[LinkAnswer], *, follows: bool) -> Shape:
    """Return what came of asking for links.

    Args:
        answers: Of the links that were asked for.
        follows: Whether a redirect counts as its end, and not as itself.
    """
    links: list[Shape] = [
        {
            "URL": answer.url,
            "StatusCode": _status(answer, follows=follows),
            "Status": answer.problem or _phrase(answer.status),
        }
        for answer in answers
    ]
    bad = sum(not 200 <= link["StatusCode"] < 400 for link in links)  # noqa: PLR2004 - HTTP's classes
    return {"Errors": bad, "Links": links}


def show_spam_check(verdict: SpamVerdict) -> Shape:
    """Return what a content filter says."""
    return {
        "IsSpam": not verdict.problem and verdict.score >= verdict.threshold,
        "Error": verdict.problem,
        "Score": verdict.score,
        "Rules": [
            {"Name": rule.name, "Score": rule.score, "Description": rule.description}
            for rule in verdict.rules
        ],
    }


def _warning(use: FeatureUse, clients: dict[str, ClientTally]) -> Shape:
    results = [
        {
            "Name": f"{client.family} {client.platform}",
            "Platform": client.platform,
            "Family": client.family,
            "Version": "",
            "Support": _WORDS[use.support.get(name, Support.YES)],
            "NoteNumber": name if name in use.notes else "",
        }
        for name, client in clients.items()
        if use.support.get(name, Support.YES) in _WORDS
    ]
    return {
        "Slug": use.slug,
        "Title": use.title,
        "Description": "",
        "URL": use.url,
        "Category": use.category,
        "Tags": [],
        "Keywords": "",
        "Results": results,
        "NotesByNumber": dict(use.notes),
        "Score": {
            "Found": use.count,
            "Supported": _percent(results, "yes"),
            "Partial": _percent(results, "partial"),
            "Unsupported": _percent(results, "no"),
        },
    }


def _percent(results: list[Shape], word: str) -> float:
    if not results:
        return 100.0 if word == "yes" else 0.0
    matching = sum(1 for result in results if result["Support"] == word)
    return round(100 * matching / len(results), 2)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return round(sum(found) / len(found), 2) if found else 100.0


def _status(answer: LinkAnswer, *, follows: bool) -> int:
    if answer.final_url and not follows:
        return HTTPStatus.FOUND
    return answer.status or 0


def _phrase(status: int | None) -> str:
    try:
        return HTTPStatus(status or 0).phrase
    except ValueError:
        return ""

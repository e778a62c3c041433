"""Writes down what caniemail.com has tested, in our own form.

``.venv/bin/python scripts/caniemail.py CHECKOUT`` reads a checkout of hteumeuleu/caniemail (MIT) and writes
``src/pillarbox/preflight/clients/caniemail.json`` and its license beside it. Of several tested
versions of a client, the last counts; clients that were tested with few features are left out.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

import yaml

_TARGET: Final = Path(__file__).parent.parent / "src/pillarbox/preflight/clients"
_FRONT_MATTER: Final = re.compile(r"---\n(.*?)\n---", re.DOTALL)
_LEAST_TESTED: Final = 200  # features of a client that is taken in
_NOT_OF_HTML: Final = {"amp", "bimi"}  # they are no features of an HTML part
_NOTE_LENGTH: Final = 300
_PLATFORMS: Final = {
    "android": "Android",
    "desktop-webmail": "web",
    "ios": "iOS",
    "macos": "macOS",
    "mobile-webmail": "mobile web",
    "outlook-com": "Outlook.com",
    "windows": "Windows",
    "windows-mail": "Windows Mail",
}


def main() -> int:
    """Convert the checkout that is named on the command line."""
    if not sys.argv[1:]:
        print("name a checkout of hteumeuleu/caniemail", file=sys.stderr)
        return 2
    source = Path(sys.argv[1])
    names = yaml.safe_load((source / "_data/nicenames.yml").read_text())
    features = {
        path.stem: _front_matter(path)
        for path in sorted((source / "_features").glob("[!_]*.md"))
        if path.stem not in _NOT_OF_HTML
    }
    clients = _clients(source, features)
    lines = [_feature(slug, feature, clients) for slug, feature in features.items()]
    titles = [
        [f"{family}.{platform}", names["family"][family], _PLATFORMS[platform]]
        for family, platform in clients
    ]
    head = {
        "source": "https://www.caniemail.com, https://github.com/hteumeuleu/caniemail",
        "license": "MIT, Copyright (c) 2019 Rémi Parmentier: see LICENSE.caniemail",
    }
    body = ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    rows = ",\n".join(json.dumps(title, ensure_ascii=False) for title in titles)
    text = json.dumps(head, ensure_ascii=False, indent=1).rstrip("\n}")
    (_TARGET / "caniemail.json").write_text(
        f'{text},\n"clients": [\n{rows}\n],\n"features": [\n{body}\n]\n}}\n', encoding="utf-8"
    )
    shutil.copyfile(source / "LICENSE", _TARGET / "LICENSE.caniemail")
    print(f"{len(lines)} features, {len(titles)} clients")
    return 0


def _front_matter(path: Path) -> dict[str, Any]:
    found = _FRONT_MATTER.match(path.read_text(encoding="utf-8"))
    if found is None:
        raise SystemExit(f"{path}: no front matter")
    read: dict[str, Any] = yaml.safe_load(found[1].replace("\t", "    "))
    return read


def _clients(source: Path, features: dict[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the clients that were tested with enough features, in the order of the site."""
    tested: dict[tuple[str, str], int] = {}
    for feature in features.values():
        for family, platforms in feature["stats"].items():
            for platform in platforms:
                tested[family, platform] = tested.get((family, platform), 0) + 1
    order = {path.stem: _front_matter(path) for path in (source / "_clients").glob("*.md")}

    def place(client: tuple[str, str]) -> tuple[int, str, int]:
        family, platform = client
        return (
            order[family]["display_order"],
            family,
            order[family]["platforms"].index(platform),
        )

    enough = [client for client, count in tested.items() if count >= _LEAST_TESTED]
    return sorted(enough, key=place)


def _feature(slug: str, feature: dict[str, Any], clients: list[tuple[str, str]]) -> dict[str, Any]:
    texts = {str(key): str(text) for key, text in (feature.get("notes_by_num") or {}).items()}
    support, notes = "", {}
    for family, platform in clients:
        versions = feature["stats"].get(family, {}).get(platform, {})
        # They stand in the order of the tests; their names (2019, 2023-01, 16.80) have no order.
        value = str([*versions.values()][-1]).split() if versions else ["u"]
        letter = value[0].lower()
        if letter not in "yanu":
            raise SystemExit(f"{slug}: {value}")
        support += letter
        said = [texts[mark[1:]] for mark in value[1:] if mark[1:] in texts]
        if said and letter in "an":
            notes.setdefault(_short(said[0]), []).append(f"{family}.{platform}")
    return {
        "slug": slug,
        "title": feature["title"].strip(),
        "category": feature["category"],
        "support": support,
        **({"notes": [[text, *who] for text, who in notes.items()]} if notes else {}),
    }


def _short(text: str) -> str:
    """Return a note without Markdown, and without the word that the letter says."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text).replace("`", "")
    text = re.sub(r"^(Partial(ly)?( support(ed)?)?|Not supported|Buggy)\.\s+", "", text.strip())
    return text if len(text) <= _NOTE_LENGTH else text[: _NOTE_LENGTH - 1] + "…"


if __name__ == "__main__":
    sys.exit(main())

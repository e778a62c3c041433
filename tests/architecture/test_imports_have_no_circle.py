"""No module needs itself by way of others."""

from __future__ import annotations

import graphlib
from pathlib import Path

import grimp
import pytest


def circle(package: str) -> list[str]:
    """Return modules of which each is imported by the next, the first again as the last.

    All imports count: those in functions, and those only for types. Empty: there is no circle.
    """
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        graphlib.TopologicalSorter(imports).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Each module can be understood before those that import it; a package's face is one, too."""
    assert circle("pillarbox") == []


@pytest.mark.parametrize(
    "back",
    [
        "from circular.first import First",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from circular import first",
        "def late():\n    import circular.first",
    ],
    ids=["plain", "for types", "in a function"],
)
def test_a_circle_is_found(back: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import counts wherever it stands: the check would be none if it found none."""
    folder = tmp_path / "circular"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "first.py").write_text("import circular.second\nclass First: ...\n")
    (folder / "second.py").write_text(back + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert set(circle("circular")) == {"circular.first", "circular.second"}

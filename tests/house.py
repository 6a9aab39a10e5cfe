"""The imports of a package as facts, read from its syntax trees: who imports whom, where, and whether it is allowed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "graphnas"


@dataclass(frozen=True)
class Import:
    """One module imported by a file of the package.

    Attributes:
        file: relative to the package.
        line: of the statement.
        target: dotted module, or the name taken from it where that may be a module.
        level: dots in front; 0 for an absolute import.
        local: whether it stands inside a function.
    """

    file: str
    line: int
    target: str
    level: int = 0
    local: bool = False

    @property
    def room(self) -> str:
        """The room that the file belongs to; of a file at the top its own name."""
        return self.file.split("/")[0].removesuffix(".py")

    @property
    def imported_room(self) -> str | None:
        """The room that the target belongs to, "__init__" for the package itself; None for foreign modules."""
        first, *rest = self.target.split(".")
        return (rest[0] if rest else "__init__") if first == PACKAGE else None

    def __str__(self) -> str:
        return f"{PACKAGE}/{self.file}:{self.line} imports {'.' * self.level}{self.target}"


def imports(sources: Mapping[str, str]) -> list[Import]:
    """Every import of the files, those for type checkers aside.

    Args:
        sources: text by file name relative to the package.
    """
    modules = set(map(module_name, sources))
    return [item for file, text in sources.items() for item in _imports_of(file, ast.parse(text), modules)]


def module_name(file: str) -> str:
    """The dotted name of a file of the package."""
    return ".".join([PACKAGE, *file.removesuffix(".py").split("/")]).removesuffix(".__init__")


def read(package: Path) -> dict[str, str]:
    """The text of every file of the package by its relative name."""
    return {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))
    }


def _imports_of(file: str, tree: ast.AST, modules: set[str], local: bool = False) -> Iterator[Import]:
    for child in ast.iter_child_nodes(tree):
        match child:
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                for other in child.orelse:
                    yield from _imports_of(file, ast.Module([other], []), modules, local)
            case ast.Import(names=names):
                yield from (Import(file, child.lineno, alias.name, 0, local) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = module or ""
                for alias in names:
                    inner = f"{base}.{alias.name}"
                    yield Import(file, child.lineno, inner if inner in modules else base, level, local)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from _imports_of(file, child, modules, True)
            case _:
                yield from _imports_of(file, child, modules, local)


def closure(edges: Mapping[str, tuple[str, ...]]) -> dict[str, set[str]]:
    """What each room may import: what its imports may, and itself."""
    found = {room: {room, *direct} for room, direct in edges.items()}
    while True:
        wider = {room: may.union(*(found.get(other, {other}) for other in may)) for room, may in found.items()}
        if wider == found:
            return found
        found = wider


def forbidden(found: list[Import], edges: Mapping[str, tuple[str, ...]]) -> list[Import]:
    """The imports that go in a direction that `edges` do not allow."""
    allowed = closure(edges)
    return [
        item
        for item in found
        if item.imported_room is not None and item.imported_room not in allowed.get(item.room, set())
    ]


def cycles(found: list[Import]) -> list[tuple[str, ...]]:
    """Modules of the package that import each other, at the top or inside functions, one tuple a knot."""
    graph: dict[str, set[str]] = {}
    for item in found:
        if item.imported_room is not None:
            graph.setdefault(module_name(item.file), set()).add(item.target)
    reach = {module: _reachable(module, graph) for module in graph}
    knots = {tuple(sorted(other for other in reach[one] if one in reach.get(other, set()))) for one in graph}
    return sorted(knot for knot in knots if knot)


def _reachable(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    todo = [start]
    while todo:
        for other in graph.get(todo.pop(), ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def functions(sources: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """File, name and number of lines of every function of the package, decorators aside."""
    for file, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield file, node.name, (node.end_lineno or node.lineno) - node.lineno + 1

"""The module table as a tree: children, containers, what is kept, and how one module reaches another."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace

from graphnas.codegen.layout import Layout, layer_paths
from graphnas.codegen.literals import identifier, is_identifier
from graphnas.codegen.memory import Numbers
from graphnas.codegen.signatures import is_stateless
from graphnas.errors import EmitError
from graphnas.ir.frozen import remembered
from graphnas.ir.node import Entry, Layer

SEQUENTIAL, MODULE_LIST, MODULE_DICT = "nn.Sequential", "nn.ModuleList", "nn.ModuleDict"
PARAMETER_LIST, PARAMETER_DICT = "nn.ParameterList", "nn.ParameterDict"
_CONTAINERS = {
    f"torch.{prefix}{base.removeprefix('nn.')}": base
    for base in (SEQUENTIAL, MODULE_LIST, MODULE_DICT, PARAMETER_LIST, PARAMETER_DICT)
    for prefix in ("nn.", "nn.modules.container.")
}
_PLAIN = ("torch.nn.Module", "torch.nn.modules.module.Module")
_GETTERS = {"parameter": "parameter", "buffer": "buffer", "constant": "buffer"}
_SHAPES = Numbers()


@dataclass(eq=False)
class Table:
    """The module table of one graph.

    Attributes:
        layout: the graph outlined.
        entries: rows by path.
        layers: the layers that are called, by path.
        children: the rows directly below a path, in registration order; those that nothing needs are left out.
        names: path → the attribute under which the emitted file holds it.
        aliases: the rows that are the same as others.
        shared: the paths of what these are, but for layers without state.
    """

    layout: Layout
    entries: dict[str, Entry] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    children: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, str] = field(default_factory=dict)
    aliases: list[Entry] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)
    _shapes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        graph = self.layout.graph
        self.entries = graph.entries
        self.layers = layer_paths(graph)
        if "" not in self.entries:
            raise EmitError(f"the module table of graph {graph.name} has no row for the root, path ''")
        for entry in graph.modules:
            if entry.same_as:
                self.aliases.append(entry)
                if not is_shared_idly(entry):
                    self.shared.add(entry.same_as)
        self._gapped: set[str] = set()
        needed = self._needed()
        for entry in graph.modules:
            if entry.path in needed and entry.path:
                row = _own(entry) if is_shared_idly(entry) else entry
                self.children[entry.path.rpartition(".")[0]].append(row)
                self.names[entry.path] = entry.path.rpartition(".")[2]
        self._gapped = {path for path, rows in self.children.items() if self._has_gap(path, rows)}
        self._rename_stateless()

    def _has_gap(self, path: str, rows: list[Entry]) -> bool:
        """Whether a child lacks some of a ModuleList, which has no gaps: it gets a ModuleDict of the same keys."""
        names = [self.names[row.path] for row in rows]
        plain = path in self.entries and self.is_plain(self.entries[path])
        return plain and self.base(path) == MODULE_LIST and names != list(map(str, range(len(names))))

    def base(self, path: str) -> str:
        """The container that the module at a path is or derives from, "" for none."""
        if path in self._gapped:
            return MODULE_DICT
        entry = self.entries.get(path)
        if entry is None or entry.kind != "module":
            return ""
        name = entry.config.get("base") or entry.type
        return _CONTAINERS.get(name, "")

    def is_plain(self, entry: Entry) -> bool:
        """Whether a module is one of torch's containers and not a class of the user's."""
        return entry.kind == "module" and entry.type in _CONTAINERS

    def _needed(self) -> set[str]:
        """The rows that the emitted file registers: not the layers without state that are never called."""
        needed: set[str] = set()
        followed: set[str] = set()  # containers of a later part, before which an empty one holds a place
        called = self.layout.calls
        for entry in reversed(self.layout.graph.modules):
            path = entry.path
            parent = path.rpartition(".")[0]
            idle = entry.kind == "module" and path not in called and path not in needed and not entry.same_as
            called_as = entry.same_as or path
            unused = (
                entry.kind == "layer"
                and called_as not in self.layers
                and is_stateless(entry.type)
                and not self.base(parent)
            )
            if (idle and parent not in followed) or unused:
                continue
            if self.base(parent) in (SEQUENTIAL, MODULE_LIST):
                followed.add(parent)
            while path not in needed:
                needed.add(path)
                path = path.rpartition(".")[0]
        return needed

    # ------------------------------------------------------------ attribute names
    def _rename_stateless(self) -> None:
        """Calls a layer without state that took another's place by that one's name, so that classes stay shared.

        `relu_silu` beside no `relu` is called `relu` where other instances of the class call it so, and what stands at
        place 2 of a Sequential is called "2": no key of the `state_dict` tells the difference.
        """
        kinds: dict[str, list[list[Entry]]] = defaultdict(list)
        for path, rows in self.children.items():
            if self.base(path) == SEQUENTIAL:
                self._number(rows)
            elif path in self.entries:
                kinds[self.entries[path].type].append(rows)
        for instances in kinds.values():
            if len(instances) > 1:
                self._align(instances)

    def _number(self, rows: list[Entry]) -> None:
        for place, row in enumerate(rows):
            stem = self.names[row.path].partition("_")[0]
            if stem == str(place) and self._is_free(row):
                self.names[row.path] = stem

    def _align(self, instances: list[list[Entry]]) -> None:
        found = {self.names[row.path] for rows in instances for row in rows if self._is_free(row)}
        stems = {stem for name in found for stem in _stems(name)} if len(found) > 1 else set()
        for stem in sorted(stems, key=lambda stem: (-len(stem), stem)):
            if sum(_has_stem(name, stem) for name in found) < 2:
                continue
            named = [[row for row in rows if _has_stem(self.names[row.path], stem)] for rows in instances]
            if all(len(rows) <= 1 and all(map(self._is_free, rows)) for rows in named):
                self.names |= {row.path: stem for rows in named for row in rows}

    def _is_free(self, row: Entry) -> bool:
        return row.kind == "layer" and not row.same_as and is_stateless(row.type)

    # ------------------------------------------------------------ reaching modules
    def forward(self, path: str, number: int) -> str:
        """What the method of a module's body is called: `forward`, and of further ones what nothing in it is called."""
        if not number:
            return "forward"
        name = "forward_"
        while any(self.names[row.path].startswith(name) for row in self.children[path]):
            name += "_"
        return f"{name}{number}"

    def access(self, owner: str, path: str, where: str) -> str:
        """The expression by which code of the module at `owner` reaches what is registered at `path`.

        Raises:
            EmitError: `owner` holds no way to it.
        """
        inside = f"{owner}." if owner else ""
        if not path.startswith(inside) or path == owner:
            path = self._alias(inside, path, where)
        expression, parent = "self", owner
        for name in path[len(inside) :].split("."):
            full = f"{parent}.{name}" if parent else name
            expression += self._step(parent, self.names.get(full, name), self.entries.get(full))
            parent = full
        return expression

    def _alias(self, inside: str, path: str, where: str) -> str:
        for alias in self.aliases:
            if alias.path.startswith(inside) and (path == alias.same_as or path.startswith(f"{alias.same_as}.")):
                return alias.path + path[len(alias.same_as) :]
        raise EmitError(
            f"{where} uses {path!r}, which module {inside.rstrip('.') or 'the root'!r} does not hold; "
            "the module table needs a row there with same_as"
        )

    def _step(self, parent: str, name: str, entry: Entry | None) -> str:
        base = self.base(parent)
        if base in (SEQUENTIAL, MODULE_LIST, PARAMETER_LIST):
            names = [self.names[row.path] for row in self.children[parent]]
            place = names.index(name) if name in names else -1
            if place >= 0 and (base == SEQUENTIAL or names[: place + 1] == list(map(str, range(place + 1)))):
                return f"[{place}]"
        if base in (MODULE_DICT, PARAMETER_DICT):
            return f"[{name!r}]"
        if is_identifier(name):
            return f".{name}"
        kind = entry.kind if entry is not None else "module"
        return f".get_{_GETTERS.get(kind, 'submodule')}({name!r})"

    def shape(self, path: str) -> int:
        """A number that stands for what is registered directly below a path and how it is called."""
        if path not in self._shapes:
            rows = tuple(self.children[path]) if path in self.children else ()
            key = tuple([(id(row), self.names[row.path]) for row in rows])
            self._shapes[path] = _SHAPES.number(key, rows)
        return self._shapes[path]

    def container(self, path: str) -> tuple[str, int, int] | None:
        """Of a module held in a Sequential or ModuleList: the container, the place in it, and how many it holds."""
        parent, _, name = path.rpartition(".")
        if self.base(parent) not in (SEQUENTIAL, MODULE_LIST) or not name.isdigit():
            return None
        names = [self.names[row.path] for row in self.children[parent]]
        return (parent, int(name), len(names)) if names == list(map(str, range(len(names)))) else None

    def class_name(self, entry: Entry) -> str:
        """What the emitted class of a user's module, or of a container that needs a class, is called."""
        if not entry.path:
            return identifier(self.layout.graph.name, "the root class")
        if not self.is_plain(entry) and entry.type and entry.type not in _PLAIN:
            return identifier(entry.type, f"the class of module {entry.path!r}")
        name = "".join(part.capitalize() for part in entry.path.rpartition(".")[2].split("_"))
        return name if is_identifier(name) else "Block"


def is_shared_idly(entry: Entry) -> bool:
    """Whether a row is a layer without state that another module holds as well: as good is one of its own."""
    return entry.kind == "layer" and entry.same_as != "" and is_stateless(entry.type)


@remembered
def _own(entry: Entry) -> Entry:
    return replace(entry, same_as="")


def _stems(name: str) -> list[str]:
    """The name, and its parts up to an underscore."""
    parts = name.split("_")
    return ["_".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _has_stem(name: str, stem: str) -> bool:
    return name == stem or name.startswith(f"{stem}_")

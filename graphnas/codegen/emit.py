"""A graph as a standalone Python file: a child's where no choice is open, else the supernet's."""

from __future__ import annotations

import functools
import json
import sys
import textwrap
from collections.abc import Iterator, Sequence

from graphnas.codegen.arms import render
from graphnas.codegen.classes import Class, Unifier
from graphnas.codegen.code import Code, Local, listing
from graphnas.codegen.construction import Builder
from graphnas.codegen.example import main_lines
from graphnas.codegen.families import Families, families
from graphnas.codegen.foreign import Foreign
from graphnas.codegen.form import Form, Item
from graphnas.codegen.forming import Former
from graphnas.codegen.heights import heights
from graphnas.codegen.instance import Instance
from graphnas.codegen.layout import Layout, outline
from graphnas.codegen.lines import Body
from graphnas.codegen.literals import NEEDED, identifier
from graphnas.codegen.memory import Memory
from graphnas.codegen.signature import root_of
from graphnas.codegen.starting import build_lines, has_starts, method_lines
from graphnas.codegen.table import SEQUENTIAL, Table
from graphnas.codegen.template import Template
from graphnas.codegen.writes import Writes, find_writes
from graphnas.ir.choice import TRAINING, Apply, Arch
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Call, Entry
from graphnas.ir.storing import digest
from graphnas.version import VERSION

_INSTANCES: Memory[Instance] = Memory()
_BODIES: Memory[Body] = Memory()
_CHAINS: Memory[bool] = Memory()
_GUARD = [
    "def _guard(holds, where):",
    "    if not holds:",
    '        raise ValueError(f"the network was traced under another condition: {where}")',
]
_UNPACK = [
    "def _unpack(packed, dtype, shape):",
    "    content = bytearray(zlib.decompress(base64.b85decode(packed)))",
    "    return torch.frombuffer(content, dtype=torch.uint8).view(dtype).reshape(shape)",
]


def emit(graph: Graph, guards: bool = True, arch: Arch | None = None, weights: str = "") -> str:
    """The source of a file that defines the network and a function `build()`.

    Args:
        graph: closed for a child; with open choices the file is the supernet's, whose `forward` takes a `plan`.
        guards: whether the file checks the conditions under which the graph was traced.
        arch: is named in the header.
        weights: the suffix of the file beside it that holds the weights, ".safetensors" or ".pt"; run as a script it
            loads them.

    Raises:
        EmitError: the graph has something that cannot be written as source; the message names node and line.
    """
    return _Emission(graph, guards).file(arch, weights)


def root_class(graph: Graph) -> str:
    """What the file calls the class of the whole network.

    Raises:
        EmitError: its name cannot stand in source.
    """
    return _free(identifier(graph.name, "the root class"), set())


class _Emission:
    def __init__(self, graph: Graph, guards: bool) -> None:
        self._graph, self._guards = graph, guards
        self._root_name = root_class(graph)
        self._layout: Layout = outline(graph)
        self._writes: Writes = find_writes(graph)
        self._table = Table(self._layout)
        self._outside = Foreign(graph, self._root_name)
        self._builder = Builder(self._table, self._writes, self._outside)
        self._bodies: dict[str, list[tuple[Form, Body]]] = {}
        self._chains: dict[str, bool] = {}
        self._classes: list[Class] = []

    # ------------------------------------------------------------ bodies
    def _render(self) -> None:
        former = Former(self._layout, self._table, self._writes, root_of(self._graph))
        for region in self._layout.root.regions():
            form = former.form(region)
            known = self._bodies.setdefault(region.path, [])
            for number, (other, _) in enumerate(known):
                if other is form or other == form:
                    former.variants[region] = number
                    break
            else:
                former.variants[region] = len(known)
                body = functools.partial(_rendered, form, self._guards)
                known.append((form, _BODIES.of((id(form), self._guards), (form,), body)))

    # ------------------------------------------------------------ classes
    def _make_classes(self) -> None:
        rows = [
            row
            for row in self._graph.modules
            if row.kind == "module" and not row.same_as and row.path in self._table.names
        ]
        height = heights(self._table, rows)
        for level in sorted({*height.values()}):
            self._level([row for row in rows if height[row.path] == level])
        self._unify([self._instance(self._table.entries[""])], self._root_name, self._builder.ties())

    def _level(self, rows: list[Entry]) -> None:
        named: dict[tuple[str, str], dict[tuple[object, ...], list[Instance]]] = {}
        for row in rows:
            if self._is_chain(row.path) and self._table.is_plain(row):
                self._builder.plain.add(row.path)
            if not self._builder.is_container(row):
                instance = self._instance(row)
                kinds = named.setdefault((instance.name, instance.base), {})
                kinds.setdefault(instance.skeleton, []).append(instance)
        for all_kinds in named.values():
            self._classes_of(list(all_kinds.values()))

    def _classes_of(self, kinds: list[list[Instance]]) -> None:
        """Makes the classes of modules that go by one name."""
        apart = [place for place, instances in enumerate(kinds) if not all(map(self._may_share, instances))]
        others = [place for place in range(len(kinds)) if place not in apart]
        found: Families = tuple(((place,), None) for place in apart)
        if others:
            together = families([kinds[place][0] for place in others], self._guards)
            found = (*found, *((tuple([others[place] for place in places]), made) for places, made in together))
        for places, template in sorted(found, key=lambda family: family[0]):
            instances = [instance for place in places for instance in kinds[place]]
            variants = [variant for variant, place in enumerate(places) for _ in kinds[place]]
            self._unify(instances, self._name(instances[0].name), [], template, variants)

    def _may_share(self, instance: Instance) -> bool:
        """Whether a module may be written in one class with others that differ from it in parts.

        Not where choices are open; nor where something is held by several modules, of which some have a placeholder for
        it that `forward` would take for the part; nor where conditions other than the mode nest in its lines.
        """
        if self._layout.demands is not None:
            return False
        if any(row.same_as or row.path in self._table.shared for row in self._table.children[instance.path]):
            return False
        return all(is_mode(test) for form in instance.forms for item in form.items for test in item.when)

    def _name(self, wanted: str) -> str:
        taken = {known.name for known in self._classes} | {self._root_name} | self._outside.defined.keys()
        return _free(wanted, taken)

    def _unify(
        self,
        instances: list[Instance],
        name: str,
        ties: list[Code],
        template: Template | None = None,
        variants: Sequence[int] = (),
    ) -> None:
        made = Unifier(len(self._classes), name, instances, self._classes, ties, template, variants)
        self._classes.append(made.result)
        self._builder.made |= made.constructions

    def _instance(self, row: Entry) -> Instance:
        calls = self._bodies.get(row.path, ())
        bodies, forms = tuple(body for _, body in calls), tuple(form for form, _ in calls)
        key = id(row), tuple(map(id, bodies)), self._is_chain(row.path), self._builder.key(row.path)
        kept = row, bodies, self._graph.modules
        return _INSTANCES.of(key, kept, functools.partial(self._made_instance, row, bodies, forms))

    def _made_instance(self, row: Entry, bodies: tuple[Body, ...], forms: tuple[Form, ...]) -> Instance:
        path = row.path
        base = self._table.base(path) or "nn.Module"
        children = self._table.children[path]
        names = [self._table.names[child.path] for child in children]
        passed = all(child.kind in ("layer", "module") and not child.same_as for child in children)
        if base == SEQUENTIAL and passed and names == list(map(str, range(len(names)))) and self._is_chain(path):
            init = (listing("super().__init__(", [self._builder.module(child) for child in children], ")"),)
            return Instance(path, self._table.class_name(row), base, init, (), short=True)
        lines = tuple(self._builder.lines(path))
        forwards = tuple(self._table.forward(path, number) for number in range(len(bodies)))
        name, held = self._table.class_name(row), frozenset(names)
        return Instance(path, name, base, lines, bodies, held=held, forwards=forwards, forms=forms)

    def _is_chain(self, path: str) -> bool:
        """Whether a Sequential does no more than to call its children in order."""
        if path not in self._chains:
            forms = [form for form, _ in self._bodies.get(path, ())]
            found = self._table.base(path) == SEQUENTIAL and len(forms) < 2
            if found and forms:
                form, length = forms[0], len(self._table.children[path])
                found = len(form.items) == length and _CHAINS.of(id(form), (form,), functools.partial(_is_chain, form))
            self._chains[path] = found
        return self._chains[path]

    # ------------------------------------------------------------ the file
    def file(self, arch: Arch | None, weights: str) -> str:
        """All of the source."""
        self._render()
        self._make_classes()
        blocks = [block.splitlines() for block in self._outside.blocks]
        blocks += [made.lines for made in self._classes]
        if has_starts(self._graph):
            blocks[-1] = [*blocks[-1], "", *method_lines(self._table, self._class_names())]
        blocks.append(build_lines(self._graph, self._root_name))
        blocks.append(main_lines(self._graph, weights))
        text = "\n\n\n".join("\n".join(block) for block in blocks)
        helpers = [block for call, block in (("_guard(", _GUARD), ("_unpack(", _UNPACK)) if call in text]
        head = "\n\n\n".join("\n".join(block) for block in (self._imports(text, helpers), *helpers))
        return "\n".join(self._header(arch)) + f"\n{head}\n\n\n{text}\n"

    def _class_names(self) -> dict[str, str]:
        """Path of a module → the name of its class."""
        return {path: self._classes[made.group].name for path, made in self._builder.made.items() if path}

    def _header(self, arch: Arch | None) -> Iterator[str]:
        kind = "supernet" if self._graph.choices else "network"
        yield f"# The {kind} {self._graph.name}, written by graphnas {VERSION} from graph {digest(self._graph)[:16]}."
        if arch is not None:
            decisions = json.dumps(dict(arch), default=str)
            yield from textwrap.wrap(f"Architecture: {decisions}", 97, initial_indent="# ", subsequent_indent="#   ")
        needed = sorted({*self._foreign(), *self._outside.needs, *self._registering()})
        if needed:
            yield f"# Needs beyond torch: {', '.join(needed)}."

    def _foreign(self) -> list[str]:
        names = [
            node.op.target
            for node in self._graph.nodes
            if isinstance(node.op, Call) and not node.op.target.startswith("graphnas.")
        ]
        names += [row.type for row in self._graph.modules if row.kind == "layer" and row.opaque is None]
        own = ("torch.", "operator.", "math.")
        return sorted({name.rpartition(".")[0] for name in names if not name.startswith(own)})

    def _registering(self) -> list[str]:
        """The packages that register operators that the network calls."""
        called = [node.op.target for node in self._graph.nodes if isinstance(node.op, Call)]
        spaces = {name.split(".")[2] for name in called if name.startswith("torch.ops.")}
        return sorted(spaces - {"aten", "prims", "prim"})

    def _imports(self, text: str, helpers: list[list[str]]) -> list[str]:
        all_text = text + "".join(line for block in helpers for line in block)
        standard = [f"import {name}" for name in ("base64", "math", "operator", "zlib") if f"{name}." in all_text]
        standard += ["from collections import OrderedDict"] if "OrderedDict(" in all_text else []
        standard += ["from pathlib import Path"] if "Path(" in all_text else []
        lines = ["import torch"] if "torch." in all_text else []
        lines += ["import torch.nn.functional as F"] if "F." in all_text else []
        lines += [f"import {name}" for name in self._foreign()]
        lines += [f"import {name}  # noqa: F401 (registers torch.ops.{name})" for name in self._registering()]
        lines += ["from torch import nn"]
        for line in self._outside.imports:
            own = lines if line.split()[1].partition(".")[0] not in sys.stdlib_module_names else standard
            own += [line] if line not in own else []
        lines += ["", "from graphnas.oneshot import runtime"] if "runtime." in all_text else []
        return [*standard, "", *lines] if standard else lines


@functools.lru_cache(maxsize=4096)
def _rendered(form: Form, guards: bool) -> Body:
    """The `forward` of a form. Most forms of a child are those of other children of the space."""
    return render(form, guards)


def _free(wanted: str, taken: set[str]) -> str:
    """A name for a class that neither another has nor something else that the file needs."""
    name, number = wanted, 1
    while name in taken or name in NEEDED:
        number += 1
        name = f"{wanted}{number}"
    return name


def _is_chain(form: Form) -> bool:
    if len(form.formals) != 1 or form.plan or form.asked or form.later:
        return False
    value = Local(0)
    for place, item in enumerate(form.items):
        if not _is_link(item, place) or item.args != (value,):
            return False
        value = Local(item.results[0][1])
    return bool(form.result == value)


def _is_link(item: Item, place: int) -> bool:
    single = len(item.results) == 1 and item.results[0][0] == ()
    more = item.kwargs or item.when or item.plan or item.thunks or item.asked
    plain = item.kind in ("layer", "module") and not more
    return single and plain and item.target == f"self[{place}]"


def is_mode(test: Arg) -> bool:
    """Whether a condition asks for the mode and for nothing else."""
    return bool(test == TRAINING or test == Apply("not", (TRAINING,)))

"""Classes of modules that stay whole: their own text where it can stand in the file, else an import."""

from __future__ import annotations

import builtins
import functools
import importlib.metadata
import inspect
import symtable
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FunctionType, ModuleType
from typing import Any

from graphnas.codegen.literals import NEEDED, literal, spelled
from graphnas.codegen.signatures import class_called, layer_class, object_class
from graphnas.errors import EmitError
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Built, Entry, List
from graphnas.ir.targets import NAMESPACES
from graphnas.ir.values import objects

# How the file imports what it needs itself.
_USUAL = {
    "torch": "import torch",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "OrderedDict": "from collections import OrderedDict",
    "Path": "from pathlib import Path",
    **{name: f"import {name}" for name in ("base64", "math", "operator", "zlib")},
}
_PLAIN = (bool, int, float, str)


@dataclass
class Text:
    """The source of a class, with the functions, classes and constants of its author that it uses.

    Attributes:
        imports: the lines that it needs.
        needs: packages among them beyond torch and the standard library.
        defined: what it defines, by name.
        blocks: the text of each, behind those that it uses.
        head: where it comes from, if it is a library's.
    """

    imports: dict[str, None] = field(default_factory=dict)
    needs: dict[str, None] = field(default_factory=dict)
    defined: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, str] = field(default_factory=dict)
    head: str = ""


class Foreign:
    """What a file needs for the modules of a graph that are kept whole.

    Attributes:
        imports: lines of imports.
        needs: packages beyond torch and the standard library.
        defined: names that the texts define.
        blocks: texts of classes.

    Args:
        graph: closed or open.
        root: what its class is called.
    """

    def __init__(self, graph: Graph, root: str) -> None:
        self.imports: dict[str, None] = {}
        self.needs: dict[str, None] = {}
        self.defined: dict[str, Any] = {}
        self.blocks: list[str] = []
        self._spelled: dict[str, str] = {}
        self._objects: dict[tuple[str, bool], str] = {}
        for entry in graph.modules:
            if entry.opaque is None or entry.opaque.missing:
                continue
            if entry.type not in self._spelled:
                layer_class(entry.type)
                self._spelled[entry.type] = self._bring(entry.type, root)
            for held in objects(entry.config):
                key = held.type, self._is_imported(entry)
                if key not in self._objects:
                    object_class(held.type)
                    self._objects[key] = self._bring(held.type, root, *key[1:])

    def _is_imported(self, entry: Entry) -> bool:
        """Whether the class of a module is its library's, which then knows no class of objects but that too."""
        return "." in self._spelled[entry.type] and not entry.type.startswith("torch.nn.")

    def _bring(self, name: str, root: str, imported: bool = False) -> str:
        module, _, short = name.rpartition(".")
        if module == "torch.nn":
            return spelled(name, "a module")
        if name in NAMESPACES:
            self.imports[f"import {module}"] = None
            return name
        text = None if imported else own_text(name)
        if text is not None and root not in text.defined and self._agrees(text):
            fresh = [block for key, block in text.blocks.items() if key not in self.defined]
            self.blocks += [f"{text.head}\n{block}".lstrip() for block in fresh]
            self.defined |= text.defined
            self.imports |= text.imports
            self.needs |= text.needs
            return short
        if module == "__main__":
            return ""
        self.imports[f"import {module}"] = None
        self.needs[module.partition(".")[0]] = None
        return name

    def _agrees(self, text: Text) -> bool:
        """Whether a text means by its names what those before it mean."""
        return all(self.defined.get(name, value) is value for name, value in text.defined.items())

    def spelling(self, entry: Entry) -> str:
        """How the file calls the class of a module that is kept whole.

        Raises:
            EmitError: it cannot be built anew.
        """
        missing = self.missing(entry)
        if missing:
            source = entry.opaque.source if entry.opaque else None
            place = f" because of {source}" if source else ""
            raise EmitError(f"module {entry.path!r} ({entry.type}), kept whole{place}, cannot be built anew: {missing}")
        return self._spelled[entry.type]

    def given(self, entry: Entry, value: Arg) -> Arg:
        """What the constructor of a module is given, with the classes of objects as the file calls them."""
        match value:
            case Built(type=name, config=config):
                short = self._objects.get((name, entry.opaque is not None and self._is_imported(entry)), name)
                return Built(short, FrozenDict({key: self.given(entry, item) for key, item in config.items()}))
            case FrozenDict():
                return FrozenDict({key: self.given(entry, item) for key, item in value.items()})
            case List(items=items):
                return List(tuple(self.given(entry, item) for item in items))
            case tuple():
                return tuple(self.given(entry, item) for item in value)
        return value

    def missing(self, entry: Entry) -> str:
        """What stands in the way of writing a module that is kept whole; "" for nothing."""
        assert entry.opaque is not None
        if entry.opaque.missing:
            return entry.opaque.missing
        imported = self._is_imported(entry)
        kinds = [self._objects[held.type, imported] for held in objects(entry.config)]
        if not all([self._spelled[entry.type], *kinds]):
            return "its class stands in the script itself and uses what no other file has; move it to a module"
        return ""


class _CannotStandError(Exception):
    """The text of something cannot stand in another file."""


@functools.cache
def own_text(name: str) -> Text | None:
    """The text of the class with a dotted name; None where it cannot stand in another file.

    That of a library's class may need nothing but torch and the standard library; else the library is imported.
    """
    text = Text()
    library = _library(name)
    try:
        _define(class_called(name), text)
    except _CannotStandError:
        return None
    if library and text.needs:
        return None
    text.head = f"# From {library}." if library else ""
    return text


@functools.cache
def _library(name: str) -> str:
    """The installed package that something comes from, with version and licence; "" for somebody's own code."""
    for distribution in importlib.metadata.packages_distributions().get(name.partition(".")[0], ()):
        data = importlib.metadata.metadata(distribution).json
        licence = str(data.get("license_expression") or data.get("license") or "licence not stated")
        return f"{distribution} {data['version']}, {licence.splitlines()[0]}"
    return ""


def _define(thing: Any, text: Text) -> None:
    """Adds the text of a class or function, behind what it uses."""
    name = thing.__name__
    if name in text.defined:
        if text.defined[name] is not thing:
            raise _CannotStandError(name)
        return
    if name in NEEDED or "<" in thing.__qualname__:
        raise _CannotStandError(name)
    text.defined[name] = thing
    try:
        lines = textwrap.dedent(inspect.getsource(thing)).rstrip()
        used = list(_globals(symtable.symtable(lines, name, "exec")))
    except (OSError, TypeError, SyntaxError):
        raise _CannotStandError(name) from None
    for other in dict.fromkeys(used):
        if other != name:
            _bring(other, vars(sys.modules[thing.__module__]), text)
    text.blocks[name] = lines


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    """The names of a file that the text in a table reads."""
    outermost = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (symbol.is_global() or (outermost and not symbol.is_assigned())):
            yield symbol.get_name()
    for inner in table.get_children():
        yield from _globals(inner)


def _bring(name: str, scope: dict[str, Any], text: Text) -> None:
    """Brings in what a name stands for in its file."""
    if name not in scope:
        if hasattr(builtins, name):
            return
        raise _CannotStandError(name)
    value = scope[name]
    if isinstance(value, ModuleType):
        _import(_module_import(value.__name__, name), value.__name__, text)
    elif value is None or isinstance(value, _PLAIN) or (isinstance(value, tuple) and _is_plain(value)):
        if name not in text.defined:
            text.defined[name] = value
            text.blocks[name] = f"{name} = {literal(value)}"
    elif not _is_own(value):
        _import(_object_import(value, name), value.__module__, text)
    elif isinstance(value, type | FunctionType) and value.__name__ == name:
        _define(value, text)
    else:
        raise _CannotStandError(name)


def _is_plain(value: tuple[Any, ...]) -> bool:
    return all(item is None or isinstance(item, _PLAIN) for item in value)


def _is_own(value: Any) -> bool:
    """Whether something is neither of Python, nor of torch, nor of another installed package."""
    module = getattr(value, "__module__", None) or "__main__"
    return not (_is_standard(module) or _library(module))


def _is_standard(module: str) -> bool:
    root = module.partition(".")[0]
    return root == "torch" or (root in sys.stdlib_module_names and root != "__main__")


def _module_import(module: str, name: str) -> str:
    parent, _, last = module.rpartition(".")
    if last != name:
        return f"import {module} as {name}"
    return f"from {parent} import {last}" if parent else f"import {module}"


def _object_import(value: Any, name: str) -> str:
    original = getattr(value, "__name__", None) or getattr(value, "_name", None) or name
    if getattr(sys.modules.get(value.__module__), str(original), None) is not value:
        raise _CannotStandError(name)
    return f"from {value.__module__} import {original}" + ("" if original == name else f" as {name}")


def _import(line: str, module: str, text: Text) -> None:
    name = line.rpartition(" ")[2]
    if not (_is_standard(module) or _library(module)) or (name in NEEDED and _USUAL.get(name) != line):
        raise _CannotStandError(module)
    text.imports[line] = None
    if not _is_standard(module):
        text.needs[module.partition(".")[0]] = None

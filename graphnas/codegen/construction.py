"""How a module builds what it holds: the lines of its `__init__`."""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping, Sequence

from graphnas.codegen.code import Code, Construction, Hole, Listing, Part, call, concat, listing, separated, text
from graphnas.codegen.expressions import term_code
from graphnas.codegen.foreign import Foreign
from graphnas.codegen.form import Literal, Plan
from graphnas.codegen.literals import as_name, is_identifier, literal, spelled
from graphnas.codegen.memory import Memory
from graphnas.codegen.repeats import repeated
from graphnas.codegen.signatures import is_stateless, parameters
from graphnas.codegen.table import MODULE_DICT, MODULE_LIST, PARAMETER_LIST, SEQUENTIAL, Table, is_shared_idly
from graphnas.codegen.writes import Writes
from graphnas.errors import EmitError
from graphnas.ir.choice import Apply, Choice, Expr, choices_in
from graphnas.ir.node import Arg, Entry

_FLOAT32 = "torch.float32"
_LAYERS: Memory[Code] = Memory()


class Builder:
    """Writes the code that builds modules and tensors.

    Attributes:
        table: of the graph.
        writes: which layers are built without `inplace`.
        foreign: how the classes of modules that are kept whole are called.
        made: path → the construction of a module that has a class of its own.
        plain: paths of Sequentials that need no class: nothing is called in them but their children, in order.
    """

    def __init__(self, table: Table, writes: Writes, foreign: Foreign) -> None:
        self.table, self.writes, self.foreign = table, writes, foreign
        self.made: dict[str, Construction] = {}
        self.plain: set[str] = set()

    # ------------------------------------------------------------ modules
    def key(self, path: str) -> Hashable:
        """Says all that the construction of what is registered below a path depends on, ties aside."""
        rows = self.table.children[path]
        return tuple([self._row_key(row) for row in rows])

    def _row_key(self, row: Entry) -> Hashable:
        own = id(row), self.table.names[row.path], row.path in self.writes.layers, self._class(row)
        if row.kind != "module":
            return own
        return own, self.made.get(row.path) or (row.path in self.plain, self.key(row.path))

    def module(self, entry: Entry) -> Code:
        """An expression that builds what an entry stands for."""
        if entry.kind == "layer":
            return self._layer(entry)
        if entry.path in self.made:
            return Code((self.made[entry.path],), depth=1)
        return self._container(entry)

    def is_container(self, entry: Entry) -> bool:
        """Whether a module is written as one of torch's containers, without a class."""
        if not self.table.is_plain(entry) or self.table.base(entry.path) not in (SEQUENTIAL, MODULE_LIST, MODULE_DICT):
            return False
        held = all(child.kind in ("layer", "module") and not child.same_as for child in self.table.children[entry.path])
        return held and (entry.path not in self.table.layout.calls or entry.path in self.plain)

    def _container(self, entry: Entry) -> Code:
        base, children = self.table.base(entry.path), self.table.children[entry.path]
        names = [self.table.names[child.path] for child in children]
        codes = [self.module(child) for child in children]
        if base == MODULE_DICT or names != list(map(str, range(len(names)))):
            pairs = separated(concat(f"{literal(name)}: ", code) for name, code in zip(names, codes, strict=True))
            if base == MODULE_DICT:
                return call(base, [concat("{", pairs, "}")])
            return call(base, [concat("OrderedDict({", pairs, "})")])
        pieces = repeated(codes)
        if base == MODULE_LIST and len(pieces) == 1 and pieces[0].parts[0] == "*(":
            return call(base, [Code((*pieces[0].parts[1:-1], ")"), depth=1)])
        return listing(f"{base}([", pieces, "])") if base == MODULE_LIST else listing(f"{base}(", pieces, ")")

    # ------------------------------------------------------------ layers
    def _layer(self, entry: Entry) -> Code:
        owner = self.table.entries[entry.same_as] if entry.same_as else entry
        name = self.table.names.get(entry.path) or entry.path.rpartition(".")[2]
        copies = owner.path in self.writes.layers
        kind = self._class(owner)
        key = id(owner), name, copies, kind
        return _LAYERS.of(key, (owner,), lambda: self._made_layer(owner, name, copies, kind))

    def _class(self, row: Entry) -> str:
        """How the file calls the class of a layer: of a module that is kept whole it depends on what else is there."""
        return row.type if row.opaque is None else self.foreign.spelling(row)

    def _made_layer(self, owner: Entry, name: str, copies: bool, kind: str) -> Code:
        config = dict(owner.config)
        if owner.opaque is not None:
            config = {key: self.foreign.given(owner, value) for key, value in config.items()}
        if copies:
            config["inplace"] = False
        is_open = any(True for _ in choices_in(tuple(config.values())))
        built = self._built(owner, kind, config, name if is_identifier(name) else "layer")
        if is_open:
            return self._elastic(built, config)
        if is_stateless(owner.type):
            written = "".join(part if isinstance(part, str) else _argument_text(part) for part in _spaced(built.parts))
            hint = as_name(name) if is_identifier(name) else "activation"
            return Code((Hole(written, None, (hint, "activation"), fresh=True),), depth=1)
        return built

    def _built(self, entry: Entry, kind: str, config: Mapping[str, Arg], attribute: str) -> Code:
        where = f"layer {entry.path!r}"
        parts: list[Part] = [f"{spelled(kind, where)}("]
        positional = True
        known = parameters(entry.type)
        for parameter in known:
            if parameter.name not in config:
                positional = False
                continue
            value = config[parameter.name]
            if parameter.name == "normalized_shape" and isinstance(value, tuple) and len(value) == 1:
                (value,) = value  # as it is written; torch makes the tuple
            required = parameter.default is inspect.Parameter.empty
            positional = positional and required
            default = "" if required else _default_text(parameter.default)
            keyword = "" if positional else parameter.name
            parts += _argument(value, keyword, default, (parameter.name, f"{attribute}_{parameter.name}"), where)
        unknown = config.keys() - {parameter.name for parameter in known}
        if unknown:
            raise EmitError(f"{where} is configured with {sorted(unknown)}, which {entry.type} does not take")
        return Code((*parts, ")"), depth=1)

    def _elastic(self, built: Code, config: Mapping[str, Arg]) -> Code:
        """A layer whose configuration the plan decides: `runtime.Elastic(lambda plan: ..., {label: domain})`."""
        choices = dict.fromkeys(choices_in(tuple(config.values())))
        domains = (concat(_label(choice), f": {literal(choice.domain, 'a domain')}") for choice in choices)
        return call("runtime.Elastic", [concat("lambda plan: ", built), concat("{", separated(domains), "}")])

    # ------------------------------------------------------------ tensors and slots
    def lines(self, path: str) -> list[Code]:
        """The lines that build and register what is directly below a path."""
        return [
            self._line(child, self.table.names[child.path])
            for child in self.table.children[path]
            if self._wanted(child)
        ]

    def _wanted(self, child: Entry) -> bool:
        # The tensors of a layer are registered by it; a tie is made when all is built.
        parent = self.table.entries.get(child.path.rpartition(".")[0])
        return not (child.kind in ("parameter", "buffer") and parent is not None and parent.kind == "layer")

    def _line(self, child: Entry, name: str) -> Code:
        if child.same_as:
            return self._registered(child, name, self._placeholder(child))
        match child.kind:
            case "parameter":
                made = call("torch.empty", self._tensor_arguments(child, name))
                frozen = [] if child.config.get("requires_grad", True) else [text("requires_grad=False")]
                return self._registered(child, name, call("nn.Parameter", [made, *frozen]))
            case "buffer" | "constant":
                return self._buffer(child, name)
            case "none" if child.type == "module":
                return self._registered(child, name, text("None"))
            case "none":
                return call(f"self.register_{child.type}", [text(literal(name)), text("None")])
            case "layer" | "module":
                return self._registered(child, name, self.module(child))
        raise EmitError(f"module {child.path!r} is {child.kind}; it cannot be written as source")

    def _registered(self, child: Entry, name: str, code: Code) -> Code:
        """The line that registers what is built; in a container the name is a number or a key."""
        if is_identifier(name):
            if isinstance(code, Listing):
                return listing(f"self.{name} = {code.head}", code.items, code.tail)
            return concat(f"self.{name} = ", code)
        if self.table.base(child.path.rpartition(".")[0]) == PARAMETER_LIST:
            return call("self.append", [code])
        register = "register_parameter" if child.kind == "parameter" else "add_module"
        return call(f"self.{register}", [text(literal(name)), code])

    def _placeholder(self, child: Entry) -> Code:
        # Holds the place in the order of registration until the tie is made.
        return text("nn.Identity()" if child.kind in ("module", "layer") else "nn.Parameter(torch.empty(0))")

    def _tensor_arguments(self, entry: Entry, name: str) -> list[Code]:
        shape, dtype = _largest(entry.config["shape"]), entry.config.get("dtype")
        hint = as_name(name)
        dims = [
            Code((Hole(literal(size), size, (f"{hint}_size", f"{hint}_size_{place}")),))
            for place, size in enumerate(shape)
        ]
        arguments = dims or [text("()")]
        if dtype is not None and dtype.name != _FLOAT32:
            arguments.append(text(f"dtype={spelled(dtype.name, entry.path)}"))
        return arguments

    def _buffer(self, entry: Entry, name: str) -> Code:
        value = entry.config.get("value")
        made = (
            call("torch.empty", self._tensor_arguments(entry, name))
            if value is None
            else self._valued(entry, name, value)
        )
        keeps = entry.kind == "buffer" and entry.config.get("persistent", True)
        return call("self.register_buffer", [text(f'"{name}"'), made, *([] if keeps else [text("persistent=False")])])

    def _valued(self, entry: Entry, name: str, value: Arg) -> Code:
        shape = literal(entry.config["shape"])
        dtype = spelled(entry.config["dtype"].name, entry.path)
        match value:
            case {"arange": count}:
                flat = f"torch.arange({int(count)})"
                written = flat if shape == f"({int(count)},)" else f"{flat}.reshape({shape})"
            case {"fill": item}:
                written = f"torch.full({shape}, {literal(item)}, dtype={dtype})"
            case {"base85": packed}:
                written = f"_unpack({literal(packed)}, {dtype}, {shape})"
            case _:
                suffix = f".reshape({shape})" if 0 in entry.config["shape"] else ""
                written = f"torch.tensor({literal(value)}, dtype={dtype}){suffix}"
        hint = as_name(name)
        return Code((Hole(written, None, (hint, f"{hint}_value"), fresh=True, own=True),), depth=1)

    # ------------------------------------------------------------ ties, frozen parameters
    def ties(self) -> list[Code]:
        """The lines that make entries the same as earlier ones, and that freeze parameters of layers."""
        lines = []
        for entry in self.table.layout.graph.modules:
            if entry.same_as and self._is_emitted(entry) and not is_shared_idly(entry):
                lines.append(self._tie(entry))
            if entry.frozen and not entry.same_as and entry.path in self.table.names:
                lines += [text(f"{self._reach(entry.path)}.{name}.requires_grad_(False)") for name in entry.frozen]
        return lines

    def _tie(self, entry: Entry) -> Code:
        target, owner = self._reach(entry.path), self._reach(entry.same_as)
        if not target.endswith(")"):
            return text(f"{target} = {owner}")
        parent, _, name = entry.path.rpartition(".")
        register = f"register_{entry.kind}" if entry.kind in ("parameter", "buffer") else "add_module"
        return text(f"{self._reach(parent) if parent else 'self'}.{register}({literal(name)}, {owner})")

    def _is_emitted(self, entry: Entry) -> bool:
        return entry.path in self.table.names

    def _reach(self, path: str) -> str:
        return self.table.access("", path, "the root")


def _argument(value: Arg, keyword: str, default: str, hints: tuple[str, ...], where: str) -> list[Part]:
    if not any(True for _ in choices_in(value)) and not isinstance(value, Expr):
        number = value if type(value) is int else None
        return [Hole(literal(value, where), number, hints, True, keyword, default)]
    code = term_code(_planned(value), hints[0])
    return [Hole("", None, hints, True, keyword, "\0"), *code.parts]


def _planned(tree: Arg) -> Arg:
    """A configuration value in which choices are what the plan says, and constants are written."""
    match tree:
        case Choice(label=label):
            return Plan(label, as_name(label.rpartition(".")[2]))
        case Apply(fn=fn, args=args):
            return Apply(fn, tuple(map(_planned, args)))
        case tuple():
            return tuple(map(_planned, tree))
    return Literal(literal(tree), tree if type(tree) is int else None)


def _label(choice: Choice) -> Code:
    hint = as_name(choice.label.rpartition(".")[2])
    return Code((Hole(literal(choice.label), None, (f"{hint}_label",)),))


def _largest(shape: Sequence[Arg]) -> tuple[int, ...]:
    for size in shape:
        if isinstance(size, Expr):
            raise EmitError(f"a bare parameter of size {size!r} depends on an open choice; specialize it first")
    return tuple(shape)


def _default_text(default: object) -> str:
    """A default of a torch layer as source; one that no configuration can have is not met."""
    if default is None or isinstance(default, bool | int | float | str | tuple):
        return literal(default)
    return "\0"


def _spaced(parts: Sequence[Part]) -> list[Part]:
    """The parts with separators between arguments and without those that have their defaults."""
    result: list[Part] = []
    for part in parts:
        if isinstance(part, Hole) and part.argument:
            if part.text and part.text == part.default:
                continue
            if not str(result[-1]).endswith("("):
                result.append(", ")
        result.append(part)
    return result


def _argument_text(part: Part) -> str:
    assert isinstance(part, Hole)  # stateless layers hold constants alone
    return (f"{part.keyword}=" if part.keyword else "") + part.text

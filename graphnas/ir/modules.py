"""What every module table must satisfy."""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from graphnas.errors import nearest
from graphnas.ir import targets
from graphnas.ir.choice import Expr
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.initial import check_initial
from graphnas.ir.naming import is_allowed, is_dotted, is_identifier, is_line, is_path, permission
from graphnas.ir.node import Arg, Constant, Entry, List
from graphnas.ir.opaque import Opaque
from graphnas.ir.values import check_value, refuse

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

TENSORS = ("parameter", "buffer", "constant")
SETTINGS = ("shape", "dtype", "requires_grad", "persistent", "value")
MAX_ELEMENTS = 2**26  # of a tensor whose value a graph carries
KINDS = ("module", "layer", *TENSORS, "none")


def check_modules(graph: Graph, allow: Collection[str]) -> None:
    """Checks that the module table begins with the root and holds every row once, behind its parent and its twin.

    Raises:
        GraphError: it does not, or a row is not valid.
    """
    table = graph.modules
    if not table or table[0].path != "" or table[0].kind != "module":
        refuse(
            "the module table does not begin with the root", "the module table", 'Begin with Entry("", "module", ...).'
        )
    earlier: dict[str, Entry] = {}
    for entry in table:
        where = f"the entry of {entry.path!r:.100}"
        if entry is not table[0]:
            _check_place(entry, earlier, where)
        _check_type(entry, allow, where)
        for name in entry.config:
            if not is_identifier(name):
                refuse(f"{name!r:.100} is not the name of an argument", where, "Name it by an identifier.")
        if entry.kind in TENSORS:
            _check_tensor(entry, where)
        else:
            check_value(entry.config, (), where, allow=None if entry.opaque is None else allow)
        if entry.opaque is not None:
            _check_opaque(entry.opaque, where)
        if entry.same_as:
            _check_twin(entry, earlier, where)
        if entry.initial:
            check_initial(entry, where)
        if not all(map(is_dotted, entry.frozen)):
            refuse(f"{entry.frozen!r:.100} are not names of parameters", where, "Name the layer's own parameters.")
        earlier[entry.path] = entry


def owner(entries: Mapping[str, Entry], path: str) -> Entry | None:
    """The row that a tensor belongs to which has none of its own: that of the layer around it."""
    while path not in entries and path:
        path = path.rpartition(".")[0]
    return entries.get(path)


def _check_place(entry: Entry, earlier: dict[str, Entry], where: str) -> None:
    if not is_path(entry.path):
        refuse(f"{entry.path!r:.100} is not the path of a module or tensor", where, "Paths are words joined by dots.")
    if entry.path in earlier:
        refuse(f"{entry.path!r} stands twice in the module table", where, "Rename one of them.")
    parent = entry.path.rpartition(".")[0]
    if entry.same_as and entry.kind in TENSORS and parent not in earlier:
        around = owner(earlier, parent)
        if around is not None and around.kind == "layer" and around.type not in targets.LAYERS:
            return  # a tie of a tensor deep in a module that is kept whole, whose parts have no rows
    if parent not in earlier:
        refuse(
            f"{entry.path!r} has no parent {parent!r} before it.{nearest(parent, earlier)}",
            where,
            "Put an Entry for the parent before its children.",
        )


def _check_opaque(opaque: Opaque, where: str) -> None:
    lines = opaque.reason, opaque.missing, opaque.source.file if opaque.source else ""
    if not all(is_line(line, limit=2000) for line in lines):
        refuse(f"{opaque!r:.200} does not explain an opaque module", where, "Give reason, source and what is missing.")
    check_value(opaque.seen, (), where)


def _check_twin(entry: Entry, earlier: dict[str, Entry], where: str) -> None:
    twin = earlier.get(entry.same_as)
    holder = owner(earlier, entry.same_as)
    if twin is None and holder is not None and holder.kind == "layer" and entry.kind in ("parameter", "buffer"):
        return  # the tensors of a layer have no rows of their own
    if twin is None or twin.kind != entry.kind:
        refuse(
            f"{entry.path!r} is to be the same {entry.kind} as {entry.same_as!r:.100}, and there is none before it."
            f"{nearest(entry.same_as, earlier)}",
            where,
            "The first of several names owns what they share.",
        )


def _check_tensor(entry: Entry, where: str) -> None:
    """Checks a tensor's settings; its value has as many elements as its shape says, packed or not."""
    config = entry.config
    if not set(config) <= {*SETTINGS}:
        refuse(f"a tensor has the settings {', '.join(config):.100}", where, f"It may have {', '.join(SETTINGS)}.")
    check_value(FrozenDict({key: item for key, item in config.items() if key != "value"}), (), where)
    _check_settings(entry, where)
    if "value" not in config:
        return
    shape, dtype = config.get("shape"), config.get("dtype")
    if (
        type(shape) is not tuple
        or not all(type(size) is int and size >= 0 for size in shape)
        or type(dtype) is not Constant
    ):
        refuse(f"a value has the shape {shape!r:.100} and dtype {dtype!r:.100}", where, "Give it both.")
    count = math.prod(shape)
    match config["value"]:
        case {"arange": number, **rest} if not rest:
            fits = number == count
        case {"fill": element, **rest} if not rest:
            fits = type(element) in (bool, int, float, complex)
        case {"base85": str() as packed, **rest} if not rest:
            fits = count <= MAX_ELEMENTS and _unpacked_size(packed, count * _bytes(dtype.name)) == count * _bytes(
                dtype.name
            )
        case value:
            check_value(value, (), where)
            fits = _listed_size(value) == count
    if not fits or count > MAX_ELEMENTS:
        refuse(
            f"the value {config['value']!r:.100} is not one of {count} elements of {dtype.name}",
            where,
            f"A graph carries at most {MAX_ELEMENTS}; register larger tensors as parameters or buffers.",
        )


def _check_settings(entry: Entry, where: str) -> None:
    """Checks what a tensor is made of; the second name of one that has another says nothing of it."""
    shape, dtype = entry.config.get("shape", () if entry.same_as else None), entry.config.get("dtype")
    if type(shape) is not tuple or not all(
        isinstance(size, Expr) or (type(size) is int and size >= 0) for size in shape
    ):
        refuse(f"a tensor has the shape {shape!r:.100}", where, "Give its sizes, none below 0.")
    if dtype is not None and not (type(dtype) is Constant and dtype.name.startswith("torch.")):
        refuse(f"a tensor has the dtype {dtype!r:.100}", where, 'Give a Constant, such as "torch.float32".')
    for name in ("requires_grad", "persistent"):
        if type(entry.config.get(name, True)) is not bool:
            refuse(f"{name} is {entry.config[name]!r:.100}", where, "It is true or false.")


def _bytes(dtype: str) -> int:
    bits = re.fullmatch(r"torch\.(?:b?float|u?int|complex)(\d+)\w*", dtype)
    return int(bits[1]) // 8 if bits else 1


@lru_cache(maxsize=64)
def _unpacked_size(packed: str, limit: int) -> int:
    """How many bytes a packed value has; one more than `limit` stands for any more. -1: it is not packed at all."""
    if len(packed) > limit + limit // 2 + 100:
        return -1
    try:
        unpacking = zlib.decompressobj()
        content = unpacking.decompress(base64.b85decode(packed), limit + 1)
    except (ValueError, zlib.error):
        return -1
    return len(content) if unpacking.eof or len(content) > limit else -1


def _listed_size(value: Arg) -> int:
    """How many numbers nested lists hold; -1 if they hold anything else."""
    if isinstance(value, List):
        sizes = [_listed_size(item) for item in value.items]
        return sum(sizes) if min(sizes, default=0) >= 0 else -1
    return 1 if type(value) in (bool, int, float, complex) else -1


def _check_type(entry: Entry, allow: Collection[str], where: str) -> None:
    kind, name = entry.kind, entry.type
    if kind == "module":
        known = is_identifier(name) or name in targets.CONTAINERS
        base = entry.config.get("base")
        if base is not None and base not in targets.CONTAINERS:
            _refuse_type(base, allow, where)
        if not known:
            _refuse_type(name, allow, where)
    elif kind == "layer":
        if name not in targets.LAYERS and name not in targets.CONTAINERS:  # one of these may be kept whole
            _refuse_type(name, allow, where)
    elif kind not in KINDS:
        refuse(f"{kind!r:.100} is not a kind of entry", where, f"Kinds are {', '.join(KINDS)}.")
    elif name != "" and not is_identifier(name):
        refuse(f"{name!r:.100} is not a type of {kind}", where, "Name it by an identifier, or not at all.")


def _refuse_type(name: object, allow: Collection[str], where: str) -> None:
    """Refuses a type outside the tables, unless the caller allows its module."""
    if not is_allowed(name, allow):
        refuse(
            f"{name!r:.100} is not a layer or container that a graph may name.{nearest(name, targets.LAYERS)}",
            where,
            permission(name),
        )

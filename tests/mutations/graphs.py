"""Small graphs written by hand, for tests of rules and analyses without a tracer."""

from __future__ import annotations

import inspect
from typing import Any

from graphnas.analysis.names import resolve
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Call, Entry, Frame, Input, Layer, Node, Parameter, Ref, Size
from graphnas.ir.source import Source


def config_of(kind: str, **given: Any) -> FrozenDict[str, Arg]:
    """The complete constructor arguments of a torch layer."""
    parameters = inspect.signature(resolve(kind)).parameters.values()
    return FrozenDict({p.name: given.get(p.name, p.default) for p in parameters})


def layer(
    path: str, kind: str, *reads: str, scope: tuple[Frame, ...] = (), name: str = "", line: int = 1, **given: Any
) -> Node:
    """A node that calls a layer."""
    op = Layer(path, f"torch.nn.{kind}", config_of(f"torch.nn.{kind}", **given))
    return Node(name or path, op, tuple(map(Ref, reads)), scope=scope, source=Source("net.py", line))


def call(name: str, target: str, *args: Arg, scope: tuple[Frame, ...] = (), line: int = 1, **kwargs: Arg) -> Node:
    """A node that calls a function."""
    return Node(name, Call(target), args, FrozenDict(kwargs), scope, source=Source("net.py", line))


def graph_of(
    *nodes: Node, shape: tuple[int, ...] = (2, 3, 8, 8), dtype: str = "torch.float32", output: str = ""
) -> Graph:
    """A graph of one input `x` whose module table is read off its nodes."""
    entries: dict[str, Entry] = {"": Entry("", "module", "Net")}
    for node in nodes:
        for frame in node.scope:
            for parent in _parents(frame.path):
                entries.setdefault(parent, Entry(parent, "module", "torch.nn.ModuleList"))
            entries.setdefault(frame.path, Entry(frame.path, "module", frame.type))
        if isinstance(node.op, Layer):
            entries.setdefault(node.op.path, Entry(node.op.path, "layer", node.op.type, node.op.config))
    return Graph(
        (Input("x", ("x",), shape, dtype),),
        nodes,
        Ref(output or nodes[-1].name),
        modules=tuple(entries.values()),
        signature=(Parameter("x"),),
    )


def _parents(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def block(path: str, reads: str, width: int = 8, call_number: int = 0, line: int = 20) -> tuple[Node, ...]:
    """A residual block: conv1, an in-place ReLU layer, conv2, and the sum with what it was given."""
    scope = (Frame(path, "Block", call_number),)
    inside = f"{path}@{call_number}" if call_number else path
    conv = {"in_channels": width, "out_channels": width, "kernel_size": 3, "padding": 1}
    return (
        layer(f"{path}.conv1", "Conv2d", reads, scope=scope, name=f"{inside}.conv1", line=line, **conv),
        layer(f"{path}.act", "ReLU", f"{inside}.conv1", scope=scope, name=f"{inside}.act", line=line + 1, inplace=True),
        layer(f"{path}.conv2", "Conv2d", f"{inside}.act", scope=scope, name=f"{inside}.conv2", line=line + 2, **conv),
        call(f"{inside}.add", "torch.Tensor.__add__", Ref(f"{inside}.conv2"), Ref(reads), scope=scope, line=line + 3),
    )


def network() -> Graph:
    """A stem, two residual blocks of which the second is called twice, a function, and a classifier."""
    return graph_of(
        layer("stem", "Conv2d", "x", in_channels=3, out_channels=8, kernel_size=3, padding=1, line=10),
        *block("layer1.0", "stem"),
        *block("layer1.1", "layer1.0.add"),
        *block("layer1.1", "layer1.1.add", call_number=1),
        call("relu", "torch.nn.functional.relu", Ref("layer1.1@1.add"), inplace=False, line=30),
        call("mean", "torch.Tensor.mean", Ref("relu"), (2, 3), line=31),
        call("view", "torch.Tensor.view", Ref("mean"), Size(Ref("x"), 0), -1, line=32),
        layer("fc", "Linear", "view", in_features=8, out_features=5, line=33),
    )

"""A graph drawn node by node."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from graphnas.ir.choice import Choice
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Entry, Input, Layer, List, Node, Parameter, Ref


class Sketch:
    """Nodes and rows of the module table, in the order in which they are added; a layer's node has its path's name."""

    def __init__(self, *shape: int) -> None:
        self.shape = shape
        self.nodes: list[Node] = []
        self.entries = [Entry("", "module", "Net")]
        self.x = Ref("x")

    def layer(self, path: str, kind: type[nn.Module], value: Ref, *args: Any, **kwargs: Any) -> Ref:
        """A layer; containers around it are added where they are missing."""
        bound = inspect.signature(kind).bind(*args, **kwargs)
        bound.apply_defaults()
        left_out = ("self", "args", "kwargs", "device", "dtype")
        config = FrozenDict({key: item for key, item in bound.arguments.items() if key not in left_out})
        known = {entry.path for entry in self.entries}
        parts = path.split(".")
        for depth in range(1, len(parts)):
            if (around := ".".join(parts[:depth])) not in known:
                self.entries.append(Entry(around, "module", "torch.nn.Module"))
        name = f"torch.nn.{kind.__name__}"
        self.entries.append(Entry(path, "layer", name, config))
        return self._add(path, Layer(path, name, config), value)

    def call(self, name: str, target: str, *args: Any, **kwargs: Any) -> Ref:
        """A function of torch."""
        return self._add(name, Call(f"torch.{target}"), *args, **kwargs)

    def sum(self, name: str, values: Sequence[Ref]) -> Ref:
        """Values added up."""
        total = values[0]
        for place, value in enumerate(values[1:]):
            total = self.call(f"{name}.add{place}", "add", total, value)
        return total

    def concat(self, name: str, values: Sequence[Ref]) -> Ref:
        """Values side by side."""
        return self.call(name, "cat", List(tuple(values)), 1)

    def choose(self, name: str, label: str, arms: Mapping[str, Ref], take: int | None = 1) -> Ref:
        """A choice among values."""
        return self._add(name, Choose(Choice(label, tuple(arms), take)), *arms.values())

    def conv(self, path: str, value: Ref, *args: Any, relu: str = "before", affine: bool = True, **kwargs: Any) -> Ref:
        """A convolution without bias and a normalization, with an activation before or behind them, or with none."""
        if relu == "before":
            value = self.layer(f"{path}.relu", nn.ReLU, value)
        value = self.layer(f"{path}.conv", nn.Conv2d, value, *args, bias=False, **kwargs)
        value = self.layer(f"{path}.bn", nn.BatchNorm2d, value, args[1], affine=affine)
        return self.layer(f"{path}.relu", nn.ReLU, value) if relu == "behind" else value

    def graph(self, output: Ref) -> Graph:
        """What was drawn."""
        return Graph(
            inputs=(Input("x", ("x",), self.shape),),
            nodes=tuple(self.nodes),
            output=output,
            modules=tuple(self.entries),
            signature=(Parameter("x"),),
        )

    def head(self, value: Ref, channels: int, classes: int, bias: bool = True) -> Graph:
        """The graph with a global pool and a linear layer at its end."""
        pooled = self.call("pooled", "mean", value, (2, 3))
        return self.graph(self.layer("classifier", nn.Linear, pooled, channels, classes, bias))

    def _add(self, name: str, op: Any, *args: Any, **kwargs: Any) -> Ref:
        self.nodes.append(Node(name, op, args, FrozenDict(kwargs)))
        return Ref(name)

"""What an emitted file does when it is run as a script."""

from __future__ import annotations

from typing import Any

from graphnas.codegen.literals import literal, spelled
from graphnas.codegen.wrapping import wrapped
from graphnas.ir.graph import Graph
from graphnas.ir.node import Input
from graphnas.ir.specialize import default


def main_lines(graph: Graph, weights: str) -> list[str]:
    """The `if __name__ == "__main__":` block: builds the network, runs it, prints its size and its outputs' shapes."""
    plan = [f"plan={literal_plan(graph)}"] if graph.choices else []
    lines = ['if __name__ == "__main__":', "    net = build().eval()"]
    if weights:
        lines += [f'    weights = Path(__file__).with_suffix("{weights}")', *_loading(weights)]
    lines.append('    print(f"parameters: {sum(p.numel() for p in net.parameters()):,}")')
    lines += wrapped(f"    output = net({', '.join([*_arguments(graph), *plan])})")
    lines.append('    print("output:", tuple(output.shape) if torch.is_tensor(output) else output)')
    return lines


def literal_plan(graph: Graph) -> str:
    """The original network as a plan."""
    return "{" + ", ".join(f"{literal(label)}: {literal(option)}" for label, option in default(graph).items()) + "}"


def _loading(weights: str) -> list[str]:
    if weights == ".pt":
        return ["    net.load_state_dict(torch.load(weights, weights_only=True))"]
    return ["    from safetensors.torch import load_file", "", "    net.load_state_dict(load_file(weights))"]


def _arguments(graph: Graph) -> list[str]:
    tree: dict[str | int, Any] = {}
    for item in graph.inputs:
        here = tree
        for step in item.path[:-1]:
            here = here.setdefault(step, {})
        here[item.path[-1]] = _tensor(item)
    starred = {parameter.name for parameter in graph.signature if parameter.kind == "var_positional"}
    doubly = {parameter.name for parameter in graph.signature if parameter.kind == "var_keyword"}
    parts = []
    for name, value in tree.items():
        mark = "*" if name in starred else "**" if name in doubly else ""
        parts.append(f"{mark}{_written(value)}" if mark else f"{name}={_written(value)}")
    return parts


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    if all(isinstance(key, int) for key in value):
        return "[" + ", ".join(_written(value[key]) for key in sorted(value)) + "]"
    return "{" + ", ".join(f"{literal(key)}: {_written(item)}" for key, item in value.items()) + "}"


def _tensor(item: Input) -> str:
    shape = ", ".join(map(literal, item.shape))
    if item.dtype == "torch.float32":
        return f"torch.randn({shape})"
    # Whole numbers are indices, labels, counts or lengths, and of a length 0 is none.
    fill = "ones" if item.dtype.removeprefix("torch.").lstrip("u").startswith("int") else "zeros"
    return f"torch.{fill}({literal(item.shape)}, dtype={spelled(item.dtype, item.name)})"

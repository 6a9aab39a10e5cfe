"""What stands in the picture of a graph: few words of each step, where the text has all of them."""

from __future__ import annotations

from dataclasses import replace

from graphnas.ir import printing
from graphnas.ir.choice import Arch, Choice, choices_in
from graphnas.ir.node import Arg, Choose, Layer, Node, Ref, Size, transform

LONGEST, LONGEST_OPTION = 40, 18  # letters
# What is told of a layer's settings, in this order.
PAIRS = (
    ("in_channels", "out_channels"),
    ("in_features", "out_features"),
    ("input_size", "hidden_size"),
    ("num_embeddings", "embedding_dim"),
)
SETTINGS = {
    "num_features": "{}",
    "num_channels": "{}",
    "normalized_shape": "{}",
    "embed_dim": "{}",
    "num_heads": "{} heads",
    "output_size": "{}",
    "kernel_size": "kernel {}",
    "stride": "stride {}",
    "dilation": "dilation {}",
    "groups": "groups {}",
    "p": "{}",
}
UNSAID = {"stride", "dilation", "groups"}  # where they are 1


def layer(op: Layer) -> str:
    """A layer's class, the settings that tell it from others of its class, and whatever is chosen."""
    config, told = op.config, [printing.short(op.type)]
    told += [
        f"{_size(config[first])}→{_size(config[second])}" for first, second in PAIRS if {first, second} <= {*config}
    ]
    for name, form in SETTINGS.items():
        value = config.get(name)
        if value is not None and not (name in UNSAID and _is_one(value)):
            told.append(form.format(_size(value)))
    known = {*SETTINGS, *(name for pair in PAIRS for name in pair)}
    chosen = {name: value for name, value in config.items() if name not in known and [*choices_in(value)]}
    told += [f"{name} {printing.argument(value)}" for name, value in chosen.items()]
    return " ".join([told[0], *([", ".join(told[1:])] if told[1:] else [])])


def _size(value: Arg) -> str:
    return "×".join(map(printing.argument, value)) if isinstance(value, tuple) else printing.argument(value)


def _is_one(value: Arg) -> bool:
    return all(item == 1 for item in value) if isinstance(value, tuple) else value == 1


def operation(node: Node) -> str:
    """What a node computes, with a dot for each value that flows in."""

    def dotted(leaf: Arg) -> Arg:
        match leaf:
            case Ref():
                return Ref("·", leaf.item)
            case Size(of=of):
                return replace(leaf, of=Ref("·", of.item))
        return leaf

    hidden = replace(node, args=transform(node.args, dotted), kwargs=transform(node.kwargs, dotted))
    return printing.operation(hidden)


def whole(node: Node) -> str:
    """All that is known of a node, for where the mouse rests."""
    return "\n".join([printing.statement(node), *([str(node.source)] if node.source else [])])


def relative(name: str, prefix: str) -> str:
    """A name within the module call whose names begin with `prefix`."""
    return name.removeprefix(f"{prefix}.") if prefix else name


def clipped(text: str, most: int = LONGEST) -> str:
    """A text, or how it begins."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


# ---------------------------------------------------------------- choices
def heading(op: Choose) -> str:
    """The label of a choice and how many options it takes, or the condition that decides."""
    if not isinstance(op.choice, Choice):
        return clipped(printing.expression(op.choice))
    merge = "" if op.choice.take == 1 else f", {op.merge}"
    return f"{clipped(printing.expression(op.choice))} {op.choice.manner}{merge}"


def options(op: Choose) -> list[str]:
    """The options of a choice; of a condition what it may be."""
    if not isinstance(op.choice, Choice):
        return ["true", "false"]
    texts = (option if isinstance(option, str) else printing.argument(option) for option in op.choice.options)
    return [clipped(text, LONGEST_OPTION) for text in texts]


def marks(op: Choose, arch: Arch) -> list[tuple[bool, bool]]:
    """Of each option whether it is the original one, and whether it is taken."""
    choice = op.choice
    if not isinstance(choice, Choice):
        return [(False, False)] * 2
    original = choice.positions(choice.default)
    taken = choice.positions(arch[choice.label]) if choice.label in arch else ()
    return [(place in original, place in taken) for place in range(len(choice.options))]

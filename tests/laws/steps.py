"""The steps that a generated space is made of, one function for each thing that a graph can say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from graphnas.ir.choice import TRAINING, Apply, Choice, Expr, conjunction
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import (
    ENTER_AUTOCAST,
    ENTER_GRAD_MODE,
    EXIT_AUTOCAST,
    EXIT_GRAD_MODE,
    GUARD,
    Call,
    Choose,
    Constant,
    Entry,
    Layer,
    List,
    Param,
    Ref,
    Size,
)
from tests.laws.draft import Draft
from tests.laws.kits import DROPOUT, IDENTITY, IMAGES, RELU, RELU_IN_PLACE, TANH, convolution

Step: TypeAlias = Callable[[Draft], None]


# ---------------------------------------------------------------- plain networks
def layer(draft: Draft) -> None:
    """A layer."""
    kit = draft.kit
    kind = draft.one_of((kit.mix(kit.channels, kit.channels), TANH, RELU, kit.norm, DROPOUT, IDENTITY))
    draft.layer("layer", kind, draft.value())


def function(draft: Draft) -> None:
    """A function or method of one value."""
    draft.call(draft.one_of(("torch.nn.functional.relu", "torch.tanh", "torch.Tensor.abs")), draft.value())


def addition(draft: Draft) -> None:
    """A function of two values."""
    target = draft.one_of(("torch.Tensor.__add__", "torch.add", "torch.Tensor.__sub__"))
    draft.call(target, draft.value(), draft.value())


def again(draft: Draft) -> None:
    """A layer that the current scope has called before, called once more."""
    here = [node for node in draft.nodes if isinstance(node.op, Layer) and node.scope == draft.scope]
    called = [node for node in here if node.name not in draft.wide]
    if not called:
        return layer(draft)
    first = draft.one_of(called)
    count = sum(node.op == first.op for node in called)
    name = draft.fresh(f"{first.name.partition('@')[0]}@{count}")
    draft.add(name, first.op, first.args[0])
    return None


def parameter(draft: Draft) -> None:
    """A parameter that the network reads itself."""
    path = draft.fresh(draft.below("weight"))
    config = {"shape": draft.kit.scale, "dtype": Constant("torch.float32"), "requires_grad": True}
    draft.entries.append(Entry(path, "parameter", "", FrozenDict(config)))
    scale = draft.add(path, Param(path, draft.kit.scale), hidden=True)
    draft.call("torch.mul", draft.value(), scale)


def pieces(draft: Draft) -> None:
    """A function with several results, two of which are read."""
    chunks = draft.call("torch.chunk", draft.value(), 2, hidden=True, kwargs=FrozenDict({"dim": 1}))
    parts = List((Ref(chunks.name, (1,)), Ref(chunks.name, (0,))))
    draft.call("torch.cat", parts, kwargs=FrozenDict({"dim": 1}))


def reshape(draft: Draft) -> None:
    """A shape that follows the batch."""
    value = draft.value()
    draft.call("torch.Tensor.reshape", value, Size(value, 0), *draft.kit.shape)


# ---------------------------------------------------------------- modules
def block(draft: Draft) -> None:
    """A module of a few steps, perhaps called twice."""
    start = len(draft.nodes)
    with draft.module("block", "Block") as path:
        layer(draft)
        for step in (*draft.steps(INNER, 2), draft.one_of(EFFECTS)):
            step(draft)
    once = all(frame.call == 0 for node in draft.nodes[start:] for frame in node.scope)
    if once and draft.flip():
        draft.repeat_call(path, start, draft.values[-1])


def sequential(draft: Draft) -> None:
    """A container of layers."""
    with draft.module("stack", "torch.nn.Sequential"):
        value = draft.layer("0", draft.kit.mix(draft.kit.channels, draft.kit.channels), draft.value())
        draft.layer("1", draft.one_of((TANH, RELU)), value)


def loop(draft: Draft) -> None:
    """A list of layers or modules, called one after the other; perhaps others read what they give."""
    path = draft.fresh(draft.below("list"))
    draft.entries.append(Entry(path, "module", "torch.nn.ModuleList"))
    known, value = len(draft.values), draft.value()
    kind, activated = draft.one_of(("layer", "module")), draft.flip()
    for number in range(draft.one_of((2, 3))):
        name = f"{path.removeprefix(f'{draft.path}.')}.{number}"
        if kind == "layer":
            value = draft.layer(name, draft.kit.mix(draft.kit.channels, draft.kit.channels), value)
        else:
            with draft.module(name, "Item"):
                given = value
                value = draft.layer("layer", draft.kit.mix(draft.kit.channels, draft.kit.channels), given)
                draft.one_of(EFFECTS)(draft)
                value = draft.call("torch.Tensor.__add__", value, given)
        if activated:
            value = draft.call("torch.relu", value)
    if draft.flip():  # nothing else reads what is between
        del draft.values[known:]
        draft.values.append(value)


def table(draft: Draft) -> None:
    """Rows of the module table that no node uses: a spare layer, an empty slot, a tie, a buffer."""
    match draft.one_of(("layer", "none", "tie", "buffer")):
        case "layer":
            kind, config = draft.kit.mix(3, 3)
            draft.entries.append(Entry(draft.fresh(draft.below("spare")), "layer", kind, FrozenDict(config)))
        case "none":
            draft.entries.append(Entry(draft.fresh(draft.below("empty")), "none", "module"))
        case "buffer":
            config = {"shape": (2,), "dtype": Constant("torch.float32"), "persistent": True}
            draft.entries.append(Entry(draft.fresh(draft.below("spare")), "buffer", "", FrozenDict(config)))
        case "tie":
            tie(draft)


def tie(draft: Draft) -> None:
    """A layer whose weight is another layer's."""
    kind, config = draft.kit.mix(draft.kit.channels, draft.kit.channels)
    draft.layer("owner", (kind, config), draft.value())
    owner = draft.entries[-1].path
    value = draft.layer("tied", (kind, config), draft.value())
    draft.entries.append(Entry(draft.fresh(f"{value.name}.weight"), "parameter", same_as=f"{owner}.weight"))


# ---------------------------------------------------------------- choices
def candidate(draft: Draft, value: Ref, depth: int) -> Ref:
    """What a choice may choose: a layer, a function, a module, another choice, or the value itself."""
    kit = draft.kit
    match draft.one_of(("layer", "activation", "in place", "value", "function", "module", "choice")):
        case "layer":
            return draft.layer("layer", kit.mix(kit.channels, kit.channels), value)
        case "activation":
            return draft.layer("activation", draft.one_of((TANH, RELU, IDENTITY)), value)
        case "in place":
            return draft.layer("activation", RELU_IN_PLACE, value) if owned(draft, value) else value
        case "value":
            return value
        case "module":
            with draft.module("inner", "Inner"):
                inner = draft.layer("layer", kit.mix(kit.channels, kit.channels), value)
                draft.one_of((guard, write, random_draw, function))(draft)
                return draft.call("torch.tanh", inner)
        case "choice" if depth == 0:
            return layer_choice(draft, value, depth + 1)
    return draft.call("torch.sigmoid", value)


def layer_choice(draft: Draft, value: Ref | None = None, depth: int = 0) -> Ref:
    """A choice among operators on one value, which may be choices again."""
    value = value or draft.value()
    options = draft.one_of((("a", "b"), ("a", "b", "c"), (0, 1)))
    choice = draft.choice("operator", options)
    if choice is None:
        return draft.call("torch.tanh", value)
    known = len(draft.values)
    candidates = [candidate(draft, value, depth) for _ in options]
    if not draft.flip():  # nothing else reads the candidates
        del draft.values[known:]
    return draft.choose(choice, *candidates)


def width_choice(draft: Draft) -> None:
    """Two layers with a number of channels between them that a choice decides."""
    kit = draft.kit
    width = draft.number("width", (4, 8, 6))
    wide = draft.layer("wide", kit.mix(kit.channels, width), draft.value(), hidden=True)
    value = draft.layer("activation", RELU, wide, hidden=True)
    draft.wide |= {wide.name, value.name}
    draft.layer("narrow", kit.mix(width, kit.channels), value)


def setting_choice(draft: Draft) -> None:
    """An argument that a choice decides: a kernel with its padding, or a slope."""
    if draft.kit is IMAGES:
        choice = draft.choice("kernel", (3, 1, 5))
        kernel = 3 if choice is None else draft.one_of((choice, choice + 2))
        draft.layer("conv", convolution(4, 4, kernel, kernel // 2), draft.value())
    else:
        choice = draft.choice("slope", (0.1, 0.2))
        slope = FrozenDict({"negative_slope": 0.1 if choice is None else choice})
        draft.call("torch.nn.functional.leaky_relu", draft.value(), kwargs=slope)


def depth_choice(draft: Draft) -> None:
    """A chain of blocks that may end early; the original is the whole chain."""
    choice = draft.choice("depth", (3, 1, 2))
    ends = []
    for _ in range(3):
        with draft.module("link", "Link"):
            draft.layer("layer", draft.kit.mix(draft.kit.channels, draft.kit.channels), draft.values[-1])
            ends.append(draft.call("torch.relu", draft.values[-1]))
    if choice is not None:
        draft.choose(choice, ends[2], ends[0], ends[1])


def input_choice(draft: Draft) -> None:
    """A choice of one, two or any earlier values, joined by a sum, a mean or side by side."""
    values = draft.distinct_values(4)
    if len(values) < 2:
        values = [values[0], draft.call("torch.tanh", values[0])]
    take = draft.one_of((1, 2, None))
    choice = draft.choice("inputs", tuple(f"from{i}" for i in range(len(values))), take)
    if choice is None:
        return
    merge = draft.one_of(("sum", "mean", "concat")) if take != 1 else "sum"
    joined = draft.choose(choice, *values, merge=merge)
    if merge == "concat":
        draft.values.remove(joined)
        mean = draft.call("torch.mean", joined, hidden=True, kwargs=FrozenDict({"dim": 1, "keepdim": True}))
        draft.call("torch.add", values[0], mean)


def joining(draft: Draft) -> None:
    """A module that may have nothing to do but to join earlier values, beside a draw that depends on a choice."""
    with draft.module("join", "Join"):
        value = draft.value()
        choice = draft.choice("operator", ("a", "b"))
        if choice is not None:
            value = draft.choose(choice, draft.call("torch.tanh", value, hidden=True), value)
            draft.values.remove(value)
        draft.effects.add(draft.call("torch.rand_like", value, hidden=True).name)
        input_choice(draft)


def skip_choice(draft: Draft) -> None:
    """A shortcut that a choice may add, and perhaps an activation in place behind it."""
    before = draft.value()
    value = draft.layer("layer", draft.kit.mix(draft.kit.channels, draft.kit.channels), before)
    added = draft.call("torch.Tensor.__add__", value, before)
    choice = draft.choice("skip", (False, True))
    if choice is not None:
        joined = draft.choose(choice, value, added)
        if draft.flip():
            draft.layer("activation", RELU_IN_PLACE, joined)


# ---------------------------------------------------------------- modes and conditions
def mode(draft: Draft) -> None:
    """A value, a literal or a whole computation that differs between training and evaluation."""
    value = draft.value()
    match draft.one_of(("literal", "value", "computation")):
        case "literal":
            rate = Apply("if", (TRAINING, 0.5, 0.25))
            draft.call("torch.mul", value, rate)
        case "value":
            draft.choose(TRAINING, value, draft.value(), hint="result")
        case "computation":
            noise = draft.call("torch.rand_like", value, hidden=True, when=TRAINING)
            noisy = draft.call("torch.add", value, noise, hidden=True, when=TRAINING)
            quiet = value
            if draft.flip():
                quiet = draft.call("torch.mul", value, 0.5, hidden=True, when=Apply("not", (TRAINING,)))
            draft.choose(TRAINING, noisy, quiet, hint="result")


def condition(draft: Draft, when: Expr | None = None, depth: int = 0) -> Ref:
    """A branch on the batch size or on data, perhaps with another in one of its arms."""
    value = draft.value()
    if draft.flip():
        test: Expr = Apply(">", (Size(value, 0), 2))
    else:
        positive = draft.call(
            "torch.gt", draft.call("torch.sum", value, hidden=True, when=when), 0, hidden=True, when=when
        )
        test = Apply("bool", (draft.call("torch.Tensor.__bool__", positive, hidden=True, when=when),))
    inside = conjunction(when, test)
    if depth < 1 and draft.flip():
        yes = condition(draft, inside, depth + 1)
    else:
        yes = draft.call("torch.mul", value, 2, hidden=True, when=inside)
    no = value
    if draft.flip():
        no = draft.call("torch.tanh", value, hidden=True, when=conjunction(when, Apply("not", (test,))))
    return draft.choose(test, yes, no, hint="result", when=when, hidden=depth > 0)


# ---------------------------------------------------------------- effects
def guard(draft: Draft) -> None:
    """A guard on a size or on data."""
    value = draft.value()
    if draft.flip():
        test: Apply = Apply(">", (Size(value, 0), 0))
    else:
        finite = draft.call("torch.isfinite", value, hidden=True)
        test = Apply("bool", (draft.call("torch.all", finite, hidden=True),))
    draft.effects.add(draft.call(GUARD, test, f"net.py:{10 + len(draft.nodes)}", hidden=True).name)


def write(draft: Draft) -> None:
    """A buffer that is written, perhaps in training only, and perhaps read afterwards."""
    path = draft.fresh(draft.below("count"))
    config = {"shape": (1,), "dtype": Constant("torch.float32"), "persistent": True}
    draft.entries.append(Entry(path, "buffer", "", FrozenDict(config)))
    count = draft.add(path, Param(path, (1,)), hidden=True)
    when = draft.one_of((None, TRAINING))
    written = draft.call("torch.Tensor.add_", count, 1, hidden=True, when=when)
    draft.effects.add(written.name)
    if draft.flip():
        draft.call("torch.mul", draft.value(), count, after=(written.name,))


def stale(draft: Draft) -> None:
    """A value that is read after something else has written into it, perhaps one candidate of a choice."""
    value = draft.layer("layer", draft.kit.mix(draft.kit.channels, draft.kit.channels), draft.value(), hidden=True)
    written = draft.layer("activation", RELU_IN_PLACE, value, hidden=True)
    choice = draft.choice("operator", ("a", "b"))
    if choice is not None:
        written = draft.choose(choice, written, draft.call("torch.tanh", value, hidden=True))
    else:
        draft.values.append(written)
    draft.call("torch.mul", value, 2, after=(written.name,))


def grad_mode(draft: Draft) -> None:
    """A stretch that records no gradients."""
    draft.effects.add(draft.call(ENTER_GRAD_MODE, False, hidden=True).name)
    scale = draft.call("torch.sigmoid", draft.value())
    draft.effects.add(draft.call(EXIT_GRAD_MODE, True, hidden=True).name)
    draft.call("torch.mul", draft.value(), scale)


def autocast(draft: Draft) -> None:
    """A stretch in which nothing is cast."""
    draft.effects.add(draft.call(ENTER_AUTOCAST, "cpu", hidden=True).name)
    scale = draft.call("torch.sigmoid", draft.value())
    draft.effects.add(draft.call(EXIT_AUTOCAST, hidden=True).name)
    draft.call("torch.mul", draft.value(), scale)


def random_draw(draft: Draft) -> None:
    """A random draw, read or not."""
    value = draft.value()
    noise = draft.call("torch.rand_like", value, hidden=True)
    if draft.flip():
        draft.call("torch.add", value, noise)
    else:
        draft.effects.add(noise.name)


def owned(draft: Draft, value: Ref) -> bool:
    """Whether an operation may write into the value: whatever is chosen, it has a storage of its own."""
    node = next((node for node in draft.nodes if node.name == value.name), None)
    match node.op if node else None:
        case Layer(type=kind):
            return kind in ("torch.nn.Linear", "torch.nn.Conv2d", "torch.nn.Tanh")
        case Call(target=target):
            return target in ("torch.Tensor.__add__", "torch.Tensor.__sub__", "torch.add")
        case Choose(choice=Choice()):
            return all(owned(draft, arm) for arm in node.args)  # type: ignore[union-attr]
    return False


PLAIN: tuple[Step, ...] = (layer, function, addition, again, parameter, pieces, reshape, sequential, loop, table)
CHOICES: tuple[Step, ...] = (
    layer_choice,
    width_choice,
    setting_choice,
    depth_choice,
    input_choice,
    joining,
    skip_choice,
)
EFFECTS: tuple[Step, ...] = (guard, write, stale, grad_mode, autocast, random_draw, mode, condition)
INNER: tuple[Step, ...] = (*PLAIN, *CHOICES, *EFFECTS)
STEPS: tuple[Step, ...] = (block, block, block, layer_choice, *CHOICES, *EFFECTS, *PLAIN)

"""How tensors start: steps that give one its first values, kept in the module table beside what they are of.

Steps are nodes that call functions of `targets`, those of `torch.nn.init` among them. They read what earlier steps have
made, and the tensor itself as `Ref(TENSOR)`; the last ones write to it. So they hold no path, and layers that start
alike have equal steps. A single step that calls `UNRECORDED` says that, and why, nobody knows how the tensor starts.
"""

from __future__ import annotations

import re

from graphnas.errors import nearest
from graphnas.ir import targets
from graphnas.ir.choice import choices_in
from graphnas.ir.naming import is_dotted, is_identifier, is_line
from graphnas.ir.node import UNRECORDED, Call, Entry, Node
from graphnas.ir.values import check_value, refuse

Steps = tuple[Node, ...]

TENSOR = "tensor"
_KINDS = ("parameter", "buffer", "constant")
MAX_STEPS = 100  # of one tensor
_CALLED = (targets.TARGETS - targets.OWN) | targets.INITIALIZERS
_NAME = re.compile(r"v\d{1,3}")


def unrecorded(reason: str, where: str) -> Steps:
    """The steps that say why a tensor's start is not known, and at which line of the user's."""
    return (Node("v0", Call(UNRECORDED), (reason, where)),)


def is_recorded(steps: Steps) -> bool:
    """Whether the steps give the tensor values."""
    return steps[0].op != Call(UNRECORDED)


def is_write(step: Node) -> bool:
    """Whether a step is there for what it writes, not for what it gives."""
    name = step.op.target.rpartition(".")[2] if isinstance(step.op, Call) else ""
    if name.startswith("__"):
        return name == "__setitem__" or (name.startswith("__i") and name != "__invert__")
    return name.endswith("_") or "out" in step.kwargs


def check_initial(entry: Entry, where: str) -> None:
    """Checks the steps of a row's tensors.

    Raises:
        GraphError: they call what may not be called, read what is not there, or belong to no tensor.
    """
    for name, steps in entry.initial.items():
        place = f"the start of {name!r:.100} in {where}" if name else f"the start of {where}"
        fits = is_dotted(name) if entry.kind == "layer" else name == "" and entry.kind in _KINDS
        if not fits:
            refuse(f"{name!r:.100} is no tensor of a {entry.kind!r:.20}", place, 'A tensor\'s own start is called "".')
        if type(steps) is not tuple or not 0 < len(steps) <= MAX_STEPS:
            refuse("a start has no steps, or too many", place, f"It has up to {MAX_STEPS}.")
        known = {TENSOR}
        for step in steps:
            _check_step(step, known, len(steps), place)
            known.add(step.name)


def _check_step(step: Node, known: set[str], count: int, where: str) -> None:
    if step.name in known or not _NAME.fullmatch(step.name):
        refuse(f"a step is called {step.name!r:.100}", where, "Steps are called v0, v1 and so on.")
    if step.scope or step.when is not None or step.after:
        refuse(f"the step {step.name} stands in a module or under a condition", where, "Steps simply follow another.")
    target = step.op.target if isinstance(step.op, Call) else ""
    if target == UNRECORDED:
        if count > 1 or len(step.args) != 2 or step.kwargs or not all(is_line(arg, limit=2000) for arg in step.args):
            refuse(
                f"{UNRECORDED} has the arguments {step.args!r:.200}", where, "It stands alone: reason, file.py:line."
            )
        return
    if target not in _CALLED:
        refuse(
            f"{target!r:.100} is called, which gives a tensor no values.{nearest(target, targets.INITIALIZERS)}",
            where,
            "Use torch.nn.init, or functions of tensors.",
        )
    for arg in (*step.args, step.kwargs):
        check_value(arg, known, where)
    if any(True for _ in choices_in((step.args, step.kwargs))):
        refuse(f"the step {step.name} depends on a choice", where, "A start is the same for all architectures.")
    for name in step.kwargs:
        if not is_identifier(name):
            refuse(f"{name!r:.100} is not the name of an argument", where, "Name it by an identifier.")

"""What is replaced in torch and Python for the length of a trace, and put back whatever happens."""

from __future__ import annotations

import contextlib
import math
import sys
import warnings
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.nn.modules._functions import BackwardHookFunction as BackwardHook

from graphnas.errors import TraceWarning
from graphnas.ir import targets
from graphnas.tracing import sources
from graphnas.tracing.regions import Regions
from graphnas.tracing.sizes import Symbolic, bare, pin, plain

_ABSENT = object()


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Sets an attribute of a module or class, and afterwards leaves the owner's own attributes as they were."""
    before = vars(owner).get(name, _ABSENT)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def mode_property(on_read: Callable[[nn.Module], None]) -> property:
    """`nn.Module.training` as a property that tells who reads it; the flags stay where they are."""

    def read(module: nn.Module) -> Any:
        on_read(module)
        try:
            return module.__dict__["training"]
        except KeyError:
            raise AttributeError(f"{type(module).__name__!r} object has no attribute 'training'") from None

    def write(module: nn.Module, value: bool) -> None:
        module.__dict__["training"] = value

    return property(read, write)


@contextlib.contextmanager
def assignments(on_assign: Callable[[nn.Module, str, Any], None]) -> Iterator[None]:
    """Tells of every attribute that is set on a module, before it is set."""
    original = nn.Module.__setattr__

    def assign(module: nn.Module, name: str, value: Any) -> None:
        on_assign(module, name, value)
        original(module, name, value)

    with replaced(nn.Module, "__setattr__", assign):
        yield


@contextlib.contextmanager
def eager() -> Iterator[None]:
    """What is compiled runs as it was written: what compiled code calls is not seen."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and to load it takes seconds
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


@contextlib.contextmanager
def compiling(answer: bool) -> Iterator[None]:
    """Libraries that ask whether they are compiled are told yes, so that they take their branch-free path."""
    if not answer:
        yield
        return
    with contextlib.ExitStack() as stack:
        for name in ("is_compiling", "is_exporting"):
            stack.enter_context(replaced(torch.compiler, name, _yes_to_users(getattr(torch.compiler, name))))
        yield


def _yes_to_users(original: Callable[[], bool]) -> Callable[[], bool]:
    def answer() -> bool:
        return True if not sources.is_torch(sys._getframe(1).f_code) else original()

    return answer


@contextlib.contextmanager
def questions(ask: Callable[[str, Callable[..., Any], tuple[Any, ...], FrameType], Any]) -> Iterator[None]:
    """Tells of the questions about the modes of torch, which its functions do not show.

    Args:
        ask: given a function's name, itself, its arguments and who called it, what it answers.
    """

    def asking(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args: ask(name, function, args, sys._getframe(1))

    with contextlib.ExitStack() as stack:
        for name in ("is_grad_enabled", "is_autocast_enabled", "is_inference_mode_enabled"):
            stack.enter_context(replaced(torch, name, asking(name, getattr(torch, name))))
        yield


@contextlib.contextmanager
def autocasts(regions: Regions, listening: Callable[[], bool]) -> Iterator[None]:
    """Tells of every autocast that the model itself makes, enters and leaves."""
    make: Any = torch.autocast.__init__
    enter: Any = torch.autocast.__enter__
    leave: Any = torch.autocast.__exit__

    def making(context: torch.autocast, *args: Any, **kwargs: Any) -> None:
        make(context, *bare(args), **bare(kwargs))
        if listening():
            regions.make_autocast(context, args[0] if args else kwargs["device_type"])

    def entering(context: torch.autocast) -> Any:
        if listening():
            regions.enter_autocast(context, sys._getframe(1))
        return enter(context)

    def leaving(context: torch.autocast, *raised: Any) -> Any:
        if listening():
            regions.exit_autocast(context, sys._getframe(1))
        return leave(context, *raised)

    with contextlib.ExitStack() as stack:
        for name, method in (("__init__", making), ("__enter__", entering), ("__exit__", leaving)):
            stack.enter_context(replaced(torch.autocast, name, method))
        yield


@contextlib.contextmanager
def numbers(call: Callable[[str, tuple[Any, ...], Any], Any]) -> Iterator[None]:
    """Functions of Python's numbers keep symbolic numbers symbolic.

    Args:
        call: given a function's name, arguments and result, the result as a symbolic number.
    """
    before = {name: vars(math)[name] for name in _MATH}
    vars(math).update({name: _symbolic_function(was, f"math.{name}", call) for name, was in before.items()})
    try:
        with replaced(torch, "broadcast_shapes", _pinned_shapes(torch.broadcast_shapes)):
            yield
    finally:
        vars(math).update(before)


_MATH = tuple(
    name.removeprefix("math.")
    for name in sorted(targets.NUMBERS)
    if hasattr(math, name.removeprefix("math.")) and name not in ("math.ceil", "math.floor", "math.trunc")
)


def _symbolic_function(function: Callable[..., Any], target: str, call: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if kwargs or not any(isinstance(arg, Symbolic) for arg in args):
            return function(*args, **kwargs)
        return call(target, args, function(*map(plain, args)))

    return wrapper


def _pinned_shapes(function: Callable[..., torch.Size]) -> Callable[..., torch.Size]:
    """A function of shapes that looks into symbolic sizes, given plain ones."""

    def wrapper(*shapes: Any) -> torch.Size:
        return function(*[tuple(map(pin, shape)) if isinstance(shape, tuple) else pin(shape) for shape in shapes])

    return wrapper


@contextlib.contextmanager
def refused(refuse: Callable[[str, str], Exception], listening: Callable[[], bool]) -> Iterator[None]:
    """What a graph cannot hold, and torch functions do not show, raises instead of being lost.

    Args:
        refuse: makes the error from what happened and what to do.
        listening: whether the model itself is running, not torch inside one of its calls.
    """

    def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
        if listening() and cls is not BackwardHook:
            raise refuse(
                f"{cls.__qualname__} has a backward of its own, which a graph of its forward would lose",
                "Write the computation in plain torch functions; checkpoint with use_reentrant=False.",
            )
        return original_apply.__get__(None, cls)(*args, **kwargs)

    def refusing(
        original: Callable[..., Any], what: str, remedy: str, concerns: Callable[[Any], bool] = lambda first: True
    ) -> Callable[..., Any]:
        def function(*args: Any, **kwargs: Any) -> Any:
            if listening() and concerns(args[0] if args else None):
                raise refuse(what, remedy)
            return original(*args, **kwargs)

        return function

    original_apply = vars(torch.autograd.Function)["apply"]  # a classmethod of Python, since torch 2.14 one of C
    with contextlib.ExitStack() as stack:
        stack.enter_context(replaced(torch.autograd.Function, "apply", classmethod(apply)))
        for owner, name, *rest in _REFUSED:
            stack.enter_context(replaced(owner, name, refusing(getattr(owner, name), *rest)))
        yield


_HOOKS = torch.autograd.graph.saved_tensors_hooks


def _is_unknown(context: Any) -> bool:
    """Whether hooks are other than those of a checkpoint, which only saves memory; it is told that it does not here."""
    if type(context).__name__ == "_checkpoint_hook":
        warnings.warn(
            "a checkpoint is no part of the graph: nothing is computed anew in the backward pass, and what that would "
            "update a second time, such as running statistics, is updated once",
            TraceWarning,
            stacklevel=5,
        )
    return type(context) is _HOOKS


_REFUSED: tuple[tuple[Any, str, *tuple[Any, ...]], ...] = (
    (
        *(torch.inference_mode, "__enter__", "inference mode is entered inside the model"),
        *("Write `with torch.no_grad():`.", lambda context: context.mode),
    ),
    (
        *(_HOOKS, "__enter__", "what is kept for the backward pass is changed by hooks"),
        *("Leave the hooks out.", _is_unknown),
    ),
    (
        *(torch, "_nested_tensor_from_mask_left_aligned", "an encoder may put padded places aside in a nested tensor"),
        "Build it with `enable_nested_tensor=False`, or set its `use_nested_tensor` to False.",
    ),
    (torch, "from_numpy", "a tensor is made from a numpy array", "Compute in torch, or hold the tensor as a buffer."),
    (torch.Tensor, "set_", "a tensor is given the memory of another", "Write `tensor.copy_(other)`."),
    (torch.utils, "swap_tensors", "tensors are swapped", "Swap the variables."),
    (torch, "set_default_dtype", "the default dtype is set inside the model", "Give every tensor its dtype."),
    *(
        (owner, name, "the random generator is seeded inside the model", "Seed it before the model is called.")
        for owner in (torch, torch.random)
        for name in ("manual_seed", "set_rng_state", "seed")
    ),
)

"""`recording`: while a model is built, how its tensors get their first values is written down.

Nothing in torch is replaced: a function mode sees every call of this thread. A call within a function of
`torch.nn.init` is written down as that function with its arguments, which the frame still holds, so that
`kaiming_normal_(mode="fan_out")` stays right where a mutation changes a layer's width.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import TorchFunctionMode

from graphnas.errors import TraceError
from graphnas.ir import targets
from graphnas.ir.attributes import ATTRIBUTES
from graphnas.ir.node import Arg, Device
from graphnas.tracing import names, sources, spelling
from graphnas.tracing.arguments import NotAnArgumentError, argument
from graphnas.tracing.history import Event, History, Owner, view_of
from graphnas.tracing.identity import storage, tensors_in

HISTORY = History()

# How torch's layers are started by themselves.
_OWN_STARTS = frozenset(("__init__", "reset_parameters", "_reset_parameters", "reset_running_stats", "_apply"))
_MODULES = str(Path(nn.Module.__init__.__code__.co_filename).parent)
_INITIALIZERS: dict[CodeType, Callable[..., Any]] = {}
for _name in targets.INITIALIZERS:
    _function = getattr(nn.init, _name.rpartition(".")[2])
    _INITIALIZERS[_function.__code__] = _function
_PLACES = ("device", "generator", "memory_format", "pin_memory", "requires_grad", "layout")  # do not matter for values
_LEAVING = frozenset(("numpy", "__array__", "data_ptr", "untyped_storage", "storage", "__dlpack__", "share_memory_"))
_LOOKS = frozenset((
    "item", "tolist", "__bool__", "__int__", "__float__", "__complex__", "__index__", "equal", "allclose", "is_nonzero",
))  # fmt: skip
_RESHAPING = frozenset((
    "t_", "transpose_", "swapaxes_", "swapdims_", "squeeze_", "unsqueeze_", "as_strided_", "resize_", "set_",
))  # fmt: skip
_MANY = 4096  # numbers in the arguments of one call
_MethodWrapper = type(Tensor.data.__get__)  # type: ignore[attr-defined]


class _Local(threading.local):
    active = False
    looks: list[Event]


_LOCAL = _Local()


@contextlib.contextmanager
def recording() -> Iterator[None]:
    """Writes down, in this thread, how the tensors of models get their first values.

    A model that is built inside is the same as one that is built outside: the same draws, the same state. Traced
    inside or later, its graph says how its parameters start, and children that are built without weights start so.
    """
    if _LOCAL.active:
        yield
        return
    HISTORY.clean()
    _LOCAL.active, _LOCAL.looks = True, []
    try:
        with _Mode():
            yield
    finally:
        _LOCAL.active = False


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """What happens inside is no part of how a model starts."""
    before, _LOCAL.active = _LOCAL.active, False
    try:
        yield
    finally:
        _LOCAL.active = before


def named(factory: str) -> Callable[[], Any]:
    """The function that "package.module:name" names.

    Raises:
        TraceError: there is none.
    """
    place, _, name = factory.partition(":")
    if not place or not name:
        raise TraceError(f'{factory!r} names no function; write "package.module:factory", or give the model itself')
    try:
        found: Any = functools.reduce(getattr, name.split("."), importlib.import_module(place))
    except (ImportError, AttributeError) as error:
        raise TraceError(f"{factory!r} cannot be found: {error}") from error
    if not callable(found):
        raise TraceError(f"{factory!r} is no function but {found!r:.100}; name what builds the model")
    return found  # type: ignore[no-any-return]


def made(factory: Callable[[], Any], name: str) -> nn.Module:
    """The model that a factory builds, recorded.

    Raises:
        TraceError: it gives no module.
    """
    with recording():
        model = factory()
    if not isinstance(model, nn.Module):
        raise TraceError(
            f"{name} gives {model!r:.100}; it is called without arguments, and must give a torch.nn.Module"
        )
    return model


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call was made: the outermost function of `torch.nn.init` around it, the layer that starts itself."""

    initializer: FrameType | None
    owner: Owner | None


class _Mode(TorchFunctionMode):
    """Sees every torch function that this thread calls."""

    def __init__(self) -> None:
        super().__init__()
        self._initializer: FrameType | None = None

    def __exit__(self, *error: Any) -> None:
        self._initializer = None
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if not _LOCAL.active:
            return function(*args, **kwargs)
        if type(function) is _MethodWrapper:
            return self._attribute(function, args, sys._getframe(1))
        given = [tensor for tensor in tensors_in((args, kwargs)) if _is_plain(tensor)]
        before = [_version(tensor) for tensor in given]
        result = function(*args, **kwargs)
        name = getattr(function, "__name__", "")
        written = [tensor for tensor, version in zip(given, before) if _version(tensor) != version]
        if name in _LEAVING:
            written = given
        for tensor in given:
            if isinstance(tensor, nn.Parameter):
                HISTORY.use(tensor, sys._getframe(1))
        fresh = [(tensor, item) for tensor, item in _results(result) if _is_plain(tensor)]
        if written or fresh or (given and name in _LOOKS):
            self._see(function, name, args, kwargs, written, fresh, sys._getframe(1))
        return result

    def _attribute(self, wrapper: Any, args: Any, frame: FrameType) -> Any:
        """`tensor.data`, `tensor.T`, and what is set."""
        result = wrapper(*args)
        tensor = args[0]
        if not _is_plain(tensor):
            return result
        if isinstance(tensor, nn.Parameter):
            HISTORY.use(tensor, frame)  # one whose data is set lives in another memory now
        name = f"torch.Tensor.{wrapper.__self__.__name__}"
        if name in ATTRIBUTES and isinstance(result, Tensor) and _is_plain(result):
            event = _event(name, (tensor,), {}, frame)
            _made(event, result, ())
        return result

    def _see(
        self,
        function: Any,
        name: str,
        args: Any,
        kwargs: Any,
        written: list[Tensor],
        fresh: list[tuple[Tensor, tuple[int, ...]]],
        frame: FrameType,
    ) -> None:
        place = _place(frame)
        if place.initializer is not None:
            self._initialized(place, frame)
            return
        event = replace(_called(function, name, args, kwargs, frame), owner=place.owner)
        if name in _LOOKS:
            _LOCAL.looks.append(event)
        for tensor in written:
            use = HISTORY.use(tensor)
            refused = event.refused
            if name in _LEAVING:
                refused = f"its memory is handed out by {name}"
            elif name in _RESHAPING or len({storage(other) for other in written}) > 1:
                refused = f"{name} changes its shape, or several tensors at once"
            use.cell.writes.append(replace(event, written=use, refused=refused))
        for tensor, item in fresh:
            _made(event, tensor, item)

    def _initialized(self, place: Place, frame: FrameType) -> None:
        """A call within a function of `torch.nn.init`; the first of them stands for all."""
        around = place.initializer
        if around is None or around is self._initializer:
            return
        self._initializer = around
        function = _INITIALIZERS[around.f_code]
        tensor, args, kwargs = _bound(function, around.f_locals)
        event = replace(_event(f"torch.nn.init.{function.__name__}", args, kwargs, frame), owner=place.owner)
        use = HISTORY.use(tensor)
        use.cell.writes.append(replace(event, written=use))


def _bound(function: Callable[..., Any], given: Any) -> tuple[Tensor, tuple[Any, ...], dict[str, Any]]:
    """What a function of `torch.nn.init` was called with, without what it takes anyway."""
    tensor, *others = _signature(function)
    args = tuple([given[item.name] for item in others if item.default is item.empty])
    kwargs = {
        item.name: given[item.name]
        for item in others
        if item.default is not item.empty and given[item.name] != item.default
    }
    return given[tensor.name], (given[tensor.name], *args), kwargs


@functools.cache
def _signature(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    return tuple(inspect.signature(function).parameters.values())


# ---------------------------------------------------------------- events
def _called(function: Any, name: str, args: Any, kwargs: Any, frame: FrameType) -> Event:
    target = names.functions().get(function, "")
    if not target:
        spelled = f"{getattr(function, '__module__', None) or ''}.{getattr(function, '__qualname__', name)}".strip(".")
        return _event("", (), {}, frame, f"{spelled} is called, which a graph cannot name")
    if target.startswith("torch.Tensor."):
        written = spelling.operator_written(target.rpartition(".")[2], args, kwargs, frame)
        target = f"torch.Tensor.{written}" if written else target
    return _event(target, args, kwargs, frame)


def _event(target: str, args: Any, kwargs: Any, frame: FrameType, refused: str = "") -> Event:
    kept = {key: value for key, value in kwargs.items() if value is not None and key not in _PLACES}
    converted: tuple[tuple[Arg, ...], dict[str, Arg]] = ((), {})
    try:
        converted = (
            tuple([argument(arg, _read) for arg in args]),
            {key: argument(value, _read) for key, value in kept.items()},
        )
    except NotAnArgumentError as error:
        refused = f"{target} is given {error}"
    if sum(1 for _ in _leaves((args, kept))) > _MANY:
        refused = f"{target} is given more than {_MANY} numbers"
    return Event(HISTORY.now(), target, *converted, refused=refused, source=sources.source(frame), looks=_LOCAL.looks)


def _read(value: Any) -> Arg:
    if isinstance(value, torch.device):
        return Device(str(value))
    if not _is_plain(value):
        raise NotAnArgumentError(value)
    return HISTORY.use(value)


def _made(event: Event, result: Tensor, item: tuple[int, ...]) -> None:
    """A call gave a tensor: a new memory, or another view of one that was there."""
    known = HISTORY.find_memory(result)
    if known is None:
        HISTORY.enter(result, replace(event, item=item))
    elif (view := view_of(result)) != known.root:
        known.views.setdefault(view, replace(event, item=item))


def _place(frame: FrameType | None) -> Place:
    initializer: FrameType | None = None
    owner: Owner | None = None
    while frame is not None and sources.is_torch(frame.f_code):
        if frame.f_code in _INITIALIZERS:
            initializer = frame
        elif owner is None and frame.f_code.co_filename.startswith(_MODULES) and frame.f_code.co_name in _OWN_STARTS:
            owner = _owner(frame.f_locals.get("self"))
        frame = frame.f_back
    return Place(initializer, owner)


def _owner(module: Any) -> Owner | None:
    return Owner(weakref.ref(module), type(module)) if isinstance(module, nn.Module) else None


# ---------------------------------------------------------------- tensors
def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, tuple | list):
        for item in tree:
            yield from _leaves(item)
    elif isinstance(tree, dict):
        yield from _leaves(list(tree.values()))
    else:
        yield tree


def _results(result: Any, item: tuple[int, ...] = ()) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
    if isinstance(result, Tensor):
        yield result, item
    elif isinstance(result, tuple | list):
        for place, part in enumerate(result):
            yield from _results(part, (*item, place))


def _is_plain(tensor: Any) -> bool:
    """Whether a tensor lies in a memory of its own kind: not sparse, not waiting for its shape, under no transform."""
    if not isinstance(tensor, Tensor) or isinstance(tensor, UninitializedParameter | UninitializedBuffer):
        return False
    return tensor.layout == torch.strided and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def _version(tensor: Tensor) -> int:
    return -1 if tensor.is_inference() else tensor._version

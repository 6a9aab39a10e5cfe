"""What becomes of a call of a torch function while a model is recorded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from graphnas.errors import TraceError
from graphnas.ir.attributes import ATTRIBUTES
from graphnas.ir.choice import Apply
from graphnas.ir.node import SET_DATA, Call, Size
from graphnas.ir.pieces import CUTS
from graphnas.tracing import facts, names, pieces, reshaping, sources, spelling
from graphnas.tracing.meanings import is_message
from graphnas.tracing.record import Step, Value
from graphnas.tracing.sizes import bare, plain, symbolic

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder

_MethodWrapper = type(torch._C.TensorBase.__dict__["shape"].__get__)

# Facts about a tensor that are the same at every size: constants of the graph.
_CONSTANT_METHODS = frozenset((
    "__hash__", "is_inference", "is_conj", "is_neg", "is_pinned", "_has_compatible_shallow_copy_type",
    "is_set_to", "has_names", "is_shared", "__dir__", "retain_grad", "_is_view", "is_tensor", "is_storage", "finfo",
    "iinfo", "get_default_dtype", "get_default_device", "has_torch_function", "is_anomaly_enabled",
))  # fmt: skip
_TEXTS = ("__repr__", "__str__", "__format__")
# Functions that a graph cannot hold: what they do, and what to do instead.
_REFUSED = {
    "register_hook": ("a hook is put on a gradient", "Register hooks on the model from outside."),
    **dict.fromkeys(
        _TEXTS, ("the values of a tensor are written as text that is no message", "Compute with tensors alone.")
    ),
    **dict.fromkeys(
        ("numpy", "__array__", "__dlpack__", "__cuda_array_interface__"),
        ("a tensor is handed to numpy", "Compute with torch functions."),
    ),
    **dict.fromkeys(("nbytes", "_version"), ("{} of a tensor is read", "Compute with its sizes.")),
}
_FIRST = ("input", "tensor", "self")  # what the tensor that a function is about may be called


class Mode(TorchFunctionMode):
    """Hands every torch function to the recorder."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        recorder = self._recorder
        if not recorder.listening:
            return function(*args, **(kwargs or {}))
        return record(recorder, function, args, kwargs or {}, sys._getframe(1))


def record(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """Runs a torch function that the model called, and writes it down.

    Args:
        recorder: what to write to.
        function: what was called.
        args: its positional arguments.
        kwargs: its keyword arguments.
        frame: of the code that called it.
    """
    recorder.listening = False
    try:
        if type(function) is _MethodWrapper:
            return _attribute(recorder, function, args, frame)
        name = getattr(function, "__name__", "")
        if not args and (name.endswith("_") or name in CUTS):
            args, kwargs = _first(kwargs)
        if recorder.repeats.used:
            recorder.repeats.see(name, args, kwargs)
        special = _SPECIAL.get(name)
        if special is not None:
            return special(recorder, function, args, kwargs, frame)
        if name in _CONSTANT_METHODS:
            return _run(function, args, kwargs)
        return _call(recorder, function, args, kwargs, frame)
    except Exception as error:
        recorder.refusals.raised(error, sources.source(frame), recorder.call)
        raise
    finally:
        recorder.listening = True


def _first(kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments that are all given by name, with the tensor that the function is about in front."""
    first = next((key for key in _FIRST if key in kwargs), None)
    if first is None:
        return (), kwargs
    return (kwargs[first],), {key: value for key, value in kwargs.items() if key != first}


def _run(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
    """Calls a function with plain numbers: torch takes no others."""
    return function(*bare(args), **bare(kwargs)) if kwargs else function(*bare(args))


def _call(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    target = names.functions().get(function) or names.operator_name(function)
    if target is None:
        raise _refused(recorder, function)
    if kwargs.get("out") is not None:
        return _into(recorder, function, args, kwargs, frame)
    name = target.rpartition(".")[2]
    dunder = spelling.operator_written(name, args, kwargs, frame) if target.startswith("torch.Tensor.") else None
    if dunder is not None:
        target = f"torch.Tensor.{dunder}"
    written = args[0] if args and isinstance(args[0], Tensor) and spelling.writes(target, kwargs) else None
    if reshaped := written is not None and target in reshaping.FUNCTIONS:
        reshaping.keep_sizes(recorder, args[0], frame)
    step = _step(recorder, target, args, kwargs, frame)
    if written is not None:
        recorder.before_write(written)
    if name in ("embedding", "embedding_bag") and kwargs.get("max_norm") is not None:
        recorder.before_write(args[1])
    result = _run(function, args, kwargs)
    if written is not None:
        recorder.writes.add(step, written)
    if reshaped:
        recorder.new(args[0], step, ())  # its sizes are others from here on
    if name in CUTS:
        step.parts = len(result)
        return pieces.cut(recorder, name, args, kwargs, recorder.bind(result, step), frame)
    return recorder.bind(result, step)


def _into(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """`function(..., out=tensor)`: its result, copied there."""
    out = kwargs["out"]
    result = _call(recorder, function, args, {key: value for key, value in kwargs.items() if key != "out"}, frame)
    if isinstance(out, Tensor):
        return _copy(recorder, out, result, frame)
    return tuple([_copy(recorder, *pair, frame) for pair in zip(out, result, strict=True)])


def _copy(recorder: Recorder, target: Tensor, source: Tensor, frame: FrameType) -> Any:
    if (target.shape, target.dtype) != (source.shape, source.dtype):
        raise recorder.refuse("a result is written into a tensor of another shape or dtype by `out=`", "Assign it.")
    return _call(recorder, Tensor.copy_, (target, source), {}, frame)


def _step(recorder: Recorder, target: str, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Step:
    recorder.listening = True  # looking at the parts of an argument may guard their number
    converted = recorder.arguments(args, spelling.written_out(target, kwargs))
    recorder.listening = False
    return recorder.step(Call(target), *converted, spelling.hint(target), frame)


def _refused(recorder: Recorder, function: Any) -> TraceError:
    """The error about a function that a graph has no name for; what it calls inside is not seen."""
    module = getattr(function, "__module__", None) or ""
    spelled = f"{module}.{getattr(function, '__qualname__', function)}".strip(".")
    return recorder.refuse(
        f"{spelled} is called, which a graph cannot name", "Use a public function of torch or torch.nn.functional."
    )


def _told(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """What a graph cannot hold, but people may be told."""
    if is_message(frame):
        return function(*args, **kwargs)
    name = getattr(function, "__self__", function).__name__
    what, remedy = _REFUSED[name]
    raise recorder.refuse(what.format(name), remedy)


# ---------------------------------------------------------------- attributes and sizes
def _attribute(recorder: Recorder, wrapper: Any, args: tuple[Any, ...], frame: FrameType) -> Any:
    name = wrapper.__self__.__name__
    if wrapper.__name__ == "__set__":
        return _assign(recorder, wrapper, name, args, frame)
    if name in _REFUSED:
        return _told(recorder, wrapper, args, {}, frame)
    result = _run(wrapper, args)
    if name == "shape":
        return recorder.sizes(args[0], result, frame)
    if name == "ndim":
        return _rank(recorder, wrapper, args, {}, frame)
    result = facts.attribute(recorder, args[0], name, result, frame)
    if f"torch.Tensor.{name}" in ATTRIBUTES and isinstance(result, Tensor):
        return recorder.bind(result, _step(recorder, f"torch.Tensor.{name}", args, {}, frame))
    return result


def _assign(recorder: Recorder, wrapper: Any, name: str, args: tuple[Any, ...], frame: FrameType) -> None:
    """`tensor.name = value`."""
    match name:
        case "data":
            reshaping.check(recorder, *args)
            step = _step(recorder, SET_DATA, args, {}, frame)
            recorder.before_write(args[0])
            _run(wrapper, args)
            recorder.writes.add(step, args[0])
        case "requires_grad":
            _step(recorder, "torch.Tensor.requires_grad_", args, {}, frame)
            _run(wrapper, args)
        case _:
            raise recorder.refuse(f"the attribute {name!r} of a tensor is set", "Leave it as it is.")


def _rank(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """The number of dimensions: what the user asks for becomes a number of the graph, what torch asks for does not."""
    value, rank = recorder.read(args[0]), args[0].dim()
    if value.origin in ("state", "constant") or sources.is_torch(frame.f_code):
        return rank
    step = recorder.step(Call("torch.Tensor.dim"), (value,), {}, "dim", frame)
    return symbolic(rank, Value(rank, step), recorder)


def _size(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    dim = plain(next(iter((*args[1:], *kwargs.values())), None))
    shape = recorder.sizes(args[0], args[0].shape, frame, dim)
    return shape if dim is None else shape[dim]


def _numel(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> int:
    value = recorder.read(args[0])
    count: int = args[0].numel()
    if value.origin not in ("state", "constant"):
        count = symbolic(count, Size(value, None), recorder)  # type: ignore[arg-type]
    return count


def _length(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> int:
    """`len(tensor)`: Python makes a plain number of it, so the graph relies on it."""
    recorder.conversions.come_across("len", frame)
    result: int = _run(function, args)
    _rely(recorder, args[0], 0, result)
    return result


def _rely(recorder: Recorder, tensor: Tensor, dim: int, size: int) -> None:
    value = recorder.read(tensor)
    if value.origin not in ("state", "constant"):
        recorder.guard(Apply("==", (Size(value, dim), size)), True)  # type: ignore[arg-type]


# ---------------------------------------------------------------- values that leave torch
def _truth(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> bool:
    """The truth of a tensor: a guard on data."""
    outcome: bool = _run(function, args, kwargs)
    value = recorder.read(args[0])
    recorder.guard(Apply("bool", (value,)), outcome)
    return outcome


def _answer(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> bool:
    """A function of tensors that answers True or False: recorded, and guarded."""
    step = _step(recorder, names.functions()[function], args, kwargs, frame)
    outcome: bool = _run(function, args, kwargs)
    recorder.guard(Apply("bool", (Value(outcome, step),)), outcome)
    return outcome


def _fact(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> bool:
    return facts.ask(recorder, names.functions()[function], function, args, kwargs, frame)


def _number(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """`int(tensor)` and the like: Python makes a plain number of it, so the graph relies on its value."""
    recorder.conversions.come_across(function.__name__.strip("_"), frame)
    step = _step(recorder, "torch.Tensor.item", args[:1], {}, frame)
    result = _run(function, args, kwargs)
    recorder.guard(Apply("==", (Value(result, step), args[0].item())), True)
    return result


def _listed(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """`tolist()`: numbers of the graph, in lists whose lengths it relies on."""
    for dim, size in enumerate(args[0].shape):
        _rely(recorder, args[0], dim, size)
    return recorder.bind(_run(function, args), _step(recorder, "torch.Tensor.tolist", args, {}, frame))


def _gradients(
    recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> None:
    recorder.regions.switch_gradients(args[0], frame)
    _run(function, args)


def _set_item(
    recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType
) -> None:
    step = _step(recorder, "torch.Tensor.__setitem__", args, kwargs, frame)
    recorder.before_write(args[0])
    _run(function, args, kwargs)
    recorder.writes.add(step, args[0])


def _copied(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """`copy.deepcopy(tensor)`, which torch allows of tensors that nothing was computed for."""
    if type(args[0]) is not Tensor or not args[0].is_leaf:
        return _run(function, args, kwargs)
    cut = _call(recorder, Tensor.detach, args[:1], {}, frame)
    return _call(recorder, Tensor.clone, (cut,), {}, frame)


def _claim(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> None:
    """`torch._assert` of a plain bool has been guarded where the bool came from."""
    condition = args[0] if args else kwargs["condition"]
    if isinstance(condition, Tensor):
        recorder.guard(Apply("bool", (recorder.read(condition),)), True)
    _run(function, args, kwargs)


def _layout(recorder: Recorder, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType) -> Any:
    """Where in memory a tensor lies: numbers of the graph, or a decision; that of parameters and constants is fixed."""
    if recorder.read(args[0]).origin in ("state", "constant") or sources.is_torch(frame.f_code):
        return _run(function, args, kwargs)
    if function.__name__ == "is_contiguous":
        return _answer(recorder, function, args, kwargs, frame)
    return _call(recorder, function, args, kwargs, frame)


Handler = Callable[["Recorder", Any, tuple[Any, ...], dict[str, Any], FrameType], Any]
_SPECIAL: dict[str, Handler] = {
    "size": _size,
    "numel": _numel,
    "nelement": _numel,
    **dict.fromkeys(("dim", "ndimension"), _rank),
    "__len__": _length,
    "__bool__": _truth,
    "is_nonzero": _truth,
    **dict.fromkeys(("equal", "allclose", "__contains__", "is_same_size"), _answer),
    "element_size": facts.element_size,
    **dict.fromkeys(("is_contiguous", "stride", "storage_offset"), _layout),
    **dict.fromkeys(("__int__", "__float__", "__complex__", "__index__"), _number),
    "tolist": _listed,
    "_set_grad_enabled": _gradients,
    "__setitem__": _set_item,
    "_assert": _claim,
    "device": facts.make_device,
    "get_device": facts.device_number,
    "__deepcopy__": _copied,
    **dict.fromkeys(facts.FUNCTIONS, _fact),
    **dict.fromkeys(_REFUSED, _told),
}

"""How a torch layer is built: the complete constructor arguments, read back from the module and checked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from graphnas.ir import constructor, targets
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Constant, Device, List
from graphnas.tracing.names import constant_name
from graphnas.tracing.sizes import Followed, bare, expression

# They are run as their own code: `Transformer` and its like hold modules that rules should reach.
_OPENED = frozenset(("torch.nn.Transformer", "torch.nn.TransformerDecoderLayer"))
# Of a constructor: where the tensors live, and tensors to begin with.
_NOT_SETTINGS = frozenset(("device", "_weight", "_freeze"))
_PRIVATE = frozenset(("training", "_parameters", "_buffers", "_modules"))
_SCALARS = (int, float, str, tuple, list, bool, type(None))
_ATOMS = frozenset((bool, int, float, str))
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

Config = FrozenDict[str, Arg]
Facts = tuple[Any, ...]

# What layers look like → what was read from such a layer.
_READ: dict[Facts, tuple[str, Config] | None] = {}
_MANY = 4096


def layer_config(module: nn.Module) -> tuple[str, Config] | None:
    """The public name of a torch layer and its constructor arguments; None for what is not exactly such a layer.

    A layer with hooks, with an overridden `forward`, or whose arguments do not rebuild its state is not.
    """
    look = _look(module)
    if look is None:
        return _read_config(module)
    if look not in _READ:
        if len(_READ) > _MANY:
            _READ.clear()
        _READ[look] = _read_config(module)
    return _READ[look]


def _look(module: nn.Module) -> Facts | None:
    """Everything that the arguments of a layer without parts are read from, if it is plain data."""
    attributes = module.__dict__
    if module._modules or any([attributes.get(hooks) for hooks in _HOOKS]):
        return None
    look: list[Any] = [type(module)]
    for name, value in attributes.items():
        kind = type(value)
        if name[0] == "_" or name == "training":
            continue
        if kind is tuple and all([type(item) in _ATOMS for item in value]):
            look.append((name, value, *map(type, value)))
        elif kind in _ATOMS or value is None:
            look.append((name, kind, value))
        else:
            return None
    for tensors in (module._parameters, module._buffers):
        look += [
            (name, None) if tensor is None else (name, tensor.shape, tensor.dtype) for name, tensor in tensors.items()
        ]
    return tuple(look)


def _read_config(module: nn.Module) -> tuple[str, Config] | None:
    name = _public_name(type(module))  # type: ignore[arg-type]
    attributes = module.__dict__
    if name is None or "forward" in attributes or any(attributes.get(hooks) for hooks in _HOOKS):
        return None
    config = _encoder_config(module) if isinstance(module, nn.TransformerEncoderLayer) else _config(module)
    if config is None or not _rebuilds(module, config):
        return None
    return name, FrozenDict({key: _argument(value) for key, value in config.items()})


@functools.cache
def _public_name(kind: type[nn.Module]) -> str | None:
    name = f"torch.nn.{kind.__name__}"
    public = getattr(nn, kind.__name__, None) is kind
    return name if public and name in targets.LAYERS and name not in _OPENED else None


@functools.cache
def _parameters(kind: type[nn.Module]) -> tuple[inspect.Parameter, ...]:
    return tuple(parameter for parameter in constructor.parameters(kind) if parameter.name not in _NOT_SETTINGS)


def _config(module: nn.Module) -> dict[str, Any] | None:
    """Arguments by their names, from the attributes of the same name."""
    config: dict[str, Any] = {}
    for parameter in _parameters(type(module)):  # type: ignore[arg-type]
        value = _setting(module, parameter)
        if value is inspect.Parameter.empty or not _is_data(value):
            return None
        config[parameter.name] = value
    return config


def _setting(module: nn.Module, parameter: inspect.Parameter) -> Any:
    name = parameter.name
    value = module.__dict__.get(name)
    if value is not None and type(value) in _ATOMS:
        return value
    match module, name:
        case _, "dtype":
            tensors = (tensor for tensor in module.parameters(recurse=False) if tensor.is_floating_point())
            dtype = next((tensor.dtype for tensor in tensors), torch.float32)
            return None if dtype == torch.float32 else dtype
        case nn.MultiheadAttention(), "bias":
            return module.in_proj_bias is not None
        case nn.MultiheadAttention(), "add_bias_kv":
            return module.bias_k is not None
        case nn.Module(), "bias":
            if module._parameters.get("weight", module) is None:
                return parameter.default  # normalization without a scale has no shift, whatever it is told
            value = getattr(module, "bias", None)
            return value if isinstance(value, bool) else value is not None
    value = module.__dict__.get(name, parameter.default)
    if name not in module.__dict__ and hasattr(module, name):
        value = getattr(module, name)
    return _collapsed(module, value)


def _collapsed(module: nn.Module, value: Any) -> Any:
    """A convolution's (3, 3) as 3, so that equal layers have equal arguments however they were written."""
    if type(value) is list:
        value = tuple(value)
    is_convolution = isinstance(module, nn.modules.conv._ConvNd)
    if is_convolution and type(value) is tuple and value and all(isinstance(item, int) for item in value):
        return value[0] if len({expression(item) for item in value}) == 1 else value
    return value


def _encoder_config(module: nn.TransformerEncoderLayer) -> dict[str, Any] | None:
    """Its arguments from its parts. It has a fast path of its own, so that its parts alone are not the same."""
    activation = {F.relu: "relu", F.gelu: "gelu"}.get(module.activation)
    if activation is None or any(type(part) is not kind for part, kind in _encoder_parts(module)):
        return None
    return {
        "d_model": module.self_attn.embed_dim,
        "nhead": module.self_attn.num_heads,
        "dim_feedforward": module.linear1.out_features,
        "dropout": module.dropout.p,
        "activation": activation,
        "layer_norm_eps": module.norm1.eps,
        "batch_first": module.self_attn.batch_first,
        "norm_first": module.norm_first,
        "bias": module.linear1.bias is not None,
        "dtype": None if module.linear1.weight.dtype == torch.float32 else module.linear1.weight.dtype,
    }


def _encoder_parts(module: nn.TransformerEncoderLayer) -> Iterator[tuple[nn.Module, type[nn.Module]]]:
    yield module.self_attn, nn.MultiheadAttention
    yield from ((part, nn.Linear) for part in (module.linear1, module.linear2))
    yield from ((part, nn.LayerNorm) for part in (module.norm1, module.norm2))
    yield from ((part, nn.Dropout) for part in (module.dropout, module.dropout1, module.dropout2))


def _is_data(value: Any) -> bool:
    if type(value) in _ATOMS:
        return True
    if isinstance(value, tuple):
        return all(map(_is_data, value))
    return isinstance(value, bool | int | float | str | torch.dtype | torch.device) or value is None


def _argument(value: Any) -> Arg:
    if type(value) in _ATOMS:
        return value
    match value:
        case Followed():
            return expression(value)
        case torch.dtype():
            return Constant(constant_name(value))
        case torch.device():
            return Device(str(value))
        case list():
            return List(tuple(map(_argument, value)))
        case tuple():
            return tuple(map(_argument, value))
    return value


# ---------------------------------------------------------------- checking
def _rebuilds(module: nn.Module, config: dict[str, Any]) -> bool:
    """Whether the constructor, given `config`, makes a module with the same state and settings."""
    config = bare(config)
    expected = _reference(type(module), FrozenDict(config), repr(config))  # type: ignore[arg-type]
    return expected is not None and _agree(_facts(module), expected)


@functools.lru_cache(maxsize=4096)
def _reference(kind: type[nn.Module], config: Config, _text: str) -> Facts | None:
    # The text tells 1, 1.0 and True apart, which are one key to a dict.
    try:
        with torch.device("meta"), _Uninitialized():
            return _facts(kind(**config))
    except (TypeError, ValueError, RuntimeError):
        return None  # the attributes that were read are not the arguments


class _Uninitialized(TorchFunctionMode):
    """Leaves out what fills tensors with initial values: only shapes are looked at."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name.endswith("_") and not name.endswith("__"):
            return args[0] if args else next(iter(kwargs.values()))
        return function(*args, **kwargs)


def _facts(module: nn.Module) -> Facts:
    """Shapes and dtypes of the state, simple settings, and those of the parts."""
    tensors = tuple(
        (name, None if tensor is None else (tensor.shape, tensor.dtype))
        for group in (module._parameters, module._buffers)
        for name, tensor in group.items()
    )
    settings = {
        name: bare(value)
        for name, value in module.__dict__.items()
        if name[0] != "_" and name not in _PRIVATE and isinstance(value, _SCALARS)
    }
    parts = tuple((name, type(part), _facts(part)) for name, part in module._modules.items() if part is not None)
    hooked = any(module.__dict__.get(hooks) for hooks in _HOOKS)
    return tensors, settings, parts, hooked


def _agree(found: Facts, expected: Facts) -> bool:
    tensors, settings, parts, hooked = found
    their_tensors, their_settings, their_parts, _ = expected
    if hooked or tensors != their_tensors or len(parts) != len(their_parts):
        return False
    if any(name in their_settings and not _equal(value, their_settings[name]) for name, value in settings.items()):
        return False
    return all(
        name == other and kind is their_kind and _agree(facts, their_facts)
        for (name, kind, facts), (other, their_kind, their_facts) in zip(parts, their_parts, strict=True)
    )


def _equal(first: Any, second: Any) -> bool:
    """Equality that tells 1, 1.0 and True apart, but not lists and tuples."""
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_equal, first, second))
    return type(first) is type(second) and bool(first == second)


def tensors_of(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """A layer's parameters and buffers by their names inside it."""
    if not module._modules:  # walking is slow, and most layers have no parts
        yield from ((name, tensor) for name, tensor in module._parameters.items() if tensor is not None)
        yield from ((name, tensor) for name, tensor in module._buffers.items() if tensor is not None)
        return
    yield from module.named_parameters(remove_duplicate=False)
    yield from module.named_buffers(remove_duplicate=False)

"""Modules that stay one layer: what they are called and how they are built anew."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import importlib
import inspect
import sys
import warnings
from collections.abc import Iterable, Iterator
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from graphnas.errors import OpaqueWarning, TraceError, UnrecordableError
from graphnas.ir import constructor
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Built, Layer, List
from graphnas.ir.opaque import Opaque
from graphnas.ir.source import Source
from graphnas.ir.targets import LAYERS
from graphnas.tracing.arguments import NotAnArgumentError, argument, no_tensor
from graphnas.tracing.chosen import check_decided
from graphnas.tracing.constructors import layer_config
from graphnas.tracing.modules import Registry, identifier

_OF_TORCH = frozenset(vars(nn.Module()))
_NAMESPACES = (argparse.Namespace, SimpleNamespace)
_EXACT = frozenset((type(None), bool, int, float, complex, str, torch.dtype, torch.device))
_REMEDY = "keep what the constructor is given in attributes of the same names"


class _MissingError(Exception):
    """A module cannot be built anew, for the reason given."""


def opaque_layer(module: nn.Module, path: str, around: Iterable[nn.Module] = ()) -> tuple[Layer, str]:
    """The operation that stands for a module of somebody's, and what stands in the way of building it anew.

    The constructor's arguments are read from attributes of the same names, and believed where they make a module with
    the same parts, state and settings. A config that the module forgets is read from the modules around it, the nearest
    first.
    """
    kind = type(module)
    name = _name(kind)  # type: ignore[arg-type]
    if isinstance(module, torch.jit.ScriptModule):
        return Layer(path, name), "a scripted module has no constructor; give the module that it was made from"
    if _class_called(name) is not kind:
        return Layer(path, name), f"{kind.__qualname__} is not at the top of {kind.__module__}; define the class there"
    try:
        return Layer(path, name, _arguments(module, around)), ""
    except _MissingError as error:
        return Layer(path, name), str(error)


def _name(kind: type[nn.Module]) -> str:
    """Where a class is found; what torch gives to everybody it calls `torch.nn` itself."""
    public = getattr(nn, kind.__name__, None) is kind and f"torch.nn.{kind.__name__}" not in LAYERS
    return f"{'torch.nn' if public else kind.__module__}.{identifier(kind.__name__)}"


def keep_whole(registry: Registry, path: str, error: UnrecordableError | None = None) -> Layer:
    """Makes a module one layer of the graph; returns that layer.

    Args:
        registry: of the model.
        path: of the module.
        error: why, and where; without one it is what the caller wants.
    """
    module = registry.named(path)
    check_decided(module, path, error)
    within = tuple(f"{name}." for name in registry.names(module))
    for inner, part in module.named_modules():
        elsewhere = next((name for name in registry.names(part) if not f"{name}.".startswith(within)), "")
        if inner and elsewhere and registry.names(part)[0] == f"{path}.{inner}":
            raise TraceError(
                f"module {path!r} ({type(module).__name__}) stays one layer, but its part {inner!r} is the model's "
                f"{elsewhere!r} as well\n  in {registry.name}. Register {elsewhere!r} before {path!r}."
            ) from error
    parents = [path.rpartition(".")[0]] if path else []
    while parents and parents[-1]:
        parents.append(parents[-1].rpartition(".")[0])
    layer, missing = opaque_layer(module, path, map(registry.named, parents))
    source = error.place if error and isinstance(error.place, Source) else None
    reason = " ".join(error.what.split()) if error else "it was to be kept whole"
    registry.keep_whole(module, layer, Opaque(reason, source, missing))
    return layer


def warn(registry: Registry, path: str, error: UnrecordableError) -> None:
    """Tells that a module is kept whole, and why."""
    module = registry.named(path)
    why = registry.opaque[id(module)]
    name = f"module {path!r}" if path else "the model"
    rest = f" It cannot be built anew: {why.missing}." if why.missing else ""
    message = f"{name} ({type(module).__name__}) stays one layer, into which no rule reaches: {error}{rest}"
    place = why.source or Source("<unknown>", 1)
    warnings.warn_explicit(message, OpaqueWarning, place.file, place.line)


def _class_called(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute, None)


def _arguments(module: nn.Module, around: Iterable[nn.Module]) -> FrozenDict[str, Arg]:
    kind = type(module)
    holders = list(around)
    given: dict[str, Any] = {}
    found: list[str] = []
    for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        value = _kept(module, parameter.name)
        if value is _ABSENT:
            value = parameter.default
        if value is inspect.Parameter.empty:
            value = _config_around(holders, parameter.name)
            found.append(parameter.name)
        if value is inspect.Parameter.empty:
            raise _MissingError(f"what its constructor was given as {parameter.name!r} is not known; {_REMEDY}")
        given[parameter.name] = value
    try:
        config = FrozenDict({name: _setting(value) for name, value in given.items()})
    except NotAnArgumentError as error:
        raise _MissingError(f"its constructor is given {error}, which a graph cannot hold; {_REMEDY}") from error
    except RecursionError as error:
        raise _MissingError(f"its constructor is given what holds itself; {_REMEDY}") from error
    twin = _rebuilt(kind, given, ("cpu",) if found else ("meta", "cpu"))
    difference = next(_differences(module, twin, ""), None) or (found and next(_unsaved(module, twin), None))
    if difference:
        raise _MissingError(f"built from its attributes it is another module: {difference} differs; {_REMEDY}")
    return config


_ABSENT = object()
_IDENTITY: Any = object.__eq__


def _kept(module: nn.Module, name: str) -> Any:
    if name in module.__dict__:
        return module.__dict__[name]
    if name in module._modules:
        return module._modules[name]
    if name == "encoder_layer" and isinstance(module, nn.TransformerEncoder):
        return module.layers[0]  # of which it has made copies
    if name in ("bias", "affine"):  # many keep the tensor under the name of the switch
        held = module._parameters.get(name, _ABSENT)
        return held if held is _ABSENT else held is not None
    return _ABSENT


def _config_around(holders: list[nn.Module], name: str) -> Any:
    """The config of a name that the nearest module holds that has one; of other values a name alone says too little."""
    value = next((holder.__dict__[name] for holder in holders if name in holder.__dict__), _ABSENT)
    return value if type(value) is dict or _fields(value) is not None else inspect.Parameter.empty


def _setting(value: Any) -> Arg:
    """What a constructor is given; a layer of torch as what it is built with, without the defaults."""
    if not isinstance(value, nn.Module):
        return _plain(value, False)
    known = layer_config(value)
    if known is None:
        raise NotAnArgumentError(value)
    name, config = known
    defaults = {parameter.name: parameter.default for parameter in constructor.parameters(type(value))}
    return Built(name, FrozenDict({key: item for key, item in config.items() if repr(item) != repr(defaults[key])}))


def _plain(value: Any, exact: bool) -> Arg:
    """Values in which there may be objects; within an object everything is `exact`: it comes back as it was."""
    kind, fields = type(value), _fields(value)
    if fields is not None:
        return _object(value, fields)
    if kind is tuple:
        return tuple([_plain(item, exact) for item in value])
    if kind is list:
        return List(tuple([_plain(item, exact) for item in value]))
    if kind is dict and not (exact and any(type(key) not in _EXACT for key in value)):
        keys: Any = argument(dict.fromkeys(value), no_tensor)
        return FrozenDict({key: _plain(item, exact) for key, item in zip(keys, value.values(), strict=True)})
    if exact and kind not in _EXACT:
        raise NotAnArgumentError(value)
    return argument(value, no_tensor)


def _fields(value: Any) -> dict[str, Any] | None:
    """What makes a namespace or a data class; None for anything else."""
    if type(value) in _NAMESPACES:
        return dict(vars(value))
    if not dataclasses.is_dataclass(value) or isinstance(value, type | nn.Module):
        return None
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}


def _object(value: Any, fields: dict[str, Any]) -> Built:
    """An object that its class makes of plain values, with those that are not its defaults."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__name__}"
    if getattr(sys.modules.get(kind.__module__), kind.__name__, None) is not kind:
        raise NotAnArgumentError(value)
    config = {key: _plain(item, True) for key, item in fields.items()}
    try:
        defaults = _defaults(kind)
        given = {key: item for key, item in fields.items() if not _is_default(item, defaults.get(key, _ABSENT))}
        made = kind(**copy.deepcopy(given))
    except Exception as error:  # whatever the constructor of somebody's class raises
        raise NotAnArgumentError(value) from error
    ours, theirs = _content(value), _content(made)
    changed = [key for key in ours | theirs if not _alike(ours.get(key, _ABSENT), theirs.get(key, _ABSENT))]
    if changed or not _alike(value, made):
        what = f"its constructor is given a {kind.__name__} that its fields do not make"
        raise _MissingError(f"{what}: {', '.join(changed) or 'the order'} differs; set it when it is made")
    return Built(name, FrozenDict({key: config[key] for key in given}))


def _content(value: Any) -> dict[str, Any]:
    """All that an object holds; of one with slots its fields."""
    return vars(value) if hasattr(value, "__dict__") else _fields(value) or {}


def _defaults(kind: type) -> dict[str, Any]:
    """What the fields of a data class are where nothing is given."""
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    made = {field.name: field.default_factory for field in fields if field.init}
    made = {name: factory() for name, factory in made.items() if factory is not dataclasses.MISSING}
    return {field.name: field.default for field in fields} | made


def _is_default(item: Any, default: Any) -> bool:
    return _alike(item, default) and repr(item) == repr(default)  # which tells zeros of either sign apart


def _rebuilt(kind: type[nn.Module], given: dict[str, Any], devices: tuple[str, ...]) -> nn.Module:
    """A module of the class on the meta device, or where its constructor looks at values, a real one."""
    failed: Exception | None = None
    for device in devices:
        try:
            with torch.random.fork_rng(devices=()), torch.device(device):
                return kind(**{key: _own(value) for key, value in given.items()})
        except Exception as error:  # whatever the constructor of somebody's module raises
            failed = error
    raise _MissingError(f"its constructor fails on its attributes ({type(failed).__name__}: {failed}); {_REMEDY}")


def _own(value: Any) -> Any:
    """A copy of a config, since a constructor may write to it."""
    return copy.deepcopy(value) if type(value) is dict or _fields(value) is not None else value


def _unsaved(first: nn.Module, second: nn.Module) -> Iterator[str]:
    """The buffers in no state of two modules alike whose values differ: nothing else tells of the config they show."""
    for (path, module), twin in zip(first.named_modules(), second.modules(), strict=True):
        for name in module._non_persistent_buffers_set:
            ours, theirs = module._buffers.get(name), twin._buffers.get(name)
            if ours is not None and theirs is not None and (ours.is_meta or not torch.equal(ours.cpu(), theirs)):
                yield f"{path}.{name}".lstrip(".")


def _differences(first: nn.Module, second: nn.Module, path: str) -> Iterator[str]:
    """Where two modules differ in classes, parts, state or settings."""
    if type(first) is not type(second):
        yield path or "its class"
        return
    if first._forward_hooks or first._forward_pre_hooks:
        yield f"{path}hooks"
    for group in ("_parameters", "_buffers"):
        ours, theirs = getattr(first, group), getattr(second, group)
        if list(ours) != list(theirs):
            yield f"{path}{group.strip('_')}"
        yield from (f"{path}{name}" for name in ours if not _alike(ours[name], theirs.get(name)))
    settings, others = _settings(first), _settings(second)
    names = [name for name in settings | others if not _alike(settings.get(name), others.get(name))]
    yield from (f"{path}{name}" for name in names if name in others or not _is_mark(type(first), name, settings[name]))
    if list(first._modules) != list(second._modules):
        yield f"{path}modules"
        return
    for name, part in first._modules.items():
        other = second._modules[name]
        if part is not None and other is not None:
            yield from _differences(part, other, f"{path}{name}.")
        elif part is not other:
            yield f"{path}{name}"


def _is_mark(kind: type[nn.Module], name: str, value: Any) -> bool:
    """Whether what no constructor set is a mark that others made: no file of the module's classes knows the name."""
    if not isinstance(value, bool | int | str):
        return False
    try:
        files = [inspect.getsource(sys.modules[base.__module__]) for base in kind.__mro__ if base is not object]
    except (OSError, TypeError, KeyError):  # a class of an interpreter's prompt has no file
        return False
    return not any(name in file for file in files)


def _settings(module: nn.Module) -> dict[str, Any]:
    return {name: value for name, value in module.__dict__.items() if name not in _OF_TORCH}


def _alike(first: Any, second: Any) -> bool:
    """Whether two settings are the same; of tensors the shapes, since their values may be drawn."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return (first.shape, first.dtype) == (second.shape, second.dtype)
    if type(first) is not type(second):
        return False
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_alike, first, second))
    if isinstance(first, dict):
        return list(first) == list(second) and all(_alike(first[key], second[key]) for key in first)
    if isinstance(first, np.ndarray):
        return np.array_equal(first, second)
    if isinstance(first, FunctionType):
        return first.__code__ is second.__code__ and _alike(_enclosed(first), _enclosed(second))
    has_content = hasattr(first, "__dict__") and type(first).__eq__ is _IDENTITY and not isinstance(first, type)
    if has_content or _fields(first) is not None:
        return _alike(_content(first), _content(second))
    return first is second or bool(first == second) or bool(first != first and second != second)


def _enclosed(function: FunctionType) -> list[Any]:
    """What a function holds besides its code."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return [*cells, function.__defaults__, function.__kwdefaults__]

"""Where the modules and tensors of a model are registered, and which of them are torch's own layers."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from graphnas.errors import TraceError
from graphnas.ir import targets
from graphnas.ir.node import Layer
from graphnas.ir.opaque import Opaque
from graphnas.tracing.choosing import Word
from graphnas.tracing.constructors import layer_config, tensors_of
from graphnas.tracing.record import Value

CONTAINERS: Mapping[type[nn.Module], str] = {
    kind: f"torch.nn.{kind.__name__}"
    for kind in (nn.Module, nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
}


class Registry:
    """The names that a model has for its parts. What is registered twice goes by its first name.

    Args:
        model: the root.
        prefix: the path that the root has in a larger model.
    """

    def __init__(self, model: nn.Module, prefix: str = "") -> None:
        self.model = model
        self._prefix = prefix
        self.name = identifier(type(model).__name__)
        self.paths: set[str] = set()
        self.state: dict[int, Value] = {}
        self._paths: dict[int, list[str]] = {}
        self._by_place: dict[tuple[int, str], Value] = {}
        # The modules are kept, so that no other module gets their identity.
        self.modules: list[nn.Module] = []
        for path, module in model.named_modules(remove_duplicate=False):
            self._register(module, path)
        self.opaque: dict[int, Opaque] = {}
        # Read before anything runs: nothing of that is to be recorded.
        self._layers = {id(module): _layer(module, self._paths[id(module)][0]) for module in self.modules}

    @property
    def written(self) -> list[nn.Module]:
        """The modules whose own code runs: all but torch's layers."""
        return [module for module in self.modules if self._layers[id(module)] is None]

    def check_modes(self) -> None:
        """Where a class sets modes in its own way, layers must still have that of the model: a graph has one mode."""
        if all([type(module).train is nn.Module.train for module in self.modules]):
            return
        for training in (True, False):
            self.model.train(training)
            for module in self.modules:
                layer = self.layer(module)
                if layer is not None and layer.type in targets.MODE_LAYERS and module.training is not training:
                    raise TraceError(
                        f"{layer.path!r} stays in {'evaluation' if training else 'training'} when the model "
                        f"{self.name} is set to {'training' if training else 'evaluation'}\n"
                        "  A graph has one mode: leave `train` as it is, and set modes of layers in the training loop."
                    )

    def _register(self, module: nn.Module, path: str) -> None:
        self.paths.add(path)
        paths = self._paths.setdefault(id(module), [])
        paths.append(path)
        if len(paths) == 1:
            self.modules.append(module)
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    full = f"{path}.{name}" if path else name
                    self.paths.add(full)
                    value = self.state.get(id(tensor))
                    if value is None:
                        value = self.state[id(tensor)] = Value(tensor, origin="state", name=full)
                    self._by_place[id(module), name] = value

    def holds(self, module: nn.Module) -> bool:
        """Whether a module was registered before the model ran."""
        return id(module) in self._paths

    def is_whole(self, module: nn.Module) -> bool:
        """Whether a layer has the parameters and buffers that it had before the model ran."""
        return all([id(tensor) in self.state for _, tensor in tensors_of(module)])

    def path(self, module: nn.Module, scope: str) -> str | None:
        """The first name of a module that `scope` holds; None for one that it does not hold."""
        paths = self._paths.get(id(module))
        if paths is None or (scope and not any(path.startswith(f"{scope}.") for path in paths)):
            return None
        return paths[0]

    def layer(self, module: nn.Module) -> Layer | None:
        """The operation of one of torch's layers, or of a module kept whole; None for any other module."""
        return self._layers[id(module)]

    def keep_whole(self, module: nn.Module, layer: Layer, why: Opaque) -> None:
        """From now on a module is one layer, and nothing is known of what is inside it."""
        self._layers[id(module)] = layer
        self.opaque[id(module)] = why

    def full(self, path: str) -> str:
        """The path that a module has in the larger model."""
        return ".".join(filter(None, (self._prefix, path)))

    @property
    def module_paths(self) -> list[str]:
        """The names of the modules, each by its first."""
        return [paths[0] for paths in self._paths.values()]

    def seen(self, module: nn.Module, call: tuple[Any, Any, Any]) -> None:
        """A module that is kept whole was called, and this is what went in and came out."""
        why = self.opaque[id(module)]
        if call not in why.seen:
            self.opaque[id(module)] = replace(why, seen=(*why.seen, call))

    def names(self, module: nn.Module) -> list[str]:
        """All names of a module, in order."""
        return self._paths[id(module)]

    def named(self, path: str) -> nn.Module:
        """The module at a path."""
        return self.model.get_submodule(path)

    def class_name(self, module: nn.Module) -> str:
        """What the class of a module is called in a graph: a container's by its dotted name, the user's by its own."""
        if isinstance(module, Word):
            return module.container
        return CONTAINERS.get(type(module)) or identifier(type(module).__name__)

    def registered(self, module: nn.Module, name: str) -> Value | None:
        """The parameter or buffer that a module had under a name before the model ran."""
        return self._by_place.get((id(module), name))

    def state_now(self) -> Iterator[tuple[Value, Tensor | None]]:
        """The parameters and buffers from before the model ran, and what stands in their places now.

        Those of layers are left out: what happens in one is its own affair.
        """
        whole = [path for module in self.modules if id(module) in self.opaque for path in self._paths[id(module)]]
        modules = {
            id(module): module
            for module in self.written
            if not any(self._paths[id(module)][0].startswith(f"{around}.") for around in whole)
        }
        for (owner, name), state in self._by_place.items():
            module = modules.get(owner)
            if module is not None:
                yield state, module._buffers.get(name, module._parameters.get(name))

    @functools.cached_property
    def _attributes(self) -> dict[int, tuple[str, str, Tensor]]:
        found: dict[int, tuple[str, str, Tensor]] = {}
        for path, module in self.model.named_modules():
            if path and self.layer(module) is not None:
                continue  # a torch layer has no room for more
            for name, value in module.__dict__.items():
                if name not in ("_parameters", "_buffers", "_modules"):
                    for tensor_name, tensor in named_tensors(value, name):
                        found.setdefault(id(tensor), (path, tensor_name, tensor))
        return found

    def holder(self, tensor: Tensor, scope: str) -> tuple[str, str]:
        """Path of the module that holds an unregistered tensor, and its name there; else the scope that uses it."""
        path, name, held = self._attributes.get(id(tensor), (scope, "constant", None))
        return (path, name) if held is tensor else (scope, "constant")

    @staticmethod
    def formals(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """The arguments of a call, with the names that the module's `forward` has for them."""
        names = parameter_names(type(module))  # type: ignore[arg-type]
        for place, value in enumerate(args):
            name = names[min(place, len(names) - 1)] if names else "x"
            yield from named_tensors(value, name if place < len(names) else f"{name}_{place}")
        for name, value in kwargs.items():
            yield from named_tensors(value, name)


def _layer(module: nn.Module, path: str) -> Layer | None:
    known = layer_config(module)
    return None if known is None else Layer(path, *known)


@functools.cache
def parameter_names(kind: type[nn.Module]) -> tuple[str, ...]:
    """The names of the positional parameters of a module's `forward`."""
    try:
        parameters = list(inspect.signature(kind.forward).parameters.values())[1:]
    except (TypeError, ValueError):
        return ()
    return tuple(parameter.name for parameter in parameters if parameter.kind != parameter.VAR_KEYWORD)


def named_tensors(value: Any, name: str, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The tensors and packed sequences in nested lists, tuples and dicts, each called after the way to it."""
    if isinstance(value, Tensor | PackedSequence):
        yield identifier(name), value
    if isinstance(value, Tensor):
        return
    if depth < 3 and isinstance(value, list | tuple):
        for place in range(tuple.__len__(value) if isinstance(value, tuple) else len(value)):
            item = tuple.__getitem__(value, place) if isinstance(value, tuple) else value[place]
            yield from named_tensors(item, f"{name}_{place}", depth + 1)
    elif depth < 3 and isinstance(value, dict):
        for key, item in value.items():
            yield from named_tensors(item, f"{name}_{key}", depth + 1)


@functools.lru_cache(maxsize=4096)
def identifier(name: str) -> str:
    """A name made of letters, digits and underscores."""
    plain = re.sub(r"\W+", "_", name).strip("_") or "x"
    return f"x{plain}" if plain[0].isdigit() else plain

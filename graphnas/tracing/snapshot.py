"""Everything about a model that a run could change, and how to put it back."""

from __future__ import annotations

import collections
import random
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from graphnas.tracing.identity import storage

CONTAINERS = frozenset(
    (list, dict, set, collections.OrderedDict, collections.defaultdict, collections.Counter, collections.deque)
)
_OF_TORCH = frozenset(vars(nn.Module()))


class Snapshot:
    """The state of a model, of the random generators, and of the gradient mode.

    Parameters are copied only where somebody is about to write to them (`before_write`); buffers at once.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self._modules = [(module, dict(module.__dict__)) for module in modules]
        self._containers: dict[int, tuple[Any, Any, Any]] = {}
        held = [value for _, attributes in self._modules for value in attributes.values() if type(value) in CONTAINERS]
        self._empty = [value for value in held if not value]  # most containers, such as those of hooks, are
        for value in held:
            if value:
                self._keep(value)
        parameters = list(_tensors(module._parameters for module in modules))
        buffers = list(_tensors(module._buffers for module in modules))
        self._flags = [(parameter, parameter.requires_grad, parameter.grad) for parameter in parameters]
        self._data = [(tensor, tensor.data) for tensor in (*parameters, *buffers)]
        self._by_storage: dict[int, list[Tensor]] = {}
        for parameter in parameters:
            self._by_storage.setdefault(storage(parameter), []).append(parameter)
        self._values = [(buffer.data, buffer.detach().clone()) for buffer in buffers]
        self._rng = torch.get_rng_state()
        self._python = random.getstate()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
        self._numpy = _numpy_state()
        self._grad_mode = torch.is_grad_enabled()

    def _keep(self, container: Any) -> None:
        if id(container) in self._containers:
            return
        contents = dict(container) if isinstance(container, dict) else list(container)
        self._containers[id(container)] = (container, contents, _identities(container))
        for item in container.values() if isinstance(container, dict) else container:
            if type(item) in CONTAINERS:
                self._keep(item)

    def watch(self, tensor: Tensor) -> None:
        """Treat a tensor that the model holds without registering it like a parameter."""
        self._by_storage.setdefault(storage(tensor), []).append(tensor)

    def before_write(self, written: int) -> None:
        """Keep the values of the parameters in a storage that is about to be written.

        Args:
            written: the storage, as `storage` names it.
        """
        for tensor in self._by_storage.pop(written, ()):
            self._values.append((tensor.data, tensor.detach().clone()))

    def seed(self, number: int = 0) -> None:
        """Start torch's generators anew, so that a trace is reproducible."""
        torch.default_generator.manual_seed(number)  # `torch.manual_seed` reads the stack for a CUDA that is not in use
        if self._cuda is not None:
            torch.cuda.manual_seed_all(number)
        random.seed(0)

    def foreign_draws(self) -> Iterator[str]:
        """Generators outside torch that have been used since `seed`."""
        if random.getstate() != random.Random(0).getstate():
            yield "Python's random"
        if self._numpy is not None and _bytes(_numpy_state()) != _bytes(self._numpy):
            yield "numpy's random"

    def changes(self) -> Iterator[tuple[nn.Module, str, Any]]:
        """The attributes that are no longer as they were, but for torch's own: module, name, and what it was.

        Buffers that there were not are among them.
        """
        for module, attributes in self._modules:
            buffers = module._buffers if type(module._buffers) in CONTAINERS else {}
            held = self._containers[id(buffers)][1] if id(buffers) in self._containers else {}
            yield from (
                (module, name, None)
                for name, tensor in buffers.items()
                if tensor is not None and held.get(name) is None
            )
            for name, value in module.__dict__.items():
                if name not in _OF_TORCH:
                    before = attributes.get(name)
                    if value is not before or (type(value) in CONTAINERS and self._is_changed(value)):
                        yield module, name, before

    def _is_changed(self, container: Any) -> bool:
        held = self._containers.get(id(container))
        if held is None or _identities(container) != held[2]:
            return held is not None or bool(container)
        items = container.values() if isinstance(container, dict) else container
        return any(type(item) in CONTAINERS and self._is_changed(item) for item in items)

    def restore(self, attributes: bool = True) -> None:
        """Put everything back.

        Args:
            attributes: also what modules hold in attributes that are not torch's own, and what was added to these.
        """
        torch.set_grad_enabled(self._grad_mode)
        for module, before in self._modules:
            kept = {} if attributes else {key: item for key, item in module.__dict__.items() if key not in _OF_TORCH}
            module.__dict__.clear()
            module.__dict__.update(before)
            module.__dict__.update(kept)
        ours = (
            None
            if attributes
            else {id(before[key]) for _, before in self._modules for key in _OF_TORCH & before.keys()}
        )
        for container in self._empty:
            if container and ours is None:
                container.clear()
        for container, contents, identities in self._containers.values():
            if (ours is None or id(container) in ours) and _identities(container) != identities:
                _refill(container, contents if ours is None else _with_added(contents, container))
        with torch.no_grad():
            for tensor, data in self._data:
                if tensor.data_ptr() != data.data_ptr() or tensor.shape != data.shape:
                    tensor.data = data
            for tensor, value in self._values:
                tensor.copy_(value)
        for parameter, requires_grad, grad in self._flags:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not grad:
                parameter.grad = grad
        torch.set_rng_state(self._rng)
        random.setstate(self._python)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
        if self._numpy is not None:
            sys.modules["numpy"].random.set_state(self._numpy)


def _tensors(groups: Iterable[Mapping[str, Tensor | None]]) -> Iterator[Tensor]:
    """The tensors in several mappings, each once."""
    found = {id(tensor): tensor for group in groups for tensor in group.values() if tensor is not None}
    return iter(found.values())


def _with_added(contents: Any, container: Any) -> Any:
    """What a container had, and what has been put into it where there was nothing."""
    if not isinstance(container, dict):
        return [*contents, *(item for item in container if item not in contents)]
    return contents | {key: value for key, value in container.items() if contents.get(key) is None}


def _refill(container: Any, contents: Any) -> None:
    container.clear()
    if isinstance(container, dict | set):
        container.update(contents)
    else:
        container.extend(contents)


def _identities(container: Any) -> Any:
    if isinstance(container, dict):
        return [*container, *map(id, container.values())]
    return list(map(id, container))


def _bytes(state: Any) -> list[Any]:
    return [part.tobytes() if hasattr(part, "tobytes") else part for part in state]


def _numpy_state() -> Any:
    return sys.modules["numpy"].random.get_state() if "numpy" in sys.modules else None

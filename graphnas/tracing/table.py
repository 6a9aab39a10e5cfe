"""The module table of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor, nn

from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Entry, Layer
from graphnas.tracing.constants import tensor_config
from graphnas.tracing.constructors import tensors_of
from graphnas.tracing.modules import CONTAINERS, Registry


class Table:
    """The rows of a model, in the order of registration.

    Args:
        registry: of the model.
        constants: unregistered tensors by their paths.
        prefix: where the model stands.
    """

    def __init__(self, registry: Registry, constants: Mapping[str, Tensor], prefix: str = "") -> None:
        self._registry = registry
        self._prefix = prefix
        self._rows: list[Entry] = []
        self._tensors: dict[int, tuple[str, Tensor]] = {}
        self._modules: dict[int, str] = {}
        self._constants: dict[str, list[tuple[str, Tensor]]] = {}
        self._read = set(constants)
        for path, tensor in constants.items():
            self._constants.setdefault(path.rpartition(".")[0], []).append((path, tensor))

    def rows(self) -> tuple[Entry, ...]:
        """The whole table."""
        self._visit(self._registry.model, self._prefix)
        return tuple(self._rows)

    def _visit(self, module: nn.Module, path: str) -> None:
        earlier = self._modules.setdefault(id(module), path)
        layer = self._registry.layer(module) if path and path not in self._constants else None
        if layer is not None:
            self._rows.append(self._layer(module, path, layer, earlier))
            if earlier == path:
                self._rows += self._ties(module, path)
            return
        same_as = "" if earlier == path else earlier
        self._rows.append(Entry(path, "module", self._registry.class_name(module), _base(module), same_as=same_as))
        if not same_as:
            self._rows += self._own(module, path)
            for name, child in module._modules.items():
                inner = _below(path, name)
                if child is None:
                    self._rows.append(Entry(inner, "none", "module"))
                else:
                    self._visit(child, inner)

    def _layer(self, module: nn.Module, path: str, layer: Layer, earlier: str) -> Entry:
        parameters = module.named_parameters() if module._modules else _present(module._parameters)
        frozen = tuple(name for name, parameter in parameters if not parameter.requires_grad)
        same_as = "" if earlier == path else earlier
        return Entry(path, "layer", layer.type, layer.config, frozen, same_as, self._registry.opaque.get(id(module)))

    def _ties(self, module: nn.Module, path: str) -> Iterator[Entry]:
        """Rows for those of a layer's tensors that something earlier owns; its own need none."""
        for name, tensor in tensors_of(module):
            full = _below(path, name)
            owner = self._owner(tensor, full)
            if owner != full:
                kind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
                yield Entry(full, kind, config=self._config(tensor, full, kind), same_as=owner)

    def _owner(self, tensor: Tensor, path: str) -> str:
        return self._tensors.setdefault(id(tensor), (path, tensor))[0]

    def _own(self, module: nn.Module, path: str) -> Iterator[Entry]:
        for kind, tensors in (("parameter", module._parameters), ("buffer", module._buffers)):
            for name, tensor in tensors.items():
                full = _below(path, name)
                if tensor is None:
                    yield Entry(full, "none", kind)
                    continue
                owner = self._owner(tensor, full)
                persistent = name not in module._non_persistent_buffers_set
                config = self._config(tensor, full, kind, persistent)
                yield Entry(full, kind, config=config, same_as="" if owner == full else owner)
        for full, tensor in self._constants.get(path, ()):
            yield Entry(full, "constant", config=self._config(tensor, full, "constant"))

    @staticmethod
    def _config(tensor: Tensor, path: str, kind: str, persistent: bool = True) -> FrozenDict[str, Arg]:
        by_value = kind == "constant" or not persistent
        config = tensor_config(tensor, path, by_value)
        if kind == "parameter":
            config["requires_grad"] = tensor.requires_grad
        elif kind == "buffer":
            config["persistent"] = persistent
        return FrozenDict(config)


def _present(tensors: Mapping[str, Tensor | None]) -> Iterator[tuple[str, Tensor]]:
    return ((name, tensor) for name, tensor in tensors.items() if tensor is not None)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _base(module: nn.Module) -> FrozenDict[str, Arg]:
    """Which container a user's module derives from."""
    if type(module) in CONTAINERS:
        return FrozenDict()
    bases = [name for kind, name in CONTAINERS.items() if kind is not nn.Module and isinstance(module, kind)]
    return FrozenDict({"base": bases[0]}) if bases else FrozenDict()

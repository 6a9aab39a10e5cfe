"""Attributes of modules that a run sets: one that is a buffer gets a new value in the graph."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from graphnas.ir.node import SET_DATA, Call
from graphnas.ir.source import Source
from graphnas.tracing import sources
from graphnas.tracing.identity import is_same, storage
from graphnas.tracing.record import Value

if TYPE_CHECKING:
    from graphnas.tracing.recorder import Recorder


class Assignments:
    """What has been set in a run.

    Args:
        recorder: what to write to.

    Attributes:
        places: where attributes were last set, by the identity of the module and the name.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.places: dict[tuple[int, str], Source | None] = {}
        self._replaced: dict[int, Tensor] = {}  # what stands in the place of a buffer, by the identity of that

    def has_replaced(self, tensor: Tensor) -> bool:
        """Whether another stands in the place of a buffer."""
        return id(tensor) in self._replaced

    def see(self, module: nn.Module, name: str, value: Any) -> None:
        """An attribute of a module is about to be set."""
        recorder = self._recorder
        if not recorder.listening:
            return
        self.places[id(module), name] = sources.source(sys._getframe(2))
        state = recorder.registry.registered(module, name) if isinstance(value, Tensor) else None
        if state is not None:
            self._replace(state, value, sys._getframe(2))
        elif not isinstance(value, Tensor) and recorder.registry.holds(module) and name in module.__dict__:
            self._check_setting(module, name)

    def finish(self) -> None:
        """The run is over: what stands in the places of buffers otherwise, by `register_buffer` say, is found."""
        self._recorder.listening = False
        for state, tensor in self._recorder.registry.state_now():
            if tensor is None:
                raise self._recorder.refuse(
                    f"{state.name!r} is taken out of its module in forward", "Leave it where it is."
                )
            if tensor is not self._replaced.get(id(state.content), state.content):
                self._replace(state, tensor, None)

    def _replace(self, state: Value, tensor: Tensor, frame: FrameType | None) -> None:
        recorder = self._recorder
        with torch._C.DisableTorchFunction():
            if is_same(state.content, tensor):
                return
            if isinstance(state.content, nn.Parameter):
                raise recorder.refuse(
                    f"the parameter {state.name!r} is replaced in forward", "Write to it under `torch.no_grad()`."
                )
            held = recorder.known.pop(id(state.content), None)
            source = Value(state.content, origin="state", name=state.name) if held is None else held
            recorder.step(Call(SET_DATA), (source, recorder.read(tensor)), {}, "set_data", frame)
            recorder.snapshot.before_write(storage(state.content))
            self._replaced[id(state.content)] = tensor

    def _check_setting(self, module: nn.Module, name: str) -> None:
        layer = self._recorder.registry.layer(module)
        if name == "training":
            raise self._recorder.refuse(
                f"the mode of {type(module).__name__} is set in forward", "Set it before the model is called."
            )
        if layer is not None:
            raise self._recorder.refuse(
                f"the attribute {name!r} of the layer {layer.path!r} is set in forward",
                "Call a function of torch.nn.functional with it.",
            )

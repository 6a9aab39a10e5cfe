"""Attributes that are read, not called: `Call("torch.Tensor.T")` is written `x.T`. Facts are no tensors."""

from __future__ import annotations

DEVICE_TYPE = "torch.device.type"
FACTS = frozenset(map("torch.Tensor.{}".format, ("device", "dtype", "is_leaf", "requires_grad")))
FACTS |= {DEVICE_TYPE, *map("torch.Tensor.is_{}".format, ("cpu", "cuda", "meta", "mps", "xpu"))}
FACTS |= set(map("torch.{}".format, ("finfo.eps", "finfo.max", "finfo.min", "finfo.tiny", "iinfo.max", "iinfo.min")))
ATTRIBUTES = FACTS.union(map("torch.Tensor.{}".format, ("T", "mT", "H", "mH", "real", "imag", "data", "grad")))

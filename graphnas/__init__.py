"""Hardware-aware neural architecture search for unmodified PyTorch models.

Names are looked up when they are used, so that importing graphnas imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from graphnas import version

__version__ = version.VERSION

_NAMES = {
    "ArchError": "errors", "ConstraintError": "errors", "EmitError": "errors", "GraphError": "errors",
    "GraphNASError": "errors", "LatencyError": "errors", "OpaqueWarning": "errors", "TraceError": "errors",
    "TraceWarning": "errors", "TrialError": "errors",
    "Choice": "ir.choice", "TRAINING": "ir.choice", "Graph": "ir.graph",
    "canonical": "ir.specialize", "default": "ir.specialize", "specialize": "ir.specialize",
    "enumerate_archs": "ir.sampling", "neighbors": "ir.sampling", "sample": "ir.sampling",
    "verify": "ir.verify",
    "load": "ir.storing", "save": "ir.storing", "to_json": "ir.storing", "from_json": "ir.storing",
    "Tracer": "tracing.tracer", "trace": "tracing.tracer", "example": "tracing.examples", "to_fx": "tracing.fx",
    "recording": "tracing.recording",
    "choice": "nn.choice",
    "Constraint": "mutations.constraint", "Depth": "mutations.depth", "Inputs": "mutations.inputs",
    "Skip": "mutations.skip", "Swap": "mutations.swap", "Value": "mutations.value", "mutate": "mutations.mutate",
    "Pattern": "mutations.pattern", "op": "mutations.operators",
    "kind": "mutations.selectors", "region": "mutations.selectors", "where": "mutations.selectors",
    "Site": "mutations.sites",
    "build": "codegen.build", "emit": "codegen.emit", "export": "codegen.export", "report": "codegen.report",
    "Random": "strategies.random", "RegularizedEvolution": "strategies.evolution", "Strategy": "strategies.strategy",
    "StopTrial": "trials.trial", "Study": "trials.study", "Trial": "trials.trial", "search": "trials.search",
}  # fmt: skip
_MODULES = {"cost": "analysis.cost", "library": "mutations.library", "spaces": "spaces"}

__all__ = ["__version__", *_NAMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphnas.{_MODULES[name]}")
    if name not in _NAMES:
        raise AttributeError(f"module 'graphnas' has no attribute {name!r}")
    return getattr(importlib.import_module(f"graphnas.{_NAMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

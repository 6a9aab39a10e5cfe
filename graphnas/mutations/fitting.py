"""Alternatives that fit themselves to their site: given their arguments first, and the site later."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

from torch import nn

from graphnas.analysis.names import resolve
from graphnas.analysis.shapes import Shape
from graphnas.errors import GraphError
from graphnas.ir.frozen import FrozenDict
from graphnas.mutations.sites import Site
from graphnas.tracing.constructors import layer_config

P = ParamSpec("P")


@dataclass(frozen=True)
class Fitting:
    """An alternative for `Swap` that builds a module for the site that it is called with, in the site's dtype.

    Attributes:
        build: (site, **arguments) → module.
        arguments: those given.
    """

    build: Callable[..., nn.Module]
    arguments: FrozenDict[str, Any]

    def __call__(self, site: Site) -> nn.Module:
        """The module for a site.

        Raises:
            GraphError: it cannot fit the site; the message says why.
        """
        shape, result = site.input_shapes[0], site.output_shapes[0]
        assert isinstance(shape, Shape)  # `Swap` passes over all other sites
        assert isinstance(result, Shape)
        dtype = resolve(shape.dtype)
        if shape.dtype != result.dtype or not dtype.is_floating_point:
            raise GraphError(
                f"it makes {result.dtype} of {shape.dtype}, and the library keeps the dtype of floating-point numbers; "
                "leave the site out by where, or write a module for it"
            )
        try:
            module = self.build(site, **self.arguments).to(dtype)
        except GraphError:
            raise
        except Exception as error:
            raise GraphError(f"{self} cannot be built for it: {type(error).__name__}: {error}") from error
        if _is_the_original(module, site):
            raise GraphError("it is such a layer already; ask for another, or leave the site out by where")
        return module

    def __repr__(self) -> str:
        return f"{self.build.__name__}({', '.join(f'{key}={value!r}' for key, value in self.arguments.items())})"


def _is_the_original(module: nn.Module, site: Site) -> bool:
    """Whether a module is the layer that a site has; writing in place changes no result."""
    if site.kind != "layer" or (found := layer_config(module)) is None:
        return False
    kind, config = found
    return kind == site.type and {**config, "inplace": False} == {**site.config, "inplace": False}


def fitting(build: Callable[Concatenate[Site, P], nn.Module]) -> Callable[P, Fitting]:
    """A function that takes all arguments but the site, and gives the alternative that waits for the site.

    It decorates `build`, a function of a site and further arguments that gives a module of one dtype, or raises a
    GraphError where none fits the site: the rule passes over such a site.
    """
    signature = inspect.signature(build)
    own = signature.replace(parameters=list(signature.parameters.values())[1:], return_annotation=Fitting)

    @functools.wraps(build)
    def fitted(*args: P.args, **kwargs: P.kwargs) -> Fitting:
        return Fitting(build, FrozenDict(own.bind(*args, **kwargs).arguments))

    fitted.__signature__ = own  # type: ignore[attr-defined]
    return fitted

"""What a site can be swapped for: a module built for the site, and recorded on the site's shapes."""

from __future__ import annotations

import contextlib
import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from graphnas.analysis.names import resolve
from graphnas.analysis.shapes import Shape, Unknown
from graphnas.errors import GraphError
from graphnas.ir.frozen import FrozenDict
from graphnas.mutations.fitting import Fitting
from graphnas.mutations.sites import Site

# A class that is built without arguments, or with those of a `functools.partial`; a function of the site; or a module
# that serves as a template.
Alternative: TypeAlias = "type[nn.Module] | nn.Module | Callable[[Site], nn.Module]"

ORIGINAL = "original"  # the option that is the site itself


def checked(alternatives: Mapping[str, Alternative]) -> FrozenDict[str, Alternative]:
    """The alternatives of a rule, option → alternative.

    Raises:
        TypeError: they are none.
        ValueError: an option is no word, or that of the site itself.
    """
    if not isinstance(alternatives, Mapping) or not alternatives:
        raise TypeError(
            "alternatives are a mapping, option → alternative, such as {'silu': nn.SiLU}, and not empty, but are "
            f"{alternatives!r:.100}"
        )
    for option, alternative in alternatives.items():
        if not isinstance(option, str) or not re.fullmatch(r"\w+", option) or option == ORIGINAL:
            raise ValueError(f"an option is a word of letters, digits and _ other than 'original', but is {option!r}")
        if not callable(alternative):
            raise TypeError(f"alternative {option!r} must be a module, a class or a function, but is {alternative!r}")
    return FrozenDict(alternatives)


@contextlib.contextmanager
def untouched_randomness() -> Iterator[None]:
    """Random draws within leave no trace in the global generators of torch and Python."""
    state = random.getstate()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(state)


def misfit(alternatives: Mapping[str, Alternative], site: Site) -> str:
    """Why one of the alternatives that fit themselves to a site cannot stand at this one; empty where all can."""
    for option, alternative in alternatives.items():
        if isinstance(alternative, Fitting):
            try:
                with untouched_randomness():
                    alternative(site)
            except GraphError as reason:
                return f"alternative {option!r} does not fit: {reason}"
    return ""


def built(option: str, alternative: Alternative, site: Site) -> nn.Module:
    """The module that an alternative means at a site.

    Raises:
        GraphError: it cannot be built there, or is no module.
    """
    if isinstance(alternative, nn.Module):
        return alternative
    kind = _class(alternative)
    try:
        found = alternative(site) if kind is None else alternative()  # type: ignore[call-arg, arg-type]
    except Exception as error:
        remedy = (
            f"an alternative that needs arguments is a function: lambda site: {kind.__name__}(...)"
            if kind is not None
            else "it is called with the site, which has input_shape, output_shape and config, and gives an nn.Module"
        )
        raise GraphError(
            f"alternative {option!r} cannot be built at {site.where}: {type(error).__name__}: {error}; {remedy}"
        ) from error
    if not isinstance(found, nn.Module):
        if isinstance(found, Fitting):
            raise GraphError(
                f"alternative {option!r} gives another alternative at {site.where}; call it: {found.build.__name__}()"
            )
        raise GraphError(f"alternative {option!r} gives {found!r:.100} at {site.where}; it must give an nn.Module")
    return found


def _class(alternative: object) -> type | None:
    """The class that an alternative is, or that some arguments have been given beforehand."""
    while isinstance(alternative, functools.partial):
        alternative = alternative.func
    return alternative if isinstance(alternative, type) else None


def no_examples(site: Site) -> str:
    """Why there are no tensors like those that a site reads; empty where there are."""
    if not site.inputs:
        return "it reads no tensor but parameters"
    for found in site.input_shapes:
        if isinstance(found, Unknown):
            return f"the shape of an input depends on the data: {found.reason}"
        if not isinstance(found, Shape):
            return "an input is not one tensor"
    return ""


def examples(site: Site) -> tuple[Tensor, ...]:
    """Tensors like those that a site reads; the same at every call, and drawn from no global generator."""
    rng = torch.Generator().manual_seed(0)
    return tuple(_example(shape, rng) for shape in site.input_shapes if isinstance(shape, Shape))


def _example(shape: Shape, rng: torch.Generator) -> Tensor:
    dtype: torch.dtype = resolve(shape.dtype)
    if dtype.is_floating_point or dtype.is_complex:
        return torch.randn(shape.dims, generator=rng).to(dtype)
    return torch.zeros(shape.dims, dtype=dtype)  # 0 is an index, a token and a mask everywhere

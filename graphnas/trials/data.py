"""Architectures, parameters and metrics as JSON, and the key that says when two trials ask the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from graphnas.ir import decoding, encoding


def to_json(values: Mapping[str, Any]) -> str:
    """Options by name as JSON; a tuple is a list, and what JSON lacks is tagged as in graphs."""
    return json.dumps({name: encoding.value(value, {}) for name, value in values.items()})


def from_json(text: str) -> dict[str, Any]:
    """What `to_json` wrote."""
    return {name: decoding.value(value, name, {}) for name, value in json.loads(text).items()}


def key_of(arch: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """Equal for trials that ask the same: canonical architecture and parameters."""
    parts = [dict(sorted(json.loads(to_json(values)).items())) for values in (arch, parameters)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

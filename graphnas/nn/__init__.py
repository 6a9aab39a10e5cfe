"""Words by which a model written from scratch says what there is to choose; it runs before any search."""

from graphnas.nn.cell import Cell
from graphnas.nn.choice import choice
from graphnas.nn.input_choice import InputChoice
from graphnas.nn.layer_choice import LayerChoice
from graphnas.nn.repeat import Repeat

__all__ = ["Cell", "InputChoice", "LayerChoice", "Repeat", "choice"]

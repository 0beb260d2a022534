"""The integer network: operations, validation, numpy reference and file format. Imports nothing of ours."""

from hw.graph.alphabet import Alphabet, AlphabetKind
from hw.graph.errors import NetworkError
from hw.graph.file import digest, load, save
from hw.graph.network import Network
from hw.graph.ops import (
    Add,
    AddressShift,
    AveragePool,
    Balance,
    ChannelShift,
    Concatenation,
    Convolution,
    Logits,
    MaxPool,
    Node,
    Padding,
    Polyphase,
    Table,
)
from hw.graph.ops.address_shift import MAX_OFFSET
from hw.graph.ops.polyphase import PHASES
from hw.graph.rescale import Rescale
from hw.graph.tensor import Tensor

__all__ = [
    "MAX_OFFSET",
    "PHASES",
    "Add",
    "AddressShift",
    "Alphabet",
    "AlphabetKind",
    "AveragePool",
    "Balance",
    "ChannelShift",
    "Concatenation",
    "Convolution",
    "Logits",
    "MaxPool",
    "Network",
    "NetworkError",
    "Node",
    "Padding",
    "Polyphase",
    "Rescale",
    "Table",
    "Tensor",
    "digest",
    "load",
    "save",
]

"""The operations of the integer network, one a file."""

from typing import get_args

from hw.graph.ops.add import Add
from hw.graph.ops.address_shift import AddressShift
from hw.graph.ops.average_pool import AveragePool
from hw.graph.ops.balance import Balance
from hw.graph.ops.channel_shift import ChannelShift
from hw.graph.ops.concatenation import Concatenation
from hw.graph.ops.convolution import Convolution
from hw.graph.ops.logits import Logits
from hw.graph.ops.max_pool import MaxPool
from hw.graph.ops.polyphase import Polyphase
from hw.graph.ops.table import Table
from hw.graph.ops.window import Padding

Node = (
    Convolution
    | AveragePool
    | MaxPool
    | Add
    | Concatenation
    | ChannelShift
    | AddressShift
    | Polyphase
    | Table
    | Balance
    | Logits
)

OPERATIONS: dict[str, type[Node]] = {op.__name__: op for op in get_args(Node)}
"""By name in a file. An operation is a file here, a place in :data:`Node`, and what the compiler makes of it
(``hw.systolic.compiler.operations``)."""

__all__ = [
    "OPERATIONS",
    "Add",
    "AddressShift",
    "AveragePool",
    "Balance",
    "ChannelShift",
    "Concatenation",
    "Convolution",
    "Logits",
    "MaxPool",
    "Node",
    "Padding",
    "Polyphase",
    "Table",
]

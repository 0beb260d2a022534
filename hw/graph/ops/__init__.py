"""The operations of the integer network, one a file."""

from hw.graph.ops.add import Add
from hw.graph.ops.address_shift import AddressShift
from hw.graph.ops.average_pool import AveragePool
from hw.graph.ops.channel_shift import ChannelShift
from hw.graph.ops.concatenation import Concatenation
from hw.graph.ops.convolution import Convolution
from hw.graph.ops.logits import Logits
from hw.graph.ops.max_pool import MaxPool
from hw.graph.ops.window import Padding

Node = Convolution | AveragePool | MaxPool | Add | Concatenation | ChannelShift | AddressShift | Logits

OPERATIONS: dict[str, type[Node]] = {
    op.__name__: op
    for op in (Convolution, AveragePool, MaxPool, Add, Concatenation, ChannelShift, AddressShift, Logits)
}
"""By name in a file. An operation is a file here, a place in this dictionary and in :data:`Node`, and what the compiler
makes of it (``hw.systolic.compiler``)."""

__all__ = [
    "OPERATIONS",
    "Add",
    "AddressShift",
    "AveragePool",
    "ChannelShift",
    "Concatenation",
    "Convolution",
    "Logits",
    "MaxPool",
    "Node",
    "Padding",
]

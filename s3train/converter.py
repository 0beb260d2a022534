"""What conversion does to every node of a traced model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from torch import fx, nn

from s3train.concatenation import Quantizing, is_concatenation, share_quantizer
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.layers import (
    Balance,
    Operation,
    ShiftAveragePool2d,
    ShiftBalance,
    ShiftBlock,
    ShiftLogits,
    TanhTable,
)
from s3train.layers.shift_block import FormatSource
from s3train.normal_form import ADDITIONS
from s3train.operations import OPERATIONS
from s3train.pools import AVERAGE_POOLS, MAX_POOLS, average_window, check_max_pool
from s3train.register_method import WEIGHTED, register_weight_method

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_PASSING = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, *MAX_POOLS)
"""Layers that change no stored number, or choose among them."""

_SUPPORTED = (
    "Conv1d, Conv2d, Linear, BatchNorm1d, BatchNorm2d, ReLU, MaxPool, AvgPool, AdaptiveAvgPool(1), Flatten, Identity, "
    "Dropout, ChannelShift, AddressShift, Polyphase, CircularMaxPool, ShiftAndBalance, Tanh behind a batch norm, "
    "additions of two branches and concatenations of channels"
)


class Converter:
    """Replaces the nodes of a graph; parameters as of :func:`s3train.convert`.

    Parameters
    ----------
    graph : GraphModule
        Of :func:`~s3train.normal_form.normalise`; changed in place.
    add_norms : bool
        Whether a layer without a batch norm gets one.
    problems : dict or None
        Where what cannot be converted is written down, by the name of its node, instead of an error.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        method: str,
        bits: int,
        image: TensorFormat,
        activation_bits: int,
        terms: int,
        skip: Collection[str],
        options: dict[str, Any],
        *,
        add_norms: bool = False,
        problems: dict[str, str] | None = None,
    ) -> None:
        self.graph = graph
        self.add_norms, self.problems = add_norms, problems
        self.modules = dict(graph.named_modules())
        self.method, self.bits, self.options = method, bits, options
        self.activation_bits, self.terms, self.skip = activation_bits, terms, skip
        self.formats: dict[fx.Node, FormatSource] = {}
        # What quantises a stored tensor.
        self.quantizing: dict[fx.Node, list[Quantizing]] = {}
        self.image = image
        self.done: set[fx.Node] = set()
        self.used: set[str] = set()
        self.replacement: dict[fx.Node, fx.Node] = {}

    def run(self) -> fx.GraphModule:
        """Return the converted graph."""
        device = next((p.device for p in self.graph.parameters()), None)
        nodes = list(self.graph.graph.nodes)
        output = nodes[-1]
        result = self.result = output.args[0]
        for node in nodes:
            if node.op == "output":
                continue
            try:
                self._node(node)
            except UnsupportedModelError as error:
                if self.problems is None:
                    raise
                self.problems.setdefault(node.name, str(error))
                self.formats.setdefault(node, lambda: self.image)
        if not isinstance(result, fx.Node) or not isinstance(self.modules.get(str(result.target)), nn.Linear):
            reason = "the model's last layer must be a Linear that makes the logits"
            if self.problems is None:
                raise UnsupportedModelError(reason)
            self.problems[output.name] = reason
        self.graph.graph.eliminate_dead_code()
        self.graph.graph.lint()
        self.graph.recompile()
        self.graph.delete_all_unused_submodules()
        if device is not None:
            self.graph.to(device)
        return self.graph

    def _node(self, node: fx.Node) -> None:
        """Convert a node, and with a layer what is joined with it, unless that is done."""
        if node in self.done or node in self.formats:
            return
        if node.op == "placeholder":
            self.formats[node] = lambda: self.image
        elif self._is(node, WEIGHTED):
            if node is self.result:
                self._logits(node)
            else:
                self._block(node)
        elif self._is(node, (Operation, *OPERATIONS)):
            self._operation(node)
        else:
            self._passing(node)

    def _before(self, node: fx.Node) -> list[fx.Node]:
        """Return a node and all that it is computed from, in the order of the graph."""
        found: set[fx.Node] = set()
        waiting = [node]
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting += one.all_input_nodes
        return [one for one in self.graph.graph.nodes if one in found]

    def _user(self, node: fx.Node) -> fx.Node | None:
        users = [user for user in node.users if user not in self.done]
        return users[0] if len(users) == 1 else None

    def _layer(self, node: fx.Node) -> nn.Module:
        """Return the node's layer with shift weights and without its bias."""
        layer = self.modules[str(node.target)]
        assert isinstance(layer, WEIGHTED)
        name = str(node.target)
        self._use(name)
        if not isinstance(layer, nn.Linear):
            if any(d != 1 for d in layer.dilation):
                raise UnsupportedModelError(f"{name}: dilation {layer.dilation}, supported is 1")
            if layer.padding_mode not in ("zeros", "circular"):
                raise UnsupportedModelError(
                    f"{name}: padding mode {layer.padding_mode!r}, supported are 'zeros' and 'circular'"
                )
            if isinstance(layer.padding, str):
                raise UnsupportedModelError(f"{name}: padding {layer.padding!r}, supported are numbers")
        layer.bias = None
        if name not in self.skip:
            register_weight_method(layer, self.method, self.bits, name=name, **self.options)
        return layer

    def _use(self, name: str) -> None:
        if name in self.used:
            raise UnsupportedModelError(f"{name}: is used twice, supported are layers with weights of their own")
        self.used.add(name)

    def _block(self, node: fx.Node) -> None:
        """Join a layer with the batch norm, addition and ReLU behind it."""
        name = str(node.target)
        chain = [node]
        user = self._user(node)
        if user is not None and self._is(user, _NORMS):
            chain.append(user)
            user = self._user(user)
        elif not self.add_norms:
            raise UnsupportedModelError(
                f"{name}: a batch norm must follow, its scale takes the weights' place; add_norms=True adds one"
            )
        residual: fx.Node | None = None
        if user is not None and self._is_addition(user):
            # The branch computed last takes the other one as its residual operand; a projection is stored first.
            branches = [arg for arg in user.args if isinstance(arg, fx.Node)]
            if len(branches) != 2:
                raise UnsupportedModelError(f"{user.name}: adds a constant, supported are additions of two branches")
            other = branches[1] if branches[0] is chain[-1] else branches[0]
            if other is chain[-1]:
                raise UnsupportedModelError(f"{user.name}: adds a branch to itself, supported are additions of two "
                                            f"branches")  # fmt: skip
            if user.kwargs.get("alpha", 1) != 1:
                raise UnsupportedModelError(f"{user.name}: alpha is {user.kwargs['alpha']}, supported is 1")
            if self._is(other, _NORMS) and other not in self.done:
                self._project(other)
            else:
                # A shortcut that is traced behind this branch is stored first.
                for before in self._before(other):
                    self._node(before)
            residual = self.replaced(other)
            chain.append(user)
            user = self._user(user)
        signed = True
        if user is not None and self._is(user, (nn.ReLU,)):
            chain.append(user)
            signed = False
        self._emit(chain, residual, signed=signed)

    def _project(self, norm: fx.Node) -> None:
        """Store a projection shortcut as a signed tensor."""
        conv = norm.args[0]
        if not isinstance(conv, fx.Node) or not self._is(conv, WEIGHTED):
            raise UnsupportedModelError(f"{norm.name}: a batch norm without a convolution or linear layer before it")
        # It may be traced behind this branch, and what it reads too.
        for before in self._before(conv)[:-1]:
            self._node(before)
        self._emit([conv, norm], None, signed=True)

    def replaced(self, node: fx.Node) -> fx.Node:
        """Return the node that now stands for a node of the original graph."""
        return self.replacement.get(node, node)

    def _emit(self, chain: list[fx.Node], residual: fx.Node | None, *, signed: bool) -> None:
        conv = chain[0]
        source = conv.args[0]
        assert isinstance(source, fx.Node)
        source = self.replaced(source)
        bias = self.modules[str(conv.target)].bias
        block = ShiftBlock(
            self._layer(conv),
            bits=self.activation_bits,
            source=self.formats[source],
            residual=None if residual is None else self.formats[residual],
            signed=signed,
            terms=self.terms,
        )
        if len(chain) > 1 and self._is(chain[1], _NORMS):
            # A bias before it has no effect.
            self._keep_norm(block, str(chain[1].target))
        elif bias is not None:
            block.beta.data.copy_(bias.detach())
        name = str(conv.target).replace(".", "_") + "_block"
        self.graph.add_module(name, block)
        with self.graph.graph.inserting_after(chain[-1]):
            args = (source,) if residual is None else (source, residual)
            new = self.graph.graph.call_module(name, args)
        chain[-1].replace_all_uses_with(new)
        self.replacement[chain[-1]] = new
        self.done.update(chain)
        self.done.add(new)
        for old in reversed(chain):
            if not old.users:
                self.graph.graph.erase_node(old)
        self.formats[new] = lambda: block.quantizer.format
        self.quantizing[new] = [block]

    def _keep_norm(self, block: ShiftBlock, name: str) -> None:
        """Give the block the batch norm's learned factor and constant: a trained model keeps them."""
        norm = self.modules[name]
        assert isinstance(norm, _NORMS)
        block.momentum, block.eps = norm.momentum if norm.momentum is not None else 0.1, norm.eps
        if norm.affine:
            block.gamma.data.copy_(norm.weight.detach())
            block.beta.data.copy_(norm.bias.detach())

    def _logits(self, node: fx.Node) -> None:
        source = node.args[0]
        assert isinstance(source, fx.Node)
        layer = self._layer(node)
        assert isinstance(layer, nn.Linear)
        logits = ShiftLogits(layer, source=self.formats[source])
        name = str(node.target).replace(".", "_") + "_logits"
        self.graph.add_module(name, logits)
        self.modules[name] = logits
        with self.graph.graph.inserting_after(node):
            new = self.graph.graph.call_module(name, (source,))
        node.replace_all_uses_with(new)
        self.done.update((node, new))

    def _operation(self, node: fx.Node) -> None:
        """Take over a layer that is an operation of the integer network, or becomes one."""
        name = str(node.target)
        sources = [arg for arg in (*node.args, *node.kwargs.values()) if isinstance(arg, fx.Node)]
        for source in sources:
            if source not in self.formats:
                raise UnsupportedModelError(f"{name}: reads {source.name}, which is no layer's output")
        chain, module = [node], self.modules[name]
        if isinstance(module, Balance | ShiftBalance):
            self._use(name)
        if isinstance(module, TanhTable) or not isinstance(module, Operation):
            user = self._user(node)
            rectified = user is not None and self._is(user, (nn.ReLU,))
            quantizing = [part for source in sources for part in self.quantizing.get(source, [])]
            # A tanh that is used again is a table already; its input needs the grid all the same.
            kind = nn.Tanh if isinstance(module, TanhTable) else type(module)
            operation, joined = OPERATIONS[kind](name, module, quantizing, self.activation_bits, rectified)
            chain += [user] if user is not None and joined else []
            self.graph.add_submodule(name, operation)
            self.modules[name] = module = operation
        formats = [self.formats[source] for source in sources]
        module.check(name, [form() for form in formats])
        if len(chain) > 1:
            chain[1].replace_all_uses_with(node)
            self.graph.graph.erase_node(chain[1])
            self.replacement[chain[1]] = node
        self.done.update(chain)
        self.formats[node] = lambda: module.format([form() for form in formats])
        kept = type(module).format is Operation.format
        own: list[Quantizing] = [module] if isinstance(module, ShiftBalance) else []
        self.quantizing[node] = self.quantizing.get(sources[0], []) if kept else own

    def _passing(self, node: fx.Node) -> None:
        """Layers without weights."""
        if is_concatenation(node):
            self._concatenation(node)
            return
        source = next((arg for arg in node.args if isinstance(arg, fx.Node)), None)
        if source is None or source not in self.formats:
            raise UnsupportedModelError(f"{node.name}: unsupported, supported are {_SUPPORTED}")
        module = self.modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, AVERAGE_POOLS):
            self._average_pool(node, module, source)
            return
        if isinstance(module, MAX_POOLS):
            check_max_pool(str(node.target), module)
        if not isinstance(module, _PASSING):
            found = type(module).__name__ if module is not None else getattr(node.target, "__name__", node.target)
            if isinstance(module, (*_NORMS, nn.ReLU)):
                raise UnsupportedModelError(
                    f"{node.target}: {found} is supported only behind a layer with weights: layer, batch norm, "
                    f"addition, ReLU"
                )
            raise UnsupportedModelError(f"{node.target if module is not None else node.name}: {found} is unsupported, "
                                        f"supported are {_SUPPORTED}")  # fmt: skip
        self.formats[node] = self.formats[source]
        self.quantizing[node] = self.quantizing.get(source, [])

    def _concatenation(self, node: fx.Node) -> None:
        """Let all parts have one quantiser, so that their stored numbers mean the same."""
        shared, owners = share_quantizer(node, self.quantizing)
        self.formats[node] = lambda: shared.format
        self.quantizing[node] = owners

    def _average_pool(self, node: fx.Node, module: nn.Module, source: fx.Node) -> None:
        pool = ShiftAveragePool2d(average_window(str(node.target), module), source=self.formats[source])
        name = str(node.target).replace(".", "_") + "_average"
        self.graph.add_module(name, pool)
        with self.graph.graph.inserting_after(node):
            new = self.graph.graph.call_module(name, (source,))
        node.replace_all_uses_with(new)
        self.replacement[node] = new
        self.done.update((node, new))
        self.formats[new] = lambda: pool.format
        self.quantizing[new] = [pool]

    def _is(self, node: fx.Node, kinds: tuple[type, ...]) -> bool:
        return node.op == "call_module" and isinstance(self.modules.get(str(node.target)), kinds)

    @staticmethod
    def _is_addition(node: fx.Node) -> bool:
        return node.op == "call_function" and node.target in ADDITIONS

"""An ordinary torch model in, a shift network out."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils import parametrize

from s3train.concatenation import Quantizing, is_concatenation, share_quantizer
from s3train.formats import TensorFormat, UnsupportedModelError
from s3train.layers import ShiftAveragePool2d, ShiftBlock, ShiftLogits, StoredView
from s3train.layers.shift_block import FormatSource
from s3train.reparam import make_method

_WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_SUPPORTED = (
    "Conv1d, Conv2d, Linear, BatchNorm1d, BatchNorm2d, ReLU, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d(1), Flatten, "
    "Identity, ChannelShift, AddressShift, additions of two branches and concatenations of channels"
)


def register_weight_method(layer: nn.Module, method: str, bits: int, **options: Any) -> None:
    """Parametrize the weight of a layer by a weight method.

    Parameters
    ----------
    layer : Conv1d, Conv2d or Linear
        The layer, changed in place.
    method : str
        One of :data:`s3train.reparam.METHODS`.
    bits : int
        Width of a weight code.
    options
        Further parameters of the method, see the method's class.
    """
    try:
        parametrization = make_method(method, bits, **options)
    except ValueError as error:
        raise UnsupportedModelError(str(error)) from error
    parametrize.register_parametrization(layer, "weight", parametrization)


def convert_weights(
    model: nn.Module, method: str = "s3", bits: int = 3, *, skip: Collection[str] = (), **options: Any
) -> nn.Module:
    """Return a copy of ``model`` with a method's weights; activations and batch norm stay as they are.

    Such a network can be trained and compared, not exported. Parameters as of :func:`convert`.
    """
    model = copy.deepcopy(model)
    for name, layer in list(model.named_modules()):
        if isinstance(layer, _WEIGHTED) and name not in skip:
            register_weight_method(layer, method, bits, **options)
    return model


def convert(
    model: nn.Module,
    method: str = "s3",
    bits: int = 3,
    *,
    image: TensorFormat,
    activation_bits: int = 8,
    terms: int = 2,
    skip: Collection[str] = (),
    **options: Any,
) -> fx.GraphModule:
    """Return a shift network of the same structure as ``model``.

    Every Conv1d, Conv2d and Linear gets shift weights; batch norm, a residual addition and ReLU behind it become one
    :class:`~s3train.layers.ShiftBlock` with one quantiser; the last Linear gives the logits. A trained model gives its
    batch norms' factors and constants, and with ``from_weights=True`` the start of the weights.

    Parameters
    ----------
    model : Module
        Made of supported layers; traced with ``torch.fx``. It is not changed.
    method, bits, options
        Weight method, see :func:`register_weight_method`.
    image : TensorFormat
        Format of the input image.
    activation_bits : int
        Bits of the stored activations, 2 to 8.
    terms : int
        Powers of two in batch norm's factor: 2 or 1.
    skip : collection of str
        Names of layers whose weights stay float. Such a network can be trained, not exported.

    Raises
    ------
    UnsupportedModelError
        Names the module that cannot be converted, and what is supported.
    """
    model = copy.deepcopy(model)
    try:
        graph = fx.GraphModule(model, _Tracer().trace(model))
    except Exception as error:
        # The forward is anyone's code: what it does with the tracer's stand-in for a tensor may raise anything.
        raise UnsupportedModelError(f"the model's forward cannot be traced: {error}") from error
    return _Converter(graph, method, bits, image, activation_bits, terms, skip, options).run()


class _Tracer(fx.Tracer):
    """Looks into everybody's modules, but not into those that are an operation."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, StoredView) or super().is_leaf_module(m, module_qualified_name)


class _Converter:
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
    ) -> None:
        self.graph = graph
        self.modules = dict(graph.named_modules())
        self.method, self.bits, self.options = method, bits, options
        self.activation_bits, self.terms, self.skip = activation_bits, terms, skip
        self.formats: dict[fx.Node, FormatSource] = {}
        # What quantises a stored tensor.
        self.quantizing: dict[fx.Node, list[Quantizing]] = {}
        self.image = image
        self.done: set[fx.Node] = set()
        self.replacement: dict[fx.Node, fx.Node] = {}

    def run(self) -> fx.GraphModule:
        nodes = list(self.graph.graph.nodes)
        output = nodes[-1]
        result = self.result = output.args[0]
        for node in nodes:
            if node.op != "output":
                self._node(node)
        if not isinstance(result, fx.Node) or not isinstance(self.modules.get(str(result.target)), nn.Linear):
            raise UnsupportedModelError("the model's last layer must be a Linear that makes the logits")
        self.graph.graph.eliminate_dead_code()
        self.graph.graph.lint()
        self.graph.recompile()
        self.graph.delete_all_unused_submodules()
        return self.graph

    def _node(self, node: fx.Node) -> None:
        """Convert a node, and with a layer what is joined with it, unless that is done."""
        if node in self.done or node in self.formats:
            return
        if node.op == "placeholder":
            self.formats[node] = lambda: self.image
        elif self._is(node, _WEIGHTED):
            if node is self.result:
                self._logits(node)
            else:
                self._block(node)
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

    def _layer(self, node: fx.Node, *, bias: bool) -> nn.Module:
        """Return the node's layer with shift weights and without its bias."""
        layer = self.modules[str(node.target)]
        assert isinstance(layer, _WEIGHTED)
        name = str(node.target)
        if not isinstance(layer, nn.Linear):
            if any(d != 1 for d in layer.dilation):
                raise UnsupportedModelError(f"{name}: dilation {layer.dilation}, supported is 1")
            if layer.padding_mode != "zeros":
                raise UnsupportedModelError(f"{name}: padding mode {layer.padding_mode!r}, supported is 'zeros'")
            if isinstance(layer.padding, str):
                raise UnsupportedModelError(f"{name}: padding {layer.padding!r}, supported are numbers")
        if layer.bias is not None and not bias:
            raise UnsupportedModelError(f"{name}: a bias before batch norm has no effect, use bias=False")
        layer.bias = None
        if name not in self.skip:
            register_weight_method(layer, self.method, self.bits, **self.options)
        return layer

    def _block(self, node: fx.Node) -> None:
        """Join a layer with the batch norm, addition and ReLU behind it."""
        name = str(node.target)
        chain = [node]
        user = self._user(node)
        if user is None or not self._is(user, _NORMS):
            raise UnsupportedModelError(f"{name}: a batch norm must follow, its scale takes the weights' place")
        chain.append(user)
        residual: fx.Node | None = None
        user = self._user(user)
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
        if user is not None and (self._is(user, (nn.ReLU,)) or user.target in (torch.relu, nn.functional.relu)):
            chain.append(user)
            signed = False
        self._emit(chain, residual, signed=signed)

    def _project(self, norm: fx.Node) -> None:
        """Store a projection shortcut as a signed tensor."""
        conv = norm.args[0]
        if not isinstance(conv, fx.Node) or not self._is(conv, _WEIGHTED):
            raise UnsupportedModelError(f"{norm.name}: a batch norm without a convolution or linear layer before it")
        self._emit([conv, norm], None, signed=True)

    def replaced(self, node: fx.Node) -> fx.Node:
        """Return the node that now stands for a node of the original graph."""
        return self.replacement.get(node, node)

    def _emit(self, chain: list[fx.Node], residual: fx.Node | None, *, signed: bool) -> None:
        conv = chain[0]
        source = conv.args[0]
        assert isinstance(source, fx.Node)
        source = self.replaced(source)
        if residual is not None and residual not in self.formats:
            raise UnsupportedModelError(f"{residual.name}: is added to a branch, but is not a stored tensor")
        block = ShiftBlock(
            self._layer(conv, bias=False),
            bits=self.activation_bits,
            source=self.formats[source],
            residual=None if residual is None else self.formats[residual],
            signed=signed,
            terms=self.terms,
        )
        self._keep_norm(block, str(chain[1].target))
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
        layer = self._layer(node, bias=True)
        assert isinstance(layer, nn.Linear)
        logits = ShiftLogits(layer, source=self.formats[source])
        name = str(node.target).replace(".", "_") + "_logits"
        self.graph.add_module(name, logits)
        self.modules[name] = logits
        with self.graph.graph.inserting_after(node):
            new = self.graph.graph.call_module(name, (source,))
        node.replace_all_uses_with(new)
        self.done.update((node, new))

    def _passing(self, node: fx.Node) -> None:
        """Layers without weights."""
        if is_concatenation(node):
            self._concatenation(node)
            return
        source = next((arg for arg in node.args if isinstance(arg, fx.Node)), None)
        if source is None or source not in self.formats:
            raise UnsupportedModelError(f"{node.name}: unsupported, supported are {_SUPPORTED}")
        module = self.modules.get(str(node.target)) if node.op == "call_module" else None
        if isinstance(module, nn.AvgPool2d | nn.AdaptiveAvgPool2d):
            self._average_pool(node, module, source)
            return
        known = isinstance(module, nn.Flatten | nn.Identity | nn.MaxPool2d | StoredView) or node.target is torch.flatten
        known = known or (node.op == "call_method" and node.target == "flatten")
        if isinstance(module, nn.MaxPool2d) and (_pair(module.dilation) != (1, 1) or module.ceil_mode):
            raise UnsupportedModelError(f"{node.target}: max pool with dilation or ceil_mode, supported is neither")
        if not known:
            found = type(module).__name__ if module is not None else getattr(node.target, "__name__", node.target)
            if isinstance(module, (*_NORMS, nn.ReLU)) or node.target in (torch.relu, nn.functional.relu):
                where = node.target if module is not None else node.name
                raise UnsupportedModelError(
                    f"{where}: {found} is supported only behind a layer with weights: layer, batch norm, addition, ReLU"
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
        kernel: tuple[int, int] | None = None
        if isinstance(module, nn.AvgPool2d):
            kernel, stride, padding = _pair(module.kernel_size), _pair(module.stride), _pair(module.padding)
            settings = {
                f"stride {stride}": stride != kernel,
                f"padding {padding}": padding != (0, 0),
                "ceil_mode": module.ceil_mode,
                f"divisor {module.divisor_override}": module.divisor_override is not None,
            }
            found = " and ".join(text for text, there in settings.items() if there)
            if found:
                raise UnsupportedModelError(
                    f"{node.target}: average pool of {kernel} with {found}, supported are windows side by side"
                )
        elif module.output_size not in (1, (1, 1), [1, 1]):
            raise UnsupportedModelError(f"{node.target}: adaptive pool to {module.output_size}, supported is 1")
        pool = ShiftAveragePool2d(kernel, source=self.formats[source])
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
        targets: tuple[Callable[..., Any], ...] = (operator.add, operator.iadd, torch.add)
        return node.op == "call_function" and node.target in targets


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))

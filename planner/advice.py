"""The nearest supported form of what is not supported."""

from __future__ import annotations

from torch import fx, nn

_RELU = "use ReLU"
LEAVE_OUT = "leave it out: the largest logit is the class"
"""Advice for what follows the logits."""

_NONE = "there is no integer form of it"
_BY_NAME = {
    **dict.fromkeys(
        ("gelu", "silu", "mish", "elu", "selu", "celu", "hardswish", "softplus", "softsign", "prelu", "rrelu",
         "leakyrelu", "leaky_relu", "hardsigmoid", "hardtanh", "tanh", "sigmoid", "logsigmoid", "threshold", "glu"),
        _RELU,
    ),
    **dict.fromkeys(("relu6", "clamp", "clamp_min"), "use ReLU: stored activations have an upper end of their own"),
    **dict.fromkeys(("softmax", "log_softmax", "logsoftmax", "softmax2d", "argmax"), LEAVE_OUT),
    **dict.fromkeys(
        ("layernorm", "groupnorm", "instancenorm1d", "instancenorm2d", "localresponsenorm", "layer_norm", "group_norm",
         "instance_norm"),
        "use BatchNorm, whose factor is constant after training",
    ),
    **dict.fromkeys(
        ("convtranspose1d", "convtranspose2d", "upsample", "interpolate", "pixelshuffle", "conv_transpose2d"),
        "there is no upsampling; use a network that only shrinks its maps",
    ),
    **dict.fromkeys(("conv3d", "batchnorm3d", "maxpool3d", "avgpool3d"), "use the two-dimensional one"),
    **dict.fromkeys(
        ("lstm", "gru", "rnn", "lstmcell", "grucell", "multiheadattention", "scaled_dot_product_attention",
         "transformerencoderlayer", "embedding", "bilinear", "matmul", "bmm", "einsum"),
        f"{_NONE}; use convolutions",
    ),
    **dict.fromkeys(
        ("mul", "truediv", "div", "imul", "itruediv", "multiply"),
        "maps cannot be multiplied: put the factor into a batch norm, or add (shift-and-balance) where "
        "squeeze-and-excite multiplies",
    ),
    "add": "add two branches, one of them straight from its batch norm; a constant belongs into the batch norm",
    **dict.fromkeys(("sub", "isub", "neg"), "add instead: the layer before learns the sign"),
    **dict.fromkeys(("adaptivemaxpool2d", "fractionalmaxpool2d", "lppool2d"), "use MaxPool2d or AdaptiveAvgPool2d(1)"),
    **dict.fromkeys(("transpose", "permute", "chunk", "split", "getitem", "squeeze", "unsqueeze"),
                    "maps keep their form: use ChannelShift or AddressShift, or flatten before the classifier"),
    **dict.fromkeys(("pad", "zeropad2d", "constantpad2d", "reflectionpad2d"), "give the convolution its padding"),
}  # fmt: skip
_BY_REASON = (
    ("a batch norm must follow", "put a BatchNorm behind it, or convert with add_norms=True"),
    ("padding mode", "pad with zeros, or let the map wrap around (circular)"),
    ("supported are numbers", "give the padding as a number: half the kernel"),
    ("average pool of", "use a window as large as its stride; a divisor that is no power of two becomes the next one"),
    ("adaptive pool to", "use AdaptiveAvgPool2d(1), or AvgPool2d with a fixed window"),
    ("max pool with dilation", "leave dilation and ceil_mode out"),
    ("dilation", "use dilation 1 with a larger kernel or a stride"),
    ("max pool that returns", "use return_indices=False"),
    ("a view as", "use flatten(1)"),
    ("flattens dimensions", "use flatten(1)"),
    ("a mean over", "use mean((2, 3))"),
    ("adds a constant", "put the constant into the batch norm before it"),
    ("adds a branch to itself", "double the factor of the batch norm before it"),
    ("with and without a ReLU", "end all parts with a ReLU, or none"),
    ("concatenates dimension", "concatenate the channels: dim=1"),
    ("last layer must be a Linear", "end with a Linear; a convolution of 1 x 1 on one pixel is the same as a Linear"),
    ("supported only behind", "order it as layer, batch norm, addition, ReLU"),
)


def nearest(node: fx.Node | None, modules: dict[str, nn.Module], reason: str) -> str:
    """Return what to use instead of a node that was refused for a reason; empty if there is no advice."""
    for part, advice in _BY_REASON:
        if part in reason:
            return advice
    if node is None:
        return ""
    return _BY_NAME.get(operation(node, modules).lower(), "")


def operation(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    """Return what a node does, as people call it: the layer's class, or the function's name."""
    if node.op == "call_module" and str(node.target) in modules:
        return type(modules[str(node.target)]).__name__
    return str(getattr(node.target, "__name__", node.target))

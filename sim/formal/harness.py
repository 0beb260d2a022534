"""What a proof is made of: a module with free inputs, assumptions, and claims that must hold in every clock."""

from __future__ import annotations

from collections.abc import Iterator

from amaranth import ClockDomain, Module, Signal, Value
from amaranth.hdl import Assert, Assume, Elaboratable, Fragment, ShapeLike, ValueLike


class Harness:
    """Builds a module around a component and states what must hold.

    The clock domain has no reset: a run begins with the registers' initial values, or, in the step of an induction,
    with any values at all.

    Attributes
    ----------
    module : Module
        The module; the component under proof is a submodule of it.
    inputs : list of Signal
        What the prover may choose in every clock.
    claims : dict of str to str
        Sentence of every claim by the name of its signal, which is low where the claim is broken.
    begins : Signal
        High in the first clock only.
    """

    def __init__(self) -> None:
        self.module = Module()
        self.domain = ClockDomain("sync", reset_less=True)
        self.module.domains.sync = self.domain
        self.inputs: list[Signal] = []
        self.claims: dict[str, str] = {}
        self.begins = Signal(init=1)
        self.module.d.sync += self.begins.eq(0)

    @property
    def ports(self) -> list[Signal]:
        """The module's ports."""
        return [self.domain.clk, *self.inputs]

    def free(self, shape: ShapeLike, name: str) -> Signal:
        """Return an input that may have any value in any clock."""
        signal = Signal(shape, name=name)
        self.inputs.append(Value.cast(signal))
        return signal

    def drive(self, port: Value, name: str) -> Value:
        """Let the prover choose an input port of the component; return the port."""
        chosen = self.free(len(Value.cast(port)), name)
        self.module.d.comb += Value.cast(port).eq(chosen)
        return port

    def constant(self, shape: ShapeLike, name: str) -> Signal:
        """Return an input that may have any value, the same in every clock."""
        signal = self.free(shape, name)
        self.assume(self.begins | (Value.cast(signal) == self.past(signal)))
        return signal

    def past(self, value: ValueLike, clocks: int = 1) -> Value:
        """Return ``value`` as it was ``clocks`` clocks ago; zero before the first clock."""
        now = Value.cast(value)
        for _ in range(clocks):
            before = Signal(now.shape(), name="past")
            self.module.d.sync += before.eq(now)
            now = before
        return now

    def assume(self, condition: ValueLike) -> None:
        """Leave out every run in which ``condition`` is ever false."""
        self.module.d.comb += Assume(condition)

    def claim(self, sentence: str, condition: ValueLike) -> None:
        """State that ``condition`` holds in every clock."""
        name = f"claim_{len(self.claims)}"
        holds = Signal(name=name)
        self.claims[name] = sentence
        self.module.d.comb += [holds.eq(Value.cast(condition).bool()), Assert(holds)]


def inside(component: Elaboratable) -> tuple[Fragment, dict[str, Signal]]:
    """Return a component, elaborated, and the registers and wires in it by name, those of submodules as ``sub.name``.

    An induction needs to say in which states the component can be; its ports do not show all of them.
    """
    fragment = Fragment.get(component, None)
    return fragment, dict(_signals(fragment, ""))


def _signals(fragment: Fragment, path: str) -> Iterator[tuple[str, Signal]]:
    for statements in fragment.statements.values():
        for statement in statements:
            for signal in statement._lhs_signals():
                yield path + signal.name, signal
    for subfragment, name, *_ in fragment.subfragments:
        yield from _signals(subfragment, f"{path}{name}.")

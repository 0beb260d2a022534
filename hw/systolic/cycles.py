"""The exact clock model: how long an inference takes, without simulating the gateware.

It replays the two machines that decide when a memory word is read, the sequencer (instructions and weights) and
the address generator (operands), with the same port reservations as :class:`hw.systolic.port_schedule.PortSchedule`.
Nothing else can delay an inference, because results are never stalled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hw.systolic import timing
from hw.systolic.compiler.plan import CompileError, LayerPlan
from hw.systolic.config import EngineConfig
from hw.systolic.program import ResidualMode, instruction_words


@dataclass
class LayerClocks:
    """Clocks of one layer, until its last result is stored; all layers' add up to the inference's."""

    node: str
    clocks: int
    slots: int
    macs: int


@dataclass
class ClockModel:
    """Replays a compiled program.

    Parameters
    ----------
    config : EngineConfig
        Shape of the engine.
    """

    config: EngineConfig
    now: int = 0
    taken: set[int] = field(default_factory=set)
    last_taken: int = -1
    # The pass that is streaming: its slots still to be issued, and the clock of the next one at the earliest.
    slots_left: int = 0
    next_slot: int = 0
    pause_until: int = 0
    pass_is_last: bool = False
    ready_at: int = 0
    drain_at: int = 0
    slots: int = 0
    # Clocks of the slots of this pass, and of the one before, whose sums it needs.
    issued: list[int] = field(default_factory=list)
    before: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fetch = timing.fetch(self.config)
        self._write = timing.write(self.config)
        self._words = instruction_words(self.config)

    def run(self, layers: Sequence[LayerPlan]) -> tuple[int, list[LayerClocks]]:
        """Return the clocks of an inference, and of every layer."""
        ends = []
        for layer in layers:
            self._instruction()  # OPERAND
            # Slots of the layer before are still being issued, under its reservations.
            self._wait_until_stored()
            ends.append((self.now, self.slots))
            self.layer = layer
            self.wanted = self._wanted(layer)
            self.now += 1
            self._instruction()  # RESULT
            self.now += 1
            if layer.view is not None:
                self._instruction()  # VIEW
                self.now += 1
            for strip in range(layer.strips):
                for tile in layer.strip_tiles(strip) if layer.serpentine else layer.tiles:
                    for i, step in enumerate(tile.passes):
                        last = i == len(tile.passes) - 1
                        if last:
                            self._instruction()  # TILE
                            self._wait_until_stored(of_last_pass=True)
                            self.now += 1
                        self._instruction()  # PASS
                        self.now += 1
                        self._hand_over(step.weights is not None)
                        self._start(first=i == 0, last=last)
                if layer.looped and self.config.strip_loops:
                    self._instruction()  # STRIP
                    self.now += 1
                    self._instruction()  # LOOP
                    self.now += 1 if strip == layer.strips - 1 else 2
        self._instruction()  # END
        self._wait_until_stored()
        ends.append((self.now, self.slots))
        # A layer ends when all its results are stored, while the next one's first instruction is waiting.
        begins = [(0, 0), *ends[1:-1]]
        report = [
            LayerClocks(layer.node, end - begin, slots_after - slots_before, layer.macs)
            for layer, (begin, slots_before), (end, slots_after) in zip(layers, begins, ends[1:], strict=True)
        ]
        return self.now, report

    # -- the sequencer: every method leaves ``now`` at the clock of its next state ---------------------

    def _instruction(self) -> None:
        for _ in range(self._words):
            self._read()
            self._advance(self.now + self._fetch)

    def _read(self) -> None:
        """Take the read port in the first free clock, before any operand."""
        if self.config.program_words:
            # The program's memory has a port of its own.
            self._issue_until(self.now + 1)
            self.now += 1
            return
        while self.now in self.taken:
            self._advance(self.now + 1)
        self._issue_until(self.now)
        if self.next_slot <= self.now:
            self.next_slot = self.now + 1
        self.now += 1

    def _hand_over(self, weights: bool) -> None:
        """Wait until the running pass has issued its last slot; read the weights, with the last word goes the pass."""
        self._issue_all()
        if not weights:
            self._advance(self.now + 1)
        for _ in range(self.config.weight_words if weights else 0):
            self._read()

    def _start(self, *, first: bool, last: bool) -> None:
        """Begin a pass; it was handed over in the clock before ``now``."""
        self.before, self.issued = [] if first else self.issued, []
        self.slots_left = self.layer.pixels
        self.pass_is_last = last
        self.next_slot = self.now

    def _wait_until_stored(self, *, of_last_pass: bool = False) -> None:
        """Wait until no slot is left (``of_last_pass``: none whose sums are complete) and every result is stored."""
        if self.pass_is_last or not of_last_pass:
            self._issue_all()
        self._advance(max(self.now, self.drain_at))

    # -- the address generator ---------------------------------------------------------------------------

    def _advance(self, clock: int) -> None:
        self._issue_until(clock)
        self.now = clock

    def _issue_all(self) -> None:
        """Issue what is left of the pass: the sequencer waits for its last slot, and for the clock behind it."""
        while self.slots_left:
            self._issue(self._slot_clock(), self.slots_left)
        self.now = max(self.now, self.ready_at)

    def _issue_until(self, clock: int) -> None:
        """Issue all slots of clocks before ``clock``."""
        while self.slots_left:
            at = self._slot_clock()
            if at >= clock:
                return
            self._issue(at, clock - at)

    def _issue(self, at: int, most: int) -> None:
        """Issue the next slot in clock ``at``, and up to ``most`` in a row where nothing is in their way."""
        count = 1
        if not self.pass_is_last and at > self.last_taken:
            count = min(most, self.slots_left)
        done, last = len(self.issued), at + count - 1
        # What an instruction takes keeps two passes apart even where a map has one pixel. Slots in a row come no
        # slower than those before, so the last one is the nearest.
        if self.before and last < self.before[done + count - 1] + timing.psum_loop(self.config):
            raise CompileError(
                f"layer {self.layer.node!r} of {self.layer.pixels} pixels needs a partial sum before it is stored, "
                f"with {self.config.columns_per_requantizer} columns a requantiser"
            )
        self.issued += range(at, at + count)
        self.slots += count
        self.slots_left -= count
        self.next_slot = last + 1
        if self.pass_is_last:
            self.drain_at = at + 1 + self._write
            self.pause_until = at + self.config.columns_per_requantizer
            for offset in self.wanted:
                self.taken.add(at + offset)
                self.last_taken = max(self.last_taken, at + offset)
        if not self.slots_left:
            self.ready_at = last + 1

    def _slot_clock(self) -> int:
        """Return the first clock in which the next slot can be issued."""
        at = max(self.next_slot, self.pause_until)
        if at > self.last_taken:
            return at
        if not self.pass_is_last:
            while at in self.taken:
                at += 1
            return at
        while at in self.taken or any(at + offset in self.taken for offset in self.wanted):
            at += 1
        return at

    def _wanted(self, layer: LayerPlan) -> list[int]:
        """Port clocks that a last slot reserves, relative to its own."""
        wanted = []
        if layer.residual is ResidualMode.ADD:
            wanted.append(timing.residual_read(self.config))
        elif layer.residual is ResidualMode.MAXIMUM:
            wanted.append(timing.maximum_read(self.config))
        if self.config.single_port and not layer.classes:
            wanted.append(self._write)
        return wanted


def predicted_clocks(layers: Sequence[LayerPlan], config: EngineConfig) -> tuple[int, list[LayerClocks]]:
    """Return the clocks of an inference and of every layer; see :class:`ClockModel`.

    Raises
    ------
    CompileError
        If a layer would need a partial sum before it is stored.
    """
    return ClockModel(config).run(layers)

"""Everything the systolic engine is generated from."""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass
from typing import Any, get_type_hints

from hw.graph import Alphabet

SHORTEST_WORD = 32
"""Bits of a memory word, at least: an instruction has a few of them."""


class MemoryKind(enum.Enum):
    """How the engine's main memory is built.

    ``BLOCK`` is on-chip block RAM with one read and one write port, initialised by the bitstream where
    the device allows it. ``SPRAM`` is the iCE40 UP5K's single-ported 4 x 16k x 16 bit RAM, which a
    bitstream cannot initialise.
    """

    BLOCK = "block"
    SPRAM = "spram"


@dataclass(frozen=True)
class EngineConfig:
    """Parameters of one engine. Area depends on these only, never on the network.

    Parameters
    ----------
    rows, cols : int
        Shape of the array. ``rows`` is even (cells are built in vertical pairs) and a multiple of
        ``cols``: one memory word holds one activation for every row, a column tile writes ``cols`` of them.
    activation_bits : int
        Width of a stored activation and of a lane of a memory word, 2 to 8.
    alphabet : Alphabet
        The weight codes the cells understand. A layer may use any weights whose values are in it.
    acc_width : int
        Width of the partial sums below the array, in bits. The compiler refuses a layer that needs more.
    scaled_width : int
        Width of ``T``, the sum that the requantiser rounds (``hw.graph.Rescale``), in bits.
    output_shift : int
        ``S`` of every channel in gates: the compiler scales ``T`` so that one constant shift serves all.
    max_scale_shift : int
        Largest ``P`` (after scaling to ``output_shift``) the requantisers can do.
    min_residual_shift, max_residual_shift : int
        Range of ``K`` (after scaling) the requantisers can do.
    columns_per_requantizer : int
        Columns that share a requantiser; also the least number of clocks between two results.
    psum_depth : int
        Output pixels whose partial sums fit at once; larger maps run in strips. A power of two.
    constant_depth : int
        Column tiles of a whole network whose output constants fit.
    memory_words : int
        Words of main memory (``rows * activation_bits`` bits each).
    memory : MemoryKind
        How main memory is built.
    program_words : int
        Words of a program memory beside main memory; 0 if the program lies in main memory. A program memory is read
        without disturbing the operands, and once for all clusters.
    clusters : int
        Copies of memory, array and requantisers that work on different images at the same time. More than one needs a
        program memory.
    tile_rows, tile_cols : int
        Shape of a tile. Cells of a tile share activation registers and add in a tree; between tiles there are only
        wires to the neighbour. Small tiles run at a higher clock, large ones take fewer registers.
    registered_ram : bool
        Whether a register follows every RAM's output: needed where the RAM answers late in a clock.
    coordinate_bits : int
        Width of map coordinates and sizes.
    step_bits, stride_bits, class_bits : int
        Width of steps from pixel to pixel in memory words, of strides in pixels, and of the number of classes.
    mixed_bits : bool
        Whether stored maps may have fewer bits than ``activation_bits``.
    max_pool : bool
        Whether the requantisers can compare with a stored activation.
    argmax : bool
        Whether the engine finds the class itself; the logits come out in any case.
    image_planes : int
        2: the engine also takes images of up to ``2 * activation_bits`` bits, as a plane of their high and one of their
        low bits, whose sums are joined in the accumulators.
    strip_loops : bool
        Whether a program can repeat a layer's passes strip by strip (``STRIP``, ``LOOP``). Without, the compiler writes
        every strip out: about a hundred logic cells less, for memory words.
    circular : bool
        Whether maps can wrap around, and be read from one of four phases (``VIEW``).
    norm_bits : int
        Width of the sums that say which phase of a map is the largest, 0 without: polyphase sampling. One cluster only,
        as every image has its own phase.
    table : bool
        Whether results can go through a table (tanh): those of one requantiser, as tables are rare.
    watchdog_bits : int
        An inference that is not done after ``2^watchdog_bits`` clocks is stopped with an error.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or the parameters do not fit together.
    """

    rows: int
    cols: int
    activation_bits: int
    alphabet: Alphabet
    acc_width: int
    scaled_width: int
    output_shift: int
    max_scale_shift: int
    min_residual_shift: int
    max_residual_shift: int
    columns_per_requantizer: int
    psum_depth: int
    constant_depth: int
    memory_words: int
    memory: MemoryKind
    tile_rows: int = 2
    tile_cols: int = 2
    registered_ram: bool = True
    coordinate_bits: int = 11
    step_bits: int = 12
    stride_bits: int = 4
    class_bits: int = 10
    mixed_bits: bool = True
    max_pool: bool = True
    argmax: bool = True
    program_words: int = 0
    clusters: int = 1
    watchdog_bits: int = 24
    image_planes: int = 1
    strip_loops: bool = True
    circular: bool = False
    norm_bits: int = 0
    table: bool = False

    def __post_init__(self) -> None:
        def need(ok: bool, what: str) -> None:
            if not ok:
                raise ValueError(f"engine configuration: {what}")

        for name, kind in get_type_hints(type(self)).items():
            value = getattr(self, name)
            good = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
            need(good, f"{name} must be of type {kind.__name__}, got {value!r:.40}")
        need(2 <= self.activation_bits <= 8, f"activation_bits must be 2..8, got {self.activation_bits}")
        need(self.rows >= 2 and self.rows % 2 == 0, f"rows must be even, got {self.rows}")
        need(
            self.cols >= 1 and self.rows % self.cols == 0,
            f"rows must be a multiple of cols, got {self.rows} x {self.cols}",
        )
        need(self.lane_sets <= 4, f"rows must be at most four times cols, got {self.rows} x {self.cols}")
        need(
            self.alphabet.bits <= self.activation_bits,
            f"a {self.alphabet.bits}-bit weight code does not fit a lane of {self.activation_bits} bits",
        )
        need(8 <= self.watchdog_bits <= 31, f"watchdog_bits must be 8..31, got {self.watchdog_bits}")
        need(self.image_planes in (1, 2), f"image_planes must be 1 or 2, got {self.image_planes}")
        need(
            self.image_planes == 1 or self.activation_bits <= 4,
            f"two image planes need activations of at most 4 bits, got {self.activation_bits}",
        )
        need(
            self.word_bits >= SHORTEST_WORD,
            f"a memory word needs {SHORTEST_WORD} bits or more, got {self.word_bits}",
        )
        need(8 <= self.acc_width <= 32, f"acc_width must be 8..32, got {self.acc_width}")
        need(
            self.output_shift + 2 <= self.scaled_width <= 48,
            f"scaled_width must be output_shift + 2 .. 48, got {self.scaled_width}",
        )
        need(0 <= self.max_scale_shift <= 31, f"max_scale_shift must be 0..31, got {self.max_scale_shift}")
        need(
            0 <= self.min_residual_shift <= self.max_residual_shift <= 31,
            f"residual shifts must be 0 <= min <= max <= 31, got {self.min_residual_shift}, {self.max_residual_shift}",
        )
        need(
            _power_of_two(self.tile_rows) and self.tile_rows >= 2 and self.rows % self.tile_rows == 0,
            f"tile_rows must be a power of two from 2 that divides {self.rows}, got {self.tile_rows}",
        )
        need(
            self.tile_cols >= 1 and self.cols % self.tile_cols == 0,
            f"tile_cols must divide {self.cols}, got {self.tile_cols}",
        )
        need(
            _power_of_two(self.columns_per_requantizer) and self.cols % self.columns_per_requantizer == 0,
            f"columns_per_requantizer must be a power of two that divides {self.cols}, "
            f"got {self.columns_per_requantizer}",
        )
        need(
            _power_of_two(self.psum_depth) and 16 <= self.psum_depth <= 1024,
            f"psum_depth must be a power of two from 16 to 1024, got {self.psum_depth}",
        )
        need(4 <= self.coordinate_bits <= 11, f"coordinate_bits must be 4..11, got {self.coordinate_bits}")
        for name, most in (("step_bits", 12), ("stride_bits", 4), ("class_bits", 10)):
            need(1 <= getattr(self, name) <= most, f"{name} must be 1..{most}, got {getattr(self, name)}")
        need(1 <= self.constant_depth <= 1024, f"constant_depth must be 1..1024, got {self.constant_depth}")
        need(64 <= self.memory_words <= 65536, f"memory_words must be 64..65536, got {self.memory_words}")
        need(
            self.program_words == 0 or 64 <= self.program_words <= 65536,
            f"program_words must be 0 or 64..65536, got {self.program_words}",
        )
        need(1 <= self.clusters <= 16, f"clusters must be 1..16, got {self.clusters}")
        need(self.clusters == 1 or self.program_words > 0, "clusters need a program memory (program_words)")
        need(0 <= self.norm_bits <= 32, f"norm_bits must be 0..32, got {self.norm_bits}")
        if self.norm_bits:
            need(self.circular, "polyphase sampling (norm_bits) needs circular")
            need(self.clusters == 1, "polyphase sampling (norm_bits) needs one cluster: every image has its own phase")
            need(self.columns_per_requantizer >= 2, "polyphase sampling (norm_bits) needs columns_per_requantizer of 2")
            need(
                self.cols <= 16 or self.registered_ram,
                f"polyphase sampling (norm_bits) needs up to 16 cols, or registered_ram; got {self.cols}",
            )
        if self.memory is MemoryKind.SPRAM:
            need(self.program_words == 0, "SPRAM holds the program too: program_words must be 0")
            need(self.word_bits == 64, f"SPRAM makes 64-bit words, got {self.word_bits}")
            need(self.activation_bits in (4, 8), "SPRAM write masks need 4- or 8-bit activations")
            need(self.memory_words <= 16384, f"SPRAM holds 16384 words, got {self.memory_words}")

    @property
    def word_bits(self) -> int:
        """Width of a main-memory word in bits: one activation a row."""
        return self.rows * self.activation_bits

    @property
    def lane_codes(self) -> int:
        """Weight codes in one lane of a word of weights: as many as fit, of neighbouring columns of one tile."""
        codes = 1
        while 2 * codes * self.alphabet.bits <= self.activation_bits and self.tile_cols % (2 * codes) == 0:
            codes *= 2
        return codes

    @property
    def code_pitch(self) -> int:
        """Bits from one weight code of a lane to the next."""
        return self.activation_bits // self.lane_codes

    @property
    def weight_words(self) -> int:
        """Memory words of the weights of one pass."""
        return self.cols // self.lane_codes

    @property
    def groups(self) -> int:
        """Tiles from left to right; the columns of group ``g`` work ``g`` clocks after those of group 0."""
        return self.cols // self.tile_cols

    @property
    def tiles_down(self) -> int:
        """Tiles from top to bottom."""
        return self.rows // self.tile_rows

    @property
    def lane_sets(self) -> int:
        """Column tiles that fill one memory word."""
        return self.rows // self.cols

    @property
    def address_bits(self) -> int:
        """Width of a main-memory address in bits."""
        return max(1, (self.memory_words - 1).bit_length())

    @property
    def program_bits(self) -> int:
        """Width of a program address in bits."""
        return max(1, ((self.program_words or self.memory_words) - 1).bit_length())

    @property
    def single_port(self) -> bool:
        """Whether reads and writes of main memory share one port."""
        return self.memory is MemoryKind.SPRAM

    @property
    def shares_word(self) -> bool:
        """Whether images, programs and results share the register of the memory's write data, which shifts lanes in.

        So it is where logic cells are few and the image loader is near.
        """
        return self.clusters == 1 and not self.registered_ram

    @property
    def signs_apart(self) -> bool:
        """Whether every product has its own sign, see :class:`~hw.systolic.processing_element.CellPair`.

        So it is on an ECP5, whose adders have their tables before the carry: a complemented sum would need others.
        """
        return self.registered_ram and self.alphabet.shifts

    @property
    def requantizers(self) -> int:
        """Number of requantisers."""
        return self.cols // self.columns_per_requantizer

    @property
    def late_addend_bits(self) -> int:
        """Lowest bits of an output's addend that are read a clock later than the others, so that they need no register.

        No residual operand may reach them, and a memory of their own may take no more block RAMs (iCE40: 4,096 bits, up
        to 16 wide). Where block RAM has a register of its own there would be none to save.
        """
        if self.registered_ram:
            return 0
        units = max(1, self.tile_cols // self.columns_per_requantizer)
        deep = (self.constant_depth * self.columns_per_requantizer - 1).bit_length()
        wide = 16 >> min(3, max(0, deep - 8))
        whole = self.scaled_width + max(1, self.max_scale_shift.bit_length())

        def blocks(bits: int) -> int:
            return -(-units * bits // wide)

        most = min(self.min_residual_shift, self.scaled_width - 1)
        return next(n for n in range(most, -1, -1) if blocks(n) + blocks(whole - n) == blocks(whole))

    @property
    def result_skew(self) -> int:
        """Clocks from the first column's result to the last one's."""
        return (self.cols - self.columns_per_requantizer) // self.tile_cols + self.columns_per_requantizer - 1

    def to_json(self) -> dict[str, Any]:
        """Return the parameters as JSON types."""
        return {**asdict(self), "alphabet": str(self.alphabet), "memory": self.memory.value}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> EngineConfig:
        """Build a configuration from :meth:`to_json`'s result; ``ValueError`` if a field is wrong."""
        try:
            return cls(
                **{
                    **fields,
                    "alphabet": Alphabet.parse(fields["alphabet"]),
                    "memory": MemoryKind(fields["memory"]),
                }
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"engine configuration: {error}") from error


def _power_of_two(n: int) -> bool:
    return n >= 1 and n & (n - 1) == 0

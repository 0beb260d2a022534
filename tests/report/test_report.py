"""The page about a build says what the build's files say, and needs nothing from anywhere."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from bitstreams.boards import board_by_name
from hw.graph import digest, load
from hw.systolic.build import BuildError, generate
from report.facts import collect
from report.page import render, write_report

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser


def made(folder, name="digits", board="ulx3s_85f"):
    return generate(load(f"examples/{name}.s3net"), board, board_by_name(board).device, folder)


PATH = [
    {"delay": 0.5, "type": "clk-to-q", "from": {}, "to": {"cell": "engine.a_TRELLIS_FF_Q"}},
    {"delay": 1.25, "type": "routing", "from": {}, "net": "engine.a[3]", "to": {"cell": "link.b_LUT4_A"},
     "sources": ["/elsewhere/checkout/hw/bus/link.py:12", "/elsewhere/other.py:3"]},
    {"delay": 0.25, "type": "logic", "from": {}, "to": {"cell": "link.b_LUT4_A_1"}},
]  # fmt: skip


def place(folder):
    """Write what ``synth`` writes."""
    (folder / "board").mkdir()
    speeds = {"1": 130.0, "2": 125.5, "3": 140.0}
    result = {"luts": 7000, "brams": 26, "sprams": 0, "dsps": 0, "clock_mhz": 120.0,
              "fmax_mhz": {"min": 125.5, "median": 130.0, "max": 140.0, "seeds": speeds}}  # fmt: skip
    (folder / "board" / "result.json").write_text(json.dumps(result))
    slow = {"from": "posedge clk", "to": "posedge clk", "path": PATH}
    other = {"from": "async", "to": "posedge clk", "path": PATH * 3}
    (folder / "board" / "seed2.json").write_text(json.dumps({"critical_paths": [other, slow]}))
    (folder / "board" / "floorplan.json").write_text(json.dumps(PLAN))


PLAN = {
    "parts": {"array": 40, "requantisers": 8},
    "tiles": [[1, 2, "array", 8], [2, 2, "requantisers", 8], [1, 3, "array", 8]],
    "memories": [[4, 5]],
    "y_up": True,
}


@pytest.mark.parametrize(
    ("name", "board"), [("resnet8", "icebreaker"), ("digits-mlp", "hx8k_evn"), ("digits", "ulx3s_85f")]
)
def test_every_layer_is_there_and_the_page_needs_nothing(name, board, tmp_path):
    build = made(tmp_path, name, board)
    facts = collect(build, board_by_name(board))
    page = write_report(facts, tmp_path)
    text = page.read_text()
    assert page.stat().st_size < 300_000 and "http" not in text and "<script" not in text and "url(" not in text
    parser = parsed(text)
    assert not {key for key, _ in parser.attributes} & {"src", "href"}
    said = " ".join(parser.text)
    for node in build.compiled.network.nodes:
        assert node.name in said
    assert f"{build.compiled.predicted_cycles:,}" in said and "Not simulated yet" in said and "Not placed yet" in said
    assert json.loads((tmp_path / "report.json").read_text())["speed"]["cycles"] == build.compiled.predicted_cycles


def test_its_numbers_are_those_of_the_build(tmp_path):
    build = made(tmp_path)
    facts = collect(build, board_by_name("ulx3s_85f"))
    assert sum(layer["clocks"] for layer in facts["layers"]) == facts["speed"]["cycles"]
    network = build.compiled.network
    for node, layer in zip(network.nodes, facts["layers"], strict=True):
        if "weights" in layer:
            assert sum(layer["magnitudes"].values()) == layer["weights"] == node.weight.size
            assert layer["magnitudes"].get(0, 0) == (node.weight == 0).sum()
    # Maps that are kept at the same time have no word in common, but for a result that takes a residual's place.
    maps = facts["memory"]["maps"]
    for a in maps:
        for b in maps:
            together = a["begin"] < b["begin"] < a["end"]
            apart = a["address"] + a["words"] <= b["address"] or b["address"] + b["words"] <= a["address"]
            assert apart or not together, (a, b)
    kept = {m["name"]: (m["begin"], m["end"]) for m in maps}
    assert kept["stem_block.out"] == (0, 2) and kept["image"] == (-1, 0) and kept["pool_average.out"] == (6, 7)
    assert [0, 2] in facts["edges"] and [-1, 0] in facts["edges"]


def test_a_table_has_words_of_its_own(tmp_path):
    maps = collect(made(tmp_path, "digits-invariant"), board_by_name("ulx3s_85f"))["memory"]["maps"]
    kept = {m["name"]: (m["begin"], m["end"]) for m in maps}
    assert kept["stages_1_attention_excite_2,\N{NO-BREAK SPACE}looked up"] == (10, 10)


def test_a_placed_build_has_its_speeds_and_the_slowest_path_in_the_sources_names(tmp_path):
    build = made(tmp_path)
    place(tmp_path)
    facts = collect(build, board_by_name("ulx3s_85f"))
    path = facts["critical_path"]
    assert (path["seed"], path["ns"]) == ("2", 2.0)
    assert [step["to"] for step in path["steps"]] == ["engine.a", "link.b"]
    assert path["steps"][1] == {"to": "link.b", "ns": 1.5, "nets": ["engine.a[3]"], "sources": ["hw/bus/link.py:12"]}
    assert facts["size"][0]["placed"] == 7000 and facts["speed"]["mhz"] == 125.5
    said = " ".join(parsed(render(facts)).text)
    assert "placed 7,000 (8%)" in said and "hw/bus/link.py:12" in said and "elsewhere" not in said
    assert f"{125.5e6 / facts['speed']['cycles']:,.0f}" in said


def test_every_tile_is_drawn_once_in_its_parts_colour(tmp_path):
    build = made(tmp_path)
    assert "Floorplan" not in render(collect(build, board_by_name("ulx3s_85f")))
    place(tmp_path)
    page = render(collect(build, board_by_name("ulx3s_85f")))
    # Six rows, counted from the bottom.
    assert 'd="M1 3h1v1h-1zM1 2h1v1h-1z" fill="#4477aa"' in page and 'd="M2 3h1v1h-1z" fill="#66ccee"' in page
    assert 'd="M4 0h1v1h-1z" fill="#222222"' in page
    assert "array: 40" in page and "requantisers: 8" in page and "RAM: 1" in page


def test_curves_are_of_this_network_or_not_there(tmp_path):
    epochs = [{"epoch": 0, "loss": 2.0}, {"epoch": 1, "loss": 1.0, "accuracy": 0.5}]
    record = {"network": "of another one", "model": "small_resnet", "data": "digits", "method": "s3", "bits": 3,
              "activation_bits": 8, "seed": 0, "accuracy": 0.9911, "integer_accuracy": 0.9911,
              "epochs": epochs}  # fmt: skip
    network = load("examples/digits.s3net")
    device = board_by_name("ulx3s_85f").device

    def page(record):
        build = generate(network, "ulx3s_85f", device, tmp_path, training=json.dumps(record))
        return render(collect(build, board_by_name("ulx3s_85f")))

    assert "<h2>Training" not in page(record)
    said = page({**record, "network": digest(network)})
    assert "99.11% of the test images right, 99.11% as integers" in said
    assert 'points="60.0,10.0 840.0,105.0"' in said and 'points="840.0,105.0"' in said
    generate(network, "ulx3s_85f", device, tmp_path)
    assert not (tmp_path / "training.json").exists()


@pytest.mark.parametrize(("equal", "kind"), [(20, "good"), (19, "bad")])
def test_what_was_checked_is_said_and_a_difference_is_red(equal, kind, tmp_path):
    build = made(tmp_path)
    simulation = {
        "images_checked": 20,
        "images_equal": equal,
        "values_compared": 93020,
        "differences": 20 - equal,
        "cycles": {"predicted": 10958, "simulated": [10958]},
        "first_difference": "image 7" if equal < 20 else None,
    }
    (tmp_path / "simulation.json").write_text(json.dumps(simulation))
    level = {"level": "netlist", "tools": "Yosys", "images": 10, "values": 46510, "differences": 20 - equal}
    (tmp_path / "verification.json").write_text(json.dumps({"levels": [level]}))
    page = render(collect(build, board_by_name("ulx3s_85f")))
    assert f'<p class="{kind}">Simulation: {equal} of 20' in page and "46,510" in page
    assert ("image 7" in page) == (equal < 20)


def test_a_name_is_text_and_not_html(tmp_path):
    facts = collect(made(tmp_path), board_by_name("ulx3s_85f"))
    facts["network"]["name"] = facts["layers"][0]["name"] = "<script>alert(1)</script>"
    page = render(facts)
    assert "<script" not in page and page.count("&lt;script&gt;alert(1)") >= 4


@pytest.mark.parametrize(
    ("file", "verb", "text", "words"),
    [
        ("board/floorplan.json", "synth", '{"parts": {}}', "field 'tiles' is missing"),
        ("training.json", "export", '{"network": ""}', "field 'model' is missing"),
        ("simulation.json", "simulate", "{", "damaged"),
        ("simulation.json", "simulate", '{"cycles": 1}', "field 'images_checked' is missing"),
        ("verification.json", "verify", "[]", "field 'levels' is missing"),
        ("board/result.json", "synth", '{"luts": 1}', "field 'brams' is missing"),
        ("board/seed2.json", "synth", "7", "damaged"),
    ],
)
def test_a_damaged_file_is_named(file, verb, text, words, tmp_path):
    build = made(tmp_path, "digits-mlp")
    place(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(BuildError, match=f"{file}: {words}.*; run shiftforge {verb} again$"):
        collect(build, board_by_name("ulx3s_85f"))


def test_a_multiplier_in_the_netlist_is_said(tmp_path):
    build = made(tmp_path, "digits-mlp")
    assert "Multipliers are counted when" in render(collect(build, board_by_name("ulx3s_85f")))
    place(tmp_path)
    assert '<p class="">Multipliers in the netlist: 0.' in render(collect(build, board_by_name("ulx3s_85f")))
    result = tmp_path / "board" / "result.json"
    result.write_text(result.read_text().replace('"dsps": 0', '"dsps": 3'))
    assert '<p class="bad">Multipliers in the netlist: 3.' in render(collect(build, board_by_name("ulx3s_85f")))


@pytest.mark.skipif(
    shutil.which("chromium") is None, reason="Chromium is a system package; the page's other tests need none"
)
def test_a_browser_shows_it(tmp_path):
    build = made(tmp_path / "build")
    place(tmp_path / "build")
    page = write_report(collect(build, board_by_name("ulx3s_85f")), tmp_path / "build")
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'chromium'}", "--dump-dom",
        page.resolve().as_uri(),
    ]  # fmt: skip
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert shown.count("<svg") == 6 and "engine.a[3]" in re.sub(r"\s+", " ", shown)

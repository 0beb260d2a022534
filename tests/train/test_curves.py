"""What an exported network brings with it of its training."""

import pytest

from hw.graph import digest
from s3train.curves import begin_sitting, log_of, read_epochs, training_record
from s3train.runs import RunError, export_run
from s3train.train import train

LOG = """accuracy,epoch,loss,step,zeros
,0,2.0,1,
,0,1.0,2,0.5
,0,,2,0.25
0.5,1,,4,0.125
,1,0.5,3,
"""


def test_an_epoch_has_its_mean_loss_and_what_was_measured_last(tmp_path):
    (tmp_path / "metrics.csv").write_text(LOG)
    assert read_epochs(tmp_path / "metrics.csv") == [
        {"epoch": 0, "loss": 1.5, "zeros": 0.25},
        {"epoch": 1, "loss": 0.5, "accuracy": 0.5, "zeros": 0.125},
    ]
    assert read_epochs(tmp_path / "nothing.csv") == []


def test_all_sittings_count_and_what_was_repeated_counts_once(tmp_path):
    log = log_of(tmp_path)
    log.parent.mkdir(parents=True)
    begin_sitting(tmp_path)
    assert not list(log.parent.iterdir())
    sittings = (
        # Killed in the second epoch, in the middle of a row.
        "epoch,loss,step,zeros\r\n0,4.0,19,\r\n0,,21,0.5\r\n1,3.0,39,\r\n1,9.0,3",
        "epoch,loss,step\r\n1,2.0,39\r\n1,1.0,41\r\n",
        "epoch,loss,step\r\n2,0.5,59\r\n",
    )
    for text in sittings:
        begin_sitting(tmp_path)
        log.write_bytes(text.encode())
    assert sorted(file.name for file in log.parent.iterdir()) == ["metrics-1.csv", "metrics-2.csv", "metrics.csv"]
    rows = [{"epoch": 0, "loss": 4.0, "zeros": 0.5}, {"epoch": 1, "loss": 1.5}, {"epoch": 2, "loss": 0.5}]
    assert read_epochs(log) == rows
    # A sitting that had nothing left to train writes none.
    begin_sitting(tmp_path)
    assert not log.exists() and read_epochs(log) == rows


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "epoch,loss\nx,1\n", "epoch,loss\n0,much\n"])
def test_a_damaged_log_is_named(text, tmp_path):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(RunError, match=r"metrics\.csv: the run's log is damaged"):
        read_epochs(tmp_path / "metrics.csv")


def test_the_record_is_of_the_exported_network(tmp_path):
    result = train("mlp", "digits", out=tmp_path / "run", data_folder=tmp_path, epochs=2, progress=False)
    network, _, _ = export_run(tmp_path / "run", tmp_path)
    record = training_record(tmp_path / "run", network)
    assert record["network"] == digest(network)
    assert record["integer_accuracy"] == result.integer_accuracy and record["method"] == "s3"
    assert [row["epoch"] for row in record["epochs"]] == [0, 1]
    assert all(row["loss"] > 0 for row in record["epochs"])
    assert record["epochs"][-1]["zeros"] == pytest.approx(result.zeros, abs=1e-6)


def test_a_run_that_is_not_finished_has_none(tmp_path):
    train("mlp", "digits", out=tmp_path / "run", data_folder=tmp_path, epochs=1, progress=False)
    network, _, _ = export_run(tmp_path / "run", tmp_path)
    (tmp_path / "run" / "result.json").unlink()
    with pytest.raises(RunError, match=r"no finished run here \(result\.json is missing\)"):
        training_record(tmp_path / "run", network)

import os
import signal
import subprocess
import sys
import time


def test_an_interrupted_training_says_so_leaves_no_half_file_and_goes_on(tmp_path):
    command = [sys.executable, "-m", "cli.main", "train", "mlp", "--epochs", "30", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    limit = time.monotonic() + 120
    while not (tmp_path / "run" / "last.ckpt").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "run the command again to go on" in errors
    assert not (tmp_path / "run" / "result.json").exists()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert again.returncode == 0, again.stderr
    assert "integer network" in again.stdout
    assert not list((tmp_path / "run").glob(".*"))

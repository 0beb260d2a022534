"""What tests of several folders share."""

import pytest


@pytest.fixture(scope="session")
def simulations(tmp_path_factory, worker_id):
    """The folder of compiled simulations of all tests and processes; what is in one is in its name."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "simulations"
    folder.mkdir(exist_ok=True)
    return folder

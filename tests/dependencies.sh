#!/usr/bin/env bash
# Runs the quick tests with the lowest versions that pyproject.toml allows, and with the latest.
#
# torch stays at the version of constraints.txt in both: another one may pull several gigabytes. The environments are
# made by uv, in a folder that is removed at the end.
#
#     tests/dependencies.sh [lowest|latest]
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$python" -m venv "$work/tools"
"$work/tools/bin/pip" install -q --disable-pip-version-check uv
uv="$work/tools/bin/uv"
grep '^torch==' constraints.txt > "$work/torch.txt"
tests=(tests/graph tests/cli/test_cli.py tests/cli/test_hostile.py tests/systolic/test_components.py tests/train/test_s3.py
    tests/test_whole_file.py tests/test_no_pickle.py
    tests/hostile/test_kills.py::test_two_simulations_share_a_cache_at_once)

for kind in ${1:-lowest latest}; do
    resolution=highest
    [ "$kind" = lowest ] && resolution=lowest-direct
    echo "== $kind dependencies"
    "$uv" pip compile -q --resolution "$resolution" --extra test -c "$work/torch.txt" pyproject.toml -o "$work/$kind.txt"
    "$uv" venv -q -p "$python" "$work/$kind"
    "$uv" pip install -q -p "$work/$kind/bin/python" -r "$work/$kind.txt"
    PYTHONPATH=$PWD "$work/$kind/bin/python" -m pytest -n 2 -p no:cacheprovider -m 'not full' "${tests[@]}"
done

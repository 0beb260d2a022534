#!/bin/sh
# Builds the wheel, installs it into an empty environment and runs the digits demo from an empty folder.
# PYTHON: the interpreter; RELEASE: the folder in which all of it happens.
set -eu
# pip takes a package that it sees on this path for an installed one.
unset PYTHONPATH
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
work=${RELEASE:-$here/build/release}
rm -rf "$work"
mkdir -p "$work/empty"
cd "$here"
echo "== the wheel"
"$python" -m venv "$work/venv"
# A copy, so that the build leaves nothing in the working tree, and the wheel has what is committed.
git archive --format=tar --prefix=source/ HEAD | tar -x -C "$work"
"$work/venv/bin/pip" wheel -q --disable-pip-version-check --no-deps -w "$work" "$work/source"
rm -rf "$work/source"
wheel=$(ls "$work"/shiftforge-*.whl)
version=$("$python" -c "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); print(next(l.split()[1] for n in z.namelist() if n.endswith('METADATA') for l in z.read(n).decode().splitlines() if l.startswith('Version')))" "$wheel")
grep -q "^## \[\($version\|Unreleased\)\]" CHANGELOG.md || { echo "CHANGELOG.md has no entry for $version"; exit 1; }
echo "== an empty environment with $(basename "$wheel")"
"$work/venv/bin/pip" install -q --disable-pip-version-check -c constraints.txt "$wheel"
cp examples/digits.s3net "$work/empty/"
cd "$work/empty"
PATH="$work/venv/bin:$PATH"
"$work/venv/bin/python" -c "import hw, sys; assert hw.__file__.startswith(sys.prefix), hw.__file__"
for arguments in "check digits.s3net --board ulx3s_85f" "plan digits.s3net --board ulx3s_85f" "profile digits.s3net --data digits" \
    "core digits.s3net --bus axi --out core"; do
    echo "== shiftforge $arguments"
    shiftforge $arguments > "$work/out.txt" || { cat "$work/out.txt"; exit 1; }
done
echo "== shiftforge demo"
shiftforge demo
echo "the wheel works: $wheel"

"""Entry point of ``shiftforge``: one thin file a verb."""

from __future__ import annotations

import typer

from cli import (
    boards,
    check,
    compare,
    core,
    demo,
    export,
    flash,
    generate,
    plan,
    profile,
    report,
    run,
    simboard,
    simulate,
    synth,
    train,
    verify,
)

app = typer.Typer(
    name="shiftforge",
    help="A PyTorch network goes in, a chip without a single multiplier comes out.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
)
for module in (
    train,
    export,
    boards,
    check,
    plan,
    profile,
    generate,
    simulate,
    verify,
    synth,
    report,
    compare,
    flash,
    simboard,
    run,
    core,
    demo,
):
    app.command(name=module.__name__.rsplit(".", 1)[-1])(module.run)

if __name__ == "__main__":
    app()

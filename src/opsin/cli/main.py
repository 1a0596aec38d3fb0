"""The command line: `opsin COMMAND`. One file a command; nothing heavy is imported before a command runs."""

import errno
import io
import os
import signal
import sys
from pathlib import Path

import typer

from opsin import __version__, heap, waiting
from opsin.cli import (
    bench,
    claims,
    compare,
    data,
    embed,
    evaluate,
    export,
    history,
    list_,
    plan,
    predict,
    recipes,
    show,
    train,
)
from opsin.errors import OpsinError, leave_to_the_first
from opsin.words import printable

app = typer.Typer(
    help="The landmark networks of image recognition, 1989 to 2022, compared on your own images and machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("compare")(compare.compare)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.command("list")(list_.list_models)
app.command("show")(show.show)
app.command("recipes")(recipes.recipes)
app.command("history")(history.history)
app.command("bench")(bench.bench)
app.command("plan")(plan.plan)
app.command("export")(export.export)
app.command("embed")(embed.embed)
app.command("train")(train.train)
app.add_typer(data.app, name="data")
app.add_typer(claims.app, name="claims")

SHARED = ("train", "evaluate")
"""The commands whose work several processes share."""


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"opsin {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=print_version, is_eager=True),
) -> None:
    """What all commands share."""
    check_processes(str(context.invoked_subcommand))


def check_processes(command: str) -> None:
    """Raises OpsinError where torchrun starts a command many times that does its work alone; the first one says it."""
    rank, size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if command in SHARED or not rank or not size.isdecimal() or int(size) < 2:
        return
    if rank != "0":
        leave_to_the_first(1)
    raise OpsinError(
        f"opsin {command} works in one process, and {size} were started: leave torchrun out (or unset RANK and "
        "WORLD_SIZE); it is for train and evaluate"
    )


class Stopped(BaseException):
    """Ctrl-C. Not a KeyboardInterrupt, which typer would turn into an "Aborted." of its own."""


def stop(signum: int, frame: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second Ctrl-C ends the process at once
    raise Stopped


def main() -> None:
    """Runs a command. What a user can mend is one line on stderr and exit code 1; Ctrl-C is 130."""
    signal.signal(signal.SIGINT, stop)
    for name in ("stdout", "stderr"):  # a service may have none
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names need not be text
    os.environ.update(waiting.settings())  # before torch is imported
    heap.keep()
    try:
        app()
    except OpsinError as error:
        fail(str(error), error.code)
    except Stopped:
        fail("stopped" + ("; the same command again goes on from here" if goes_on() else ""), code=130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        if error.strerror is None or "OPSIN_TRACEBACK" in os.environ:
            raise
        mend = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "name another file or folder"
        where = f" ({str(error.filename)[:200]})" if error.filename else ""
        fail(f"{error.strerror}{where}: {mend}, and start again")


def goes_on() -> bool:
    """Whether the command keeps what it has done, and takes it up again."""
    if sys.argv[1:2] == ["bench"]:
        return "--all" in sys.argv
    return sys.argv[1:2] in (["compare"], ["plan"]) or sys.argv[1:3] == ["claims", "run"]


def fail(line: str, code: int = 1) -> None:
    print("opsin: " + "\n".join(map(printable, line.split("\n"))), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

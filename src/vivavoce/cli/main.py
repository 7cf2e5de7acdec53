"""`vivavoce`: all commands."""

from __future__ import annotations

from typing import Annotated

import typer

from .. import __version__
from . import assistants, conversations, keys, knowledge, secrets, terminal, tools
from .audit import audit
from .doctor import doctor
from .link import link
from .serve import serve
from .talk import talk
from .terminal import out
from .transcribe import transcribe

app = typer.Typer(
    help="Realtime voice assistants, self-hosted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command()(serve)
app.command()(link)
app.command()(talk)
app.command()(transcribe)
app.command()(doctor)
app.command()(audit)
app.add_typer(keys.app, name="keys")
app.add_typer(secrets.app, name="secrets")
app.add_typer(conversations.app, name="conversations")
app.add_typer(assistants.app, name="assistants")
app.add_typer(tools.app, name="tools")
app.add_typer(knowledge.app, name="knowledge")


def _version(asked: bool) -> None:
    if asked:
        out.line(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def version() -> None:
    """Print the version."""
    out.line(__version__)


def main() -> None:
    """Run the command line. Characters that the terminal cannot encode are printed as escapes."""
    terminal.replace_unencodable()
    app()

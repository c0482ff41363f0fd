"""`ttscale lsp`: the language server, for editors."""

from __future__ import annotations

import click
from ttscale.cli.app import command as make_command
from ttscale.cli.faults import Failure


@make_command("ttscale lsp")
@click.option("--stdio", is_flag=True, help="Speak over standard input and output, which is the only way there is.")
def command(stdio: bool) -> None:
    """Serve one editor over standard input and output.

    Editors start this themselves; docs/editors.md says how to set them up.
    """
    try:
        from ttscale.lsp.server import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        from ttscale.cli.install import install_lines

        raise Failure("the language server needs the package pygls", f"run: {install_lines('editor')[-1]}") from error
    import ttscale

    serve(ttscale.__version__)

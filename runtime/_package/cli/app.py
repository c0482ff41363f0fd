"""The table of commands, the group that imports them one by one, and the way every run of the command ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple

import click


class Entry(NamedTuple):
    """One command: its name, the module that holds it as `command`, its panel in the help, and what it does."""

    name: str
    module: str
    panel: str
    summary: str


COMMANDS = (
    Entry("run", "run", "Commands", "Answer one question, or a file of them."),
    Entry("try", "try_data", "Commands", "Find out in minutes what a model makes of a table of questions."),
    Entry("check", "check", "Commands", "Say what is wrong with files, without running anything."),
    Entry("eval", "eval", "Commands", "Measure pipelines: accuracy, cost, and where right answers are lost."),
    Entry("search", "search", "Commands", "Find the best values of parameters for a task and a budget."),
    Entry("plan", "plan", "Commands", "Show what a run may cost before it starts."),
    Entry("graph", "graph", "Commands", "Draw a pipeline as Mermaid, DOT or SVG."),
    Entry("show", "show", "Commands", "Show one stage: what flows through it, its price, prompt and origin."),
    Entry("fmt", "fmt", "Commands", "Lay files out in the one canonical form."),
    Entry("lint", "lint", "Commands", "Say what could be better in files that are right."),
    Entry("test", "test", "Commands", "Run the tests that files contain."),
    Entry("new", "new", "Commands", "Write a program to begin with."),
    Entry("compare", "compare", "More", "Compare pipelines of several files on the same questions."),
    Entry("report", "report", "More", "Lay an evaluation out again, or two side by side."),
    Entry("diff", "diff", "More", "Say how two programs differ, and what that does to their price."),
    Entry("explain", "explain", "More", "Explain an error code, with a failing and a fixed example."),
    Entry("replay", "replay", "More", "Choose again from recorded samples, without a model."),
    Entry("fit", "fit", "More", "Say from recorded samples how many to draw, and which rule to use where."),
    Entry("import", "importing", "More", "Make programs from what other tools keep: Archon's configurations."),
    Entry("export", "exporting", "More", "Write programs as what other tools read: Archon's configurations."),
    Entry("bank", "bank", "More", "Look at the bank of samples; export, import, merge, clean and verify it."),
    Entry("memory", "memory", "More", "Look at what programs remembered; export, import and clear it."),
    Entry("why", "why", "More", "Say which setting made a run generate what another had already."),
    Entry("lock", "lock", "More", "Pin weights and imports by their hashes in tts.lock."),
    Entry("recipe", "recipe", "More", "Find, make, measure and share recipes: programs that run by name."),
    Entry("models", "models", "More", "List known models, or show what one locator stands for."),
    Entry("doctor", "doctor", "More", "Look at this machine: Python, engines, cores, memory, embedded model."),
    Entry("lsp", "lsp", "More", "Serve an editor: messages as you type, completion, hover."),
    Entry("version", "version", "More", "Print the version."),
)


@dataclass
class State:
    """What the options common to all commands said; kept for the handler of failures."""

    debug: bool = field(default_factory=lambda: bool(os.environ.get("TTSCALE_DEBUG")))
    json: bool = False
    allow_python: bool = False
    allow: tuple[str, ...] = ()
    locked: bool = False


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    """Write examples at the end of a help text, as they are."""
    if examples:
        with formatter.section("Example" if len(examples) == 1 else "Examples"):
            for line in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


class Command(click.Command):
    """A command whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(self.examples, formatter)


class Family(click.Group):
    """A command of several, `ttscale models list`, whose help ends with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_examples(self.examples, formatter)


class LazyGroup(click.Group):
    """A group that imports a command's module only when that command is run or its own help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for entry in COMMANDS:
            if entry.name == cmd_name:
                found = import_module(f"ttscale.cli.{entry.module}").command
                assert isinstance(found, click.Command)
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and self.get_command(ctx, name) is None:
            from ttscale.compiler.diagnostics import suggest

            near = suggest(name, self.list_commands(ctx))
            hint = f"did you mean `ttscale {near}`?" if near else "`ttscale --help` lists the commands"
            raise click.UsageError(f"there is no command `{name}`; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for panel in dict.fromkeys(entry.panel for entry in COMMANDS):
            with formatter.section(panel):
                formatter.write_dl([(entry.name, entry.summary) for entry in COMMANDS if entry.panel == panel])


def print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Print the version and stop, for `--version`."""
    if wanted:
        import ttscale

        click.echo(f"ttscale {ttscale.__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`ttscale COMMAND --help` shows the options of a command, with an example.",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=print_version, help="Print it.")
def cli() -> None:
    """Programs that sample, judge and choose on local models."""


def set_debug(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Remember `--debug` for the handler of failures."""
    if wanted:
        ctx.ensure_object(State).debug = True


def set_json(ctx: click.Context, _option: click.Parameter, wanted: bool) -> bool:
    """Remember `--json` for the handler of failures, and pass it on."""
    if wanted:
        ctx.ensure_object(State).json = True
    return wanted


def command(*examples: str, **settings: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a function a command that also takes `--debug`; `examples` end its help."""

    def wrap(function: Callable[..., Any]) -> Command:
        function = click.option(
            "--debug", is_flag=True, expose_value=False, callback=set_debug, help="Show tracebacks of failures."
        )(function)
        return click.command(cls=Command, examples=examples, **settings)(function)

    return wrap


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=set_json, is_eager=True, help="Print JSON for programs."
)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; nothing escapes but what Python raises to end a process."""
    state = State()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = invoke(sys.argv[1:] if arguments is None else list(arguments), state)
        sys.stdout.flush()
        return code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except BrokenPipeError:
        # The reader went away, as in `… | head`; keep the interpreter from complaining when it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Exception, KeyboardInterrupt) as failure:
        from ttscale.cli.faults import report

        return report(failure, debug=state.debug, as_json=state.json)


def invoke(arguments: list[str], state: State) -> int:
    """Run one command, or answer the shell's request for completions."""
    instruction = os.environ.get("_TTSCALE_COMPLETE")
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(cli, {}, "ttscale", "_TTSCALE_COMPLETE", instruction)
    # `cli.main` would end a broken pipe with code 1, which here means that the program is wrong.
    with cli.make_context("ttscale", arguments, obj=state) as context:
        code = cli.invoke(context)
    return code if isinstance(code, int) else 0

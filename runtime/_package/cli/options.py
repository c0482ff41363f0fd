"""Options that several commands take, and the reading of `NAME=VALUE`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import State
from ttscale.cli.console import err
from ttscale.cli.faults import USAGE, Failure

if TYPE_CHECKING:
    from ttscale.runtime.bank.runs import BankRuns

UNSAFE_CODE = "TTSCALE_UNSAFE_CODE"  # read by the sandbox, which the options need not import
CODE_PACKAGES = "TTSCALE_CODE_PACKAGES"  # read by the metric `code`
REPRODUCIBLE = "TTSCALE_REPRODUCIBLE"  # read where models are opened
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _set_allow_python(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Remember `--allow-python` for the reader of files."""
    if wanted:
        ctx.ensure_object(State).allow_python = True


def _state() -> State | None:
    """What the command that runs now was told; None outside a command."""
    ctx = click.get_current_context(silent=True)
    return None if ctx is None else ctx.find_object(State)


def python_allowed() -> bool:
    """Whether the command that runs now may run Python files from outside the program's folder."""
    state = _state()
    return state is not None and (state.allow_python or "python" in state.allow)


def _set_allow(ctx: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> None:
    """Remember what `--allow` grants to recipes. Failure (usage) for what is no capability."""
    from ttscale.compiler.check_trust import WORDS

    for name in names:
        if name not in WORDS and not (name.startswith("env:") and name.removeprefix("env:").isidentifier()):
            hint = f"a variable of the environment is granted as `--allow env:{name}`" if name.isidentifier() else ""
            raise Failure(f"--allow {name}: it takes {', '.join(WORDS)} or env:NAME", hint, USAGE)
    if names:
        ctx.ensure_object(State).allow += names


def granted() -> frozenset[str]:
    """The capabilities that the command that runs now grants to recipes."""
    state = _state()
    python = ("python",) if python_allowed() else ()
    return frozenset((*python, *(() if state is None else state.allow)))


def _set_locked(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Remember `--locked` for those who open programs."""
    if wanted:
        ctx.ensure_object(State).locked = True


def is_locked() -> bool:
    """Whether the command that runs now refuses what differs from tts.lock."""
    state = _state()
    return state is not None and state.locked


locked_option = click.option(
    "--locked",
    is_flag=True,
    expose_value=False,
    callback=_set_locked,
    help="Refuse weights, imports, schemas or recipes that differ from tts.lock.",
)


def python_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """What is granted to a program that comes from somebody else: `--allow-python` and `--allow NAME`."""
    python = click.option(
        "--allow-python",
        is_flag=True,
        expose_value=False,
        callback=_set_allow_python,
        help="Let FILE run Python files that do not stand in its own folder.",
    )
    named = click.option(
        "--allow",
        metavar="NAME",
        multiple=True,
        expose_value=False,
        callback=_set_allow,
        help="Let recipes do this: network, files, code, python or env:NAME; may be repeated.",
    )
    return python(named(function))


def _allow_unsafe_code(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Say, for as long as the command runs, that programs may be run without a sandbox."""
    if wanted:
        _while_it_runs(ctx, UNSAFE_CODE, "1")


def _while_it_runs(ctx: click.Context, name: str, value: str) -> None:
    """Set a variable of the environment until the command ends."""
    before = os.environ.get(name)
    os.environ[name] = value

    def restore() -> None:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before

    ctx.call_on_close(restore)


unsafe_code_option = click.option(
    "--unsafe-code",
    is_flag=True,
    expose_value=False,
    callback=_allow_unsafe_code,
    help="Run programs that models wrote even where there is no sandbox: they can read your files.",
)


def _make_reproducible(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    """Load models, for as long as the command runs, so that nothing else changes how a sample is computed."""
    if wanted:
        _while_it_runs(ctx, REPRODUCIBLE, "1")


reproducible_option = click.option(
    "--reproducible",
    is_flag=True,
    expose_value=False,
    callback=_make_reproducible,
    help="Load GGUF models so that samples do not depend on what runs beside them; slower.",
)


def _allow_packages(ctx: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> None:
    """Say, for as long as the command runs, which packages programs in the sandbox may import."""
    if names:
        _while_it_runs(ctx, CODE_PACKAGES, ",".join(names))


code_package_option = click.option(
    "--code-package",
    metavar="NAME",
    multiple=True,
    expose_value=False,
    callback=_allow_packages,
    help="Let programs that models wrote import an installed package, such as numpy; may be repeated.",
)


def file_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """The one file that a command is about, and whether it may run Python."""
    return click.argument("file", metavar="FILE")(python_option(function))


files_argument = click.argument("files", metavar="FILES...", nargs=-1, required=True)
pipeline_option = click.option(
    "--pipeline", metavar="NAME", help="Which pipeline; default `main`, or the only one of the file."
)
param_option = click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUE", help="Set a parameter, such as n=8; may be repeated."
)
model_option = click.option(
    "--model",
    "models",
    multiple=True,
    metavar="[NAME=]LOCATOR",
    help="Use another model: a .gguf path, pypi:…, hf:…, ollama:… or http://host/v1#name. With one model in the file "
    "NAME may be left out.",
)


def bank_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which bank of samples is asked first, and keeps new ones: `bank` and `no_bank`, to be read by `chosen_bank`."""
    named = click.option(
        "--bank", type=click.Path(path_type=Path), help="The bank of samples to use, made where there is none."
    )
    without = click.option("--no-bank", is_flag=True, help="Neither look for samples in a bank nor keep them there.")
    return named(without(function))


def chosen_bank(bank: Path | None, no_bank: bool) -> BankRuns:
    """The bank that the options name, else the user's own. Failure (usage) for both options, BankError for no bank.

    Where the user's own cannot be opened, that is said, and the work goes on without.
    """
    from ttscale.runtime.bank.place import default_bank
    from ttscale.runtime.bank.runs import BankRuns
    from ttscale.runtime.bank.schema import BankError

    if bank is not None and no_bank:
        raise Failure("--bank and --no-bank contradict each other", code=USAGE)
    if bank is not None or no_bank:
        return BankRuns(bank)
    try:
        return BankRuns(default_bank())
    except BankError as error:
        err(f"note: samples are not kept: {error}")
        return BankRuns(None)


def assignments(texts: Iterable[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping; Failure (usage) where one has no name or two have the same."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise Failure(f"{option} {text}: it takes NAME=VALUE, such as {option} n=8", code=USAGE)
        if name in found:
            raise Failure(f"{option} {name} is given twice", code=USAGE)
        found[name] = value
    return found


def parameters(texts: Iterable[str]) -> dict[str, str]:
    """What `--param` says, by name; the program reads each value as its parameter's type."""
    return assignments(texts, "--param")


def replacements(texts: Iterable[str]) -> dict[str, str]:
    """What `--model` says, by declared name; the name "" stands for the only model of a program.

    A locator may hold `=` itself, so only what looks like a name before the first one counts as a name.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, locator = text.partition("=")
        if not (equals and name.strip().isidentifier()):
            name, locator = "", text
        name = name.strip()
        if not locator.strip():
            raise Failure(f"--model {text}: it takes [NAME=]LOCATOR, such as --model small=x.gguf", code=USAGE)
        if name in found:
            raise Failure(f"--model {name} is given twice" if name else "--model is given twice", code=USAGE)
        found[name] = locator.strip()
    return found

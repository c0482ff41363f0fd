"""Options that several commands take, and the reading of `NAME=VALUE`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from ttscale.cli.faults import USAGE, Failure

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

file_argument = click.argument("file", metavar="FILE")
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

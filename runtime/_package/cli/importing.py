"""`ttscale import`: programs from the formats of other tools."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from ttscale.cli.app import Family, json_option
from ttscale.cli.app import command as make_command
from ttscale.cli.console import err, has_color, out_json, plural, width
from ttscale.cli.faults import USAGE, USER, Failure
from ttscale.cli.options import files_argument

if TYPE_CHECKING:
    from ttscale.compiler.diagnostics import Diagnostic
    from ttscale.compiler.source import SourceFile


@click.group(cls=Family, examples=("ttscale import archon moa.json --output moa.tts",))
def command() -> None:
    """Make programs from what other tools keep."""


@dataclass(frozen=True)
class Imported:
    """What became of one file: the program ("" where none could be made), and everything said about it."""

    file: str
    source: SourceFile
    text: str
    diagnostics: tuple[Diagnostic, ...]

    @property
    def ok(self) -> bool:
        """Whether there is a program."""
        return bool(self.text)


@make_command(
    "ttscale import archon moa.json --output moa.tts",
    "ttscale import archon configs/*.json --output programs/",
    "ttscale import archon moa.json --answer Number | ttscale plan -",
    name="archon",
)
@files_argument
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write here; with several FILES a folder, in which every program has the name of its file.",
)
@click.option("--answer", metavar="TYPE", default="Text", show_default=True, help="The type of answers, as Number.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@json_option
def archon_command(files: tuple[str, ...], output: Path | None, answer: str, force: bool, as_json: bool) -> int:
    """Turn FILES, Archon's configurations in JSON, into programs.

    What a program does not keep, what nothing reads and which order rules of Archon's paper a configuration breaks is
    told on standard error. Exit code 1 where a file is no configuration; the others are written all the same.
    """
    names = list(dict.fromkeys(files))
    into_folder = len(names) > 1 or (output is not None and (output.is_dir() or not output.suffix))
    if len(names) > 1 and output is None and not as_json:
        raise Failure("several files need a folder for their programs", "name it: --output programs/", USAGE)
    found = [imported(name, answer) for name in names]
    written = write_all(found, output, into_folder, force) if output is not None else {}
    code = USER if not all(one.ok for one in found) else 0
    if as_json:
        out_json([as_data(one, written) for one in found])
        return code
    if len(found) == 1:
        show(found[0])
        if output is None:
            sys.stdout.write(found[0].text)
    else:
        show_many(found)
    for path in written.values():
        if len(found) == 1:
            err(f"wrote {path}; `ttscale plan {path}` says what it may cost")
    return code


def imported(name: str, answer: str) -> Imported:
    """The program of one configuration. Raises Failure where `answer` is no type of answers."""
    from ttscale.compiler.diagnostics import CompileError
    from ttscale.compiler.source import SourceFile
    from ttscale.library.archon import broken_rules, read, write
    from ttscale.library.loader import load_source

    try:
        source = load_source(name)
    except CompileError as error:
        told = tuple(replace(one, hint=near_json(name)) for one in error.diagnostics)
        return Imported(name, SourceFile(name, ""), "", told)
    configuration, found = read(source)
    if configuration is None:
        return Imported(name, source, "", tuple(found))
    found += broken_rules(configuration)
    made = write(configuration, file="" if name == "-" else Path(name).name, answer=answer)
    if made.text:
        require_sound(made.text, answer)
    return Imported(name, source, made.text, (*found, *made.diagnostics))


def near_json(name: str) -> str:
    """A hint that names the file that may have been meant."""
    from ttscale.compiler.diagnostics import suggest

    folder = Path(name).parent if not Path(name).is_dir() else Path(name)
    names = sorted(entry.name for entry in folder.glob("*.json"))[:1_000] if folder.is_dir() else []
    near = suggest(Path(name).name, names)
    if near:
        return f"did you mean {folder / near}?"
    return f"name the configurations in it: {folder}/*.json" if names else "name a file in JSON"


def require_sound(text: str, answer: str) -> None:
    """Compile a program that was just made. Failure where `answer` is no type, InternalError where it is and fails."""
    from ttscale.compiler.diagnostics import InternalError
    from ttscale.compiler.driver import compile_source
    from ttscale.compiler.source import SourceFile
    from ttscale.library.loader import FileLoader

    errors = [
        d for d in compile_source(SourceFile("<archon>", text), FileLoader()).diagnostics if d.severity == "error"
    ]
    if not errors:
        return
    if answer != "Text":
        hint = "take Text, Number, Math, Bool, `Choice(yes, no)` or `Code(python)`"
        raise Failure(f"--answer {answer}: {errors[0].message}", hint, USAGE)
    raise InternalError(f"the imported program does not compile: {errors[0].code} {errors[0].message}")


def write_all(found: list[Imported], output: Path, into_folder: bool, force: bool) -> dict[str, Path]:
    """Write the programs; the files by the names of the configurations. Failure where one is there already."""
    if into_folder:
        output.mkdir(parents=True, exist_ok=True)
    places: dict[str, Path] = {}
    for one in found:
        if not one.ok:
            continue
        place = output
        if into_folder:
            stem = re.sub(r"[^\w.+-]+", "_", Path(one.file).name.removesuffix(".json")) if one.file != "-" else "archon"
            place, number = output / f"{stem}.tts", 1
            while place in places.values():
                number += 1
                place = output / f"{stem}-{number}.tts"
        if place.exists() and not force:
            raise Failure(f"{place} is there already", "choose another name, or write over it with --force")
        places[one.file] = place
    for one in found:
        if one.file in places:
            places[one.file].write_text(one.text, encoding="utf-8", newline="\n")
    return places


def as_data(one: Imported, written: dict[str, Path]) -> dict[str, Any]:
    """One file's outcome as plain data."""
    from ttscale.cli.diagnosed import as_data as data_of

    return {
        "file": one.file,
        "ok": one.ok,
        "output": str(written[one.file]) if one.file in written else None,
        "text": one.text,
        "diagnostics": data_of(one.diagnostics, {one.source.name: one.source}),
    }


def gathered(diagnostics: tuple[Diagnostic, ...]) -> list[Diagnostic]:
    """Diagnostics with the same words as one, with how often they were said, at the first place."""
    counts = Counter((d.code, d.message) for d in diagnostics)
    found: dict[tuple[str, str], Diagnostic] = {}
    for one in diagnostics:
        times = counts[one.code, one.message]
        more = f" ({times} times)" if times > 1 else ""
        found.setdefault((one.code, one.message), replace(one, message=one.message + more))
    return list(found.values())


def show(one: Imported) -> None:
    """Everything said about one file, on standard error."""
    from ttscale.cli.diagnosed import rendered

    for diagnostic in gathered(one.diagnostics):
        err(rendered(diagnostic, {one.source.name: one.source}, has_color(sys.stderr), width()))


def show_many(found: list[Imported]) -> None:
    """A line for every file of which there is something to say, errors in full, and the sums."""
    from ttscale.cli.diagnosed import rendered

    sums: Counter[str] = Counter()
    for one in found:
        said = gathered(one.diagnostics)
        words = []
        for code, text in WORDS.items():
            count = sum(d.code == code for d in said)
            sums[code] += bool(count)
            if count and code.startswith("W"):
                words.append(f"{plural(count, text)}" if text.endswith(("key", "hole")) else f"{count} {text}")
        rules = [d.code for d in said if d.code in RULE_NAMES]
        sums.update(set(rules))
        if rules:
            words.append(f"breaks {', '.join(sorted({RULE_NAMES[code] for code in rules}))}")
        for diagnostic in said:
            if diagnostic.severity == "error":
                err(rendered(diagnostic, {one.source.name: one.source}, has_color(sys.stderr), width()))
        if one.ok and words:
            err(f"{one.file}: {'; '.join(words)}")
    fine = sum(one.ok for one in found)
    err(f"\n{plural(fine, 'program')} made of {plural(len(found), 'file')}; {len(found) - fine} are no configurations")
    for code, text in {**{k: v for k, v in SUMMED.items()}, **{k: f"break {v}" for k, v in RULE_NAMES.items()}}.items():
        if sums[code]:
            err(f"{sums[code]:>5}  {text}")
    err("import one file alone, or give --json, for the places")


WORDS = {"W0443": "unread key", "W0444": "not kept", "W0445": "hole"}
SUMMED = {
    "W0443": "have keys that Archon does not read",
    "W0444": "have something that is not kept",
    "W0445": "have holes",
}
RULE_NAMES = {
    "L101": "R1 mixed-layer",
    "L102": "R2 generator-after-first-layer",
    "L103": "R3 critic-before-judge",
    "L104": "R4 judge-alone",
    "L105": "R5 choice-of-one",
    "L107": "R6 tests-before-evaluator",
}

command.add_command(archon_command)

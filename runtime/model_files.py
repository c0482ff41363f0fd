"""The files that make a model: weights, LoRA adapters and a chat template; for locks, resuming and the command line.

files_of(Model("m", "gguf", "a.gguf", (("lora", "b.gguf"),)), Path("here"))
# [("a.gguf", Path("here/a.gguf")), ("b.gguf", Path("here/b.gguf"))]
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ttscale.compiler.ir import Model
from ttscale.compiler.models import GGUF_PREFIXES, option, weights_locator
from ttscale.runtime.engines.llama.digest import file_digest
from ttscale.runtime.engines.llama.options import adapters_of, is_template_text
from ttscale.runtime.models import home_of, load_options, locate, open_engine


def files_of(model: Model, home: Path) -> list[tuple[str, Path]]:
    """Every file of a gguf model, with its locator as it is written; none of the other kinds.

    Relative paths are looked for in `home`. Raises EngineError where one is missing or of the wrong kind.
    """
    if model.kind != "gguf" or model.plugin:
        return []
    found = [(weights_locator(model), locate(model, home))]
    options, given = load_options(model, home), dict(model.options)
    if "lora" in given:
        written = [locator for locator, _ in adapters_of(given["lora"])]
        found += zip(written, (path for path, _ in options.lora), strict=True)
    template = given.get("chat_template")
    if isinstance(template, str) and not is_template_text(template):
        found.append((template, home / Path(template).expanduser()))
    for part in model.beside:
        found += files_of(part, home_of(part, home))
    return found


def answers_digest(model: Model, home: Path) -> str:
    """The digest of all that makes a gguf model's answers, as its engine has it; empty for other kinds."""
    if model.kind != "gguf" or model.plugin:
        return ""
    if model.combine is not None:
        return open_engine(model, home).digest
    return load_options(model, home).identity(file_digest(locate(model, home)), file_digest)


def at_folder(model: Model, folder: Path) -> Model:
    """The gguf model with its relative paths counted from `folder`."""
    if model.kind != "gguf" or model.plugin:
        return model

    def place(locator: str) -> str:
        return locator if locator.startswith(GGUF_PREFIXES) else str((folder / Path(locator).expanduser()).absolute())

    options = dict(model.options)
    if "lora" in options:
        options["lora"] = tuple((place(locator), scale) for locator, scale in adapters_of(options["lora"]))
    template = option(model, "chat_template")
    if isinstance(template, str) and not is_template_text(template):
        options["chat_template"] = place(template)
    return replace(model, locator=place(model.locator), options=tuple(options.items()))

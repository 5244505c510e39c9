"""Delete an app: its stack, names and secrets; its data stays unless it is asked for too."""

from __future__ import annotations

from livchatd.jobs.step import Step, Workflow
from livchatd.steps.apps.delete import (
    ForgetApp,
    MarkApp,
    PurgeData,
    RemoveNames,
    RemoveSecrets,
    RemoveStack,
)
from livchatd.steps.deps import Tools
from livchatd.steps.facts import RemovalLearnt
from livchatd.steps.params import DeleteAppOrder


def delete_app(tools: Tools) -> Workflow[DeleteAppOrder, RemovalLearnt]:
    return Workflow(
        name="delete_app",
        params=DeleteAppOrder,
        learnt=RemovalLearnt,
        steps=lambda order: delete_steps(tools, order),
        result=lambda order, _: {"app_name": order.app_name, "server": {"name": order.server}},
    )


def delete_steps(tools: Tools, order: DeleteAppOrder) -> list[Step[RemovalLearnt]]:
    steps: list[Step[RemovalLearnt]] = [
        MarkApp(key="mark", tools=tools, order=order),
        RemoveStack(key="stack", after=("mark",), tools=tools, order=order),
        RemoveNames(key="names", after=("mark",), tools=tools, order=order),
        RemoveSecrets(key="secrets", after=("stack",), tools=tools, order=order),
    ]
    if order.purge:
        steps.append(PurgeData(key="data", after=("stack",), tools=tools, order=order))
    everything = tuple(step.key for step in steps)
    return [*steps, ForgetApp(key="forget", after=everything, tools=tools, order=order)]

"""Repair what the doctor found: names first, then machines, then the addresses that they had."""

from __future__ import annotations

from livchatd.jobs.step import Step, Workflow
from livchatd.steps.deps import ServerDeps
from livchatd.steps.facts import RepairFacts
from livchatd.steps.params import RepairParams
from livchatd.steps.repair import ActiveServers, DeleteResource, RepairRecord, repair_result


def repair(deps: ServerDeps, active_servers: ActiveServers) -> Workflow[RepairParams, RepairFacts]:
    """Return the workflow; its result says what was repaired, and what was left."""
    return Workflow(
        name="mend",
        params=RepairParams,
        facts=RepairFacts,
        steps=lambda params: repair_steps(deps, active_servers, params),
        result=lambda _, facts: repair_result(facts),
    )


def repair_steps(
    deps: ServerDeps, active_servers: ActiveServers, params: RepairParams
) -> list[Step[RepairFacts]]:
    """Return the steps."""
    known = (deps.inventory, active_servers, deps.installation)
    steps: list[Step[RepairFacts]] = [
        RepairRecord(*known, record, deps.dns, key=f"record.{number}")
        for number, record in enumerate(params.records, start=1)
    ]
    # An address that is released while names still point at it serves whoever gets it next.
    for kind in ("machine", "address", "key"):
        before = tuple(step.key for step in steps)
        resources = [resource for resource in params.things if resource.kind == kind]
        steps += [
            DeleteResource(*known, resource, deps.providers, key=f"{kind}.{number}", after=before)
            for number, resource in enumerate(resources, start=1)
        ]
    return steps

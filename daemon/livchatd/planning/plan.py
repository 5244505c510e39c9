"""The plan of a request: its steps, names, price and time, and the hash that a person agrees to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from livchat.errors import Conflict
from livchat.wire.up import Plan, PricedType
from livchatd.jobs.durations import Durations, critical_path_seconds
from livchatd.jobs.step import Workflow
from livchatd.providers.offer import Offer
from livchatd.steps.params import CreateServerParams, JobParams, UpParams


@dataclass(frozen=True)
class Planner:
    """Makes plans: what the workflow of a request would do, without doing any of it."""

    workflows: Mapping[str, Workflow[Any, Any]]
    durations: Durations

    def plan(self, workflow: str, params: UpParams | CreateServerParams, *, exists: bool) -> Plan:
        """Return what a workflow would do with these parameters; `exists`: the server does."""
        machine, apps = (
            (params.server, params.apps) if isinstance(params, UpParams) else (params, [])
        )
        duration_key = f"{machine.provider}/{machine.server_type}"
        steps = self.workflows[workflow].steps(params)
        seconds = critical_path_seconds(
            (
                step.key,
                step.after,
                self.durations.expected(step.key, duration_key, step.expected_seconds),
            )
            for step in steps
        )
        hosts = {app.app_name: list(dict.fromkeys(app.hosts.values())) for app in apps}
        server = {
            "name": machine.name,
            "provider": machine.provider,
            **machine.model_dump(include={"server_type", "region", "image"}),
        }
        return Plan(
            hash=plan_hash(params),
            server={**server, "exists": exists},
            apps=[app.app_name for app in apps],
            steps=[step.title for step in steps],
            records=[host for names in hosts.values() for host in names],
            urls={app: f"https://{names[0]}/" for app, names in hosts.items() if names},
            price_monthly=machine.price_monthly,
            price_hourly=machine.price_hourly,
            currency=machine.currency,
            sold_out=[_priced(offer) for offer in machine.sold_out],
            fallback=[_priced(offer) for offer in machine.fallback],
            estimated_seconds=round(seconds, 1),
        )


def check_plan_hash(agreed: str | None, params: UpParams | CreateServerParams) -> None:
    """Raise `Conflict` unless these parameters have the hash that was agreed to; None is any."""
    if agreed is None or agreed == plan_hash(params):
        return
    machine = params.server if isinstance(params, UpParams) else params
    raise Conflict(
        f"what was agreed to is not what there is now: {machine}",
        hint="look at the plan again with --plan, then agree to it",
        details={"plan_hash": plan_hash(params), "order": params.model_dump(mode="json")},
    )


def plan_hash(params: JobParams) -> str:
    """Return the SHA-256 of the parameters: all that would be done, and what it costs."""
    canonical = json.dumps(params.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return sha256(canonical.encode()).hexdigest()


def _priced(offer: Offer) -> PricedType:
    return PricedType.model_validate(offer.model_dump())

"""The apps of a deployment: what they need first, their hosts, and their parameters checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from livchat.errors import InvalidRequest
from livchat.wire.apps import AppStatus
from livchatd.catalog.catalog import App, Catalog
from livchatd.catalog.dependencies import app_offering, deployment_order
from livchatd.catalog.params import resolve_params, secret_params
from livchatd.catalog.render import hosts_for
from livchatd.credentials.app_secrets import SecretValues
from livchatd.steps.apps.stack_inputs import SUPPORTED_CAPABILITIES
from livchatd.steps.params import AppParams
from livchatd.steps.site import Site
from livchatd.storage.inventory import AppRecord

Scalar = str | int | float | bool


@dataclass(frozen=True)
class TargetServer:
    """A server as apps are planned for it: its site, and what it has of apps already.

    `secret_values` are those that the vault keeps for its apps, by app and parameter.
    """

    site: Site
    installed: Mapping[str, AppRecord]
    secret_values: SecretValues

    @property
    def site_values(self) -> dict[str, str]:
        """The values that a parameter takes by its `default_from`."""
        site = self.site
        return {"email": site.ssl_email, "timezone": site.timezone, "domain": site.domain}


@dataclass(frozen=True)
class AppsPlan:
    """Apps to be deployed, each after those that it needs.

    `secret_values` are new ones among the values that were given, by app and parameter: they are
    for the vault, since a job's parameters are shown.
    """

    apps: list[AppParams]
    secret_values: SecretValues


def plan_apps(
    catalog: Catalog,
    requested: Sequence[str],
    given_values: Mapping[str, Mapping[str, Scalar]],
    server: TargetServer,
) -> AppsPlan:
    """Return the requested apps with what they need. Values given at an earlier deployment stay.

    Raises `InvalidRequest` for values of an app that is not requested, values that do not fit, and
    a capability that nothing can prepare; `NotFound` for an unknown app.
    """
    others = sorted(set(given_values) - set(requested))
    if others:
        raise InvalidRequest.field(
            "config", f"{others[0]} is not among the apps that are asked for"
        )
    # An app that failed or is being deleted does not count as installed: it is deployed again.
    installed = [name for name, app in server.installed.items() if app.status is AppStatus.RUNNING]
    names = deployment_order(catalog, list(requested), installed)
    _check_capabilities([catalog.app(name) for name in names])
    plan = AppsPlan([], {})
    for name in names:
        app = catalog.app(name)
        before = server.installed.get(name)
        values = {**(before.config if before else {}), **given_values.get(name, {})}
        resolve_params(
            app.spec, {**server.secret_values.get(name, {}), **values}, server.site_values
        )
        secret = secret_params(app.spec) & values.keys()
        if secret:
            plan.secret_values[name] = {key: _text(values[key]) for key in sorted(secret)}
        plan.apps.append(
            AppParams(
                app_name=name,
                title=app.title,
                config={key: value for key, value in values.items() if key not in secret},
                hosts=hosts_for(app, server.site.subdomain, server.site.zone_name),
                needs=[app_offering(catalog, need, [*installed, *names]).id for need in app.needs],
            )
        )
    return plan


def _check_capabilities(apps: Sequence[App]) -> None:
    """Raise `InvalidRequest` for an app that needs a capability which no step can prepare."""
    for app in apps:
        for use in app.spec.uses.values():
            if use.capability not in SUPPORTED_CAPABILITIES:
                raise InvalidRequest.field(
                    "apps",
                    f"{app.title} needs {use.capability}, which cannot be prepared for it yet",
                    hint="livchat app catalog",
                )


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""The choice of a machine: from what a provider sells now to the parameters of a purchase."""

from __future__ import annotations

import asyncio

from livchat.errors import Forbidden, InvalidRequest, ProviderError, Unauthorized
from livchat.wire.servers import CreateServer, ServerStatus
from livchatd.providers.base import Provider
from livchatd.providers.choose import Requirements, select_offers
from livchatd.steps.params import CreateServerParams
from livchatd.storage.inventory import ServerRecord

OWN = "own"


async def choose_machine(provider: Provider, request: CreateServer) -> CreateServerParams:
    """Choose type, region and image from what the provider sells now, fallbacks included.

    Raises `InvalidRequest` for what the provider never has, `SoldOut` for what it does not have
    now, both with what it has instead, and `ProviderError` if it refuses our token.
    """
    if provider.name == OWN:
        raise InvalidRequest.field(
            "provider",
            "a machine of your own is added, not created",
            hint=f"livchat server add {request.name} --host ADDRESS",
        )
    try:
        types, images = await asyncio.gather(provider.server_types(), provider.images())
    except (Unauthorized, Forbidden) as error:
        raise token_refused(provider.name, error) from error
    first = Requirements(request.server_type, request.region, request.cpu, request.ram)
    others = [first.with_alternative(one.server_type, one.region) for one in request.fallback]
    selection = select_offers(types, images, first, others, request.image)
    return CreateServerParams(
        name=request.name,
        provider=provider.name,
        sold_out=list(selection.sold_out),
        fallback=list(selection.fallback),
        **selection.chosen.model_dump(),
    )


def params_of_existing(record: ServerRecord) -> CreateServerParams:
    """Return the parameters that a server was created with: nothing is chosen again."""
    return CreateServerParams(
        name=record.name,
        provider=record.provider,
        server_type=record.server_type or "",
        region=record.region or "",
        image=record.image or "",
        price_monthly=record.price_monthly,
        currency=record.currency,
    )


def pending_server_record(params: CreateServerParams, created_at: str) -> ServerRecord:
    """Return the record that takes the server's name before its machine is bought."""
    return ServerRecord(**params.model_dump(), status=ServerStatus.CREATING, created_at=created_at)


def token_refused(provider: str, error: Exception) -> ProviderError:
    """Return the error for a provider that refuses the token kept for it.

    It is no 401: the token of whoever sends the request is fine.
    """
    return ProviderError(
        f"{provider} refuses the token that is kept for it: {error}",
        hint=f"livchat config provider {provider}",
    )

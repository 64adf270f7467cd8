"""What a user has to mend so that a server takes requests, told with what the server has."""

from __future__ import annotations

import msgspec

from earmark.annotate.backends.base import Refusal
from earmark.annotate.backends.endpoint.client import Client, Reply
from earmark.annotate.backends.endpoint.config import EndpointConfig
from earmark.annotate.backends.endpoint.replies import Mistake, refused
from earmark.config import ConfigError, nearest


class _Model(msgspec.Struct, frozen=True):
    id: str


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


async def explain(
    mistake: Mistake, url: str, config: EndpointConfig, client: Client
) -> ConfigError | Refusal:
    """Return what tells the user what to do, or a refusal if it is the prompt's fault after all."""
    match mistake.status:
        case 401 | 403:
            return ConfigError(f"{url} answered {mistake.detail}. {_about_key(config)}")
        case 400 | 404 | 422:
            return await _about_model(mistake, url, config, client)
        case 402:
            return ConfigError(f"{url} wants to be paid first: {mistake.detail}")
        case _:
            return ConfigError(
                f"{url} answered {mistake.detail}. The base URL in urls is probably wrong: "
                f"requests go to {url}/chat/completions."
            )


def _about_key(config: EndpointConfig) -> str:
    if config.api_key_variable is None:
        return (
            "It wants a key: put it into an environment variable and name that in the recipe, "
            'api_key_variable = "OPENAI_API_KEY".'
        )
    return f"Is the key in ${config.api_key_variable} the right one for it, and still valid?"


async def _about_model(
    mistake: Mistake, url: str, config: EndpointConfig, client: Client
) -> ConfigError | Refusal:
    models = await _served_models(url, client)
    if models is None:
        return ConfigError(
            f"{url} answered {mistake.detail}, and lists no models at {url}/models. "
            f"Is the base URL right, and model = {config.model!r} served there?"
        )
    if config.model not in models:
        return ConfigError(
            f"{url} does not serve model = {config.model!r}.{nearest(config.model, models)}"
        )
    return refused(mistake.detail)


async def _served_models(url: str, client: Client) -> list[str] | None:
    reply = await client.get(f"{url}/models")
    if not isinstance(reply, Reply) or reply.status != 200:
        return None
    try:
        return [model.id for model in msgspec.json.decode(reply.body, type=_Models).data]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None

"""Read the webhooks of the settings, and deliver events to them while the server runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack

from ..clock import now
from ..config import WebhookSection
from ..errors import ConfigError, Mistake
from ..file_reading import UnreadableFileError, read_text
from ..net import webhook_secret
from ..net.http import HttpClient
from ..runtime.event_log import EVENT_TYPES, EventLog, Subscriber
from ..runtime.webhooks import WebhookSender, WebhookTarget
from ..toml import did_you_mean
from .data_folder import DataFolder

SECRET_BYTES = 64 * 1024


def targets(
    webhooks: Iterable[WebhookSection], folder: DataFolder, environ: Mapping[str, str] = os.environ
) -> list[WebhookTarget]:
    """Return the address and the secret of each webhook. Raises `ConfigError`: every mistake."""
    found, mistakes = [], list[Mistake]()
    for number, webhook in enumerate(webhooks):
        key = f"webhooks.{number}"
        for kind in webhook.events:
            if kind not in EVENT_TYPES:
                why = f'"{kind}" is not a type of event{did_you_mean(kind, EVENT_TYPES)}'
                mistakes.append(_mistake(folder, f"{key}.events", why))
        try:
            found.append(WebhookTarget(webhook.url, _secret(webhook, folder, environ)))
        except ValueError as error:
            mistakes.append(_mistake(folder, f"{key}.secret", str(error)))
    if mistakes:
        raise ConfigError(mistakes)
    return found


def subscribers(webhooks: Iterable[WebhookSection]) -> list[Subscriber]:
    """Return which events each webhook gets."""
    return [Subscriber(each.url, frozenset(each.events)) for each in webhooks]


def senders(
    stack: AsyncExitStack,
    targets: Iterable[WebhookTarget],
    events: EventLog,
    *,
    allow_private: bool,
) -> list[WebhookSender]:
    """Return a sender for each webhook. The operator has named their hosts, so these are trusted.

    One client serves all of them; the stack closes it.
    """
    chosen = list(targets)
    http = HttpClient(allow_private=allow_private, trusted=[each.url for each in chosen])
    stack.push_async_callback(http.close)
    return [WebhookSender(each, events, http, now=now) for each in chosen]


def _secret(webhook: WebhookSection, folder: DataFolder, environ: Mapping[str, str]) -> str:
    """Return the secret. Raises `ValueError` with the reason if it cannot sign."""
    source = webhook.secret
    if source.env is not None:
        name, secret = source.env, environ.get(source.env, "").strip()
        if not secret:
            raise ValueError(f"{name} is {'empty' if name in environ else 'not set'}")
    else:
        name = str(path := folder.root / (source.file or ""))
        try:
            secret = read_text(path, SECRET_BYTES).strip()
        except UnreadableFileError as error:
            raise ValueError(f"{name} {error.reason}") from None
    if wrong := webhook_secret.problem(secret):
        raise ValueError(f"{name} {wrong}")
    return secret


def _mistake(folder: DataFolder, key: str, message: str) -> Mistake:
    return Mistake(str(folder.settings or "settings"), key, None, message)

"""Posts a notification to the receivers of the settings: a Slack-compatible webhook, a webhook of plain JSON.

What belongs here: HTTP, and which answers mean what. What does not: retrying (outbox.py). Addresses and tokens are secrets: no
message of an error holds them.
"""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from ecommerce_platform.operations.notifications.message import Notification, as_json, as_slack
from ecommerce_platform.operations.notifications.outbox import RejectedError, Send, UnavailableError
from ecommerce_platform.settings import NotificationSettings

SLACK, WEBHOOK = "slack", "webhook"
_BODIES: dict[str, Callable[[Notification], dict[str, Any]]] = {SLACK: as_slack, WEBHOOK: as_json}
#: The receiver is there, and asks for another try later.
_TRY_AGAIN = frozenset({408, 425, 429})


def receivers(settings: NotificationSettings) -> tuple[str, ...]:
    """The names of the receivers that have an address."""
    addresses = {SLACK: settings.slack_url, WEBHOOK: settings.webhook_url}
    return tuple(name for name, url in addresses.items() if url and url.get_secret_value())


def sender(settings: NotificationSettings) -> Send:
    """Posts to a receiver by name. Raises UnavailableError or RejectedError."""

    def send(name: str, notification: Notification) -> None:
        url = settings.slack_url if name == SLACK else settings.webhook_url
        if url is None:
            raise UnavailableError("no address is set")
        headers = {"Content-Type": "application/json", "Idempotency-Key": notification.key}
        if name == WEBHOOK and settings.webhook_token:
            headers["Authorization"] = f"Bearer {settings.webhook_token.get_secret_value()}"
        body = json.dumps(_BODIES[name](notification)).encode()
        post(url.get_secret_value(), body, headers, settings.timeout_seconds)

    return send


def post(url: str, body: bytes, headers: dict[str, str], timeout: float) -> None:
    """One POST. Its errors name the kind of trouble and never the address."""
    if not url.startswith(("http://", "https://")):
        raise UnavailableError("the address is no http:// or https:// address")
    try:
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked above
        with urllib.request.urlopen(request, timeout=timeout):  # noqa: S310 - checked above
            return
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500 or error.code in _TRY_AGAIN:
            raise UnavailableError(f"it answered {error.code}") from None
        raise RejectedError(f"it rejected the message with {error.code}") from None
    except TimeoutError:
        raise UnavailableError(f"no answer within {timeout:g} s") from None
    except (urllib.error.URLError, http.client.HTTPException, ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise UnavailableError(f"it cannot be reached ({type(reason).__name__})") from None

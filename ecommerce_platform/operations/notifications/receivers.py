"""Posts a notification to the receivers of the settings: a Slack-compatible webhook, a webhook of plain JSON.

What belongs here: HTTP, and which answers mean what. What does not: retrying (outbox.py). Addresses and tokens are secrets: no
message of an error holds them.
"""

from __future__ import annotations

import http.client
import json
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

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
        secret = name == SLACK or "Authorization" in headers  # Slack's address is its token
        body = json.dumps(_BODIES[name](notification)).encode()
        post(url.get_secret_value(), body, headers, settings.timeout_seconds, secret)

    return send


def post(url: str, body: bytes, headers: dict[str, str], timeout: float, secret: bool = False) -> None:
    """One POST, within `timeout` seconds in all. Its errors name the kind of trouble and never the address.

    A redirect is not followed: it would turn the POST into a GET, and hand a token to another host. `secret` says that the
    headers or the address itself hold a token: it goes over https, or to this machine.
    """
    if not url.startswith(("http://", "https://")):
        raise UnavailableError("the address is not an http:// or https:// address")
    if secret and not _may_carry_a_token(url):
        raise UnavailableError("a token goes over https:// only, or to this machine; nothing was sent")
    answer: queue.SimpleQueue[int | Exception] = queue.SimpleQueue()
    # A socket's own limit is of each read: headers that drip would hold it forever.
    threading.Thread(target=_ask, args=(url, body, headers, timeout, answer), name="webhook", daemon=True).start()
    try:
        outcome = answer.get(timeout=timeout)
    except queue.Empty:
        raise UnavailableError(f"no answer within {timeout:g} s") from None
    if isinstance(outcome, TimeoutError):
        raise UnavailableError(f"no answer within {timeout:g} s")
    if isinstance(outcome, Exception):
        raise UnavailableError(f"it cannot be reached ({type(getattr(outcome, 'reason', outcome)).__name__})")
    if outcome >= 500 or outcome in _TRY_AGAIN:
        raise UnavailableError(f"it answered {outcome}")
    if 300 <= outcome < 400:
        # It stays in the queue until the address is right.
        raise UnavailableError(f"it redirects ({outcome}), which is not followed: set the address that it leads to")
    if outcome >= 400:
        raise RejectedError(f"it rejected the message with {outcome}")


def _may_carry_a_token(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" or host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """None: the redirect is the answer."""


def _ask(
    url: str, body: bytes, headers: dict[str, str], timeout: float, answer: queue.SimpleQueue[int | Exception]
) -> None:
    try:
        request = urllib.request.Request(url, body, headers, method="POST")  # noqa: S310 - checked by the caller
        opener = urllib.request.build_opener(_NoRedirects)
        with opener.open(request, timeout=timeout) as response:
            answer.put(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        answer.put(error.code)
    except urllib.error.URLError as error:
        answer.put(error.reason if isinstance(error.reason, TimeoutError) else error)
    except (http.client.HTTPException, OSError, ValueError) as error:
        answer.put(error)

"""Words for what the API server refuses.

What belongs here: an API error as a sentence that says what to do. What does not: what pods say of themselves (watch.py).
"""

from __future__ import annotations

import json

from kubernetes.client import ApiException

_AWAY = (0, 429, 500, 502, 503, 504)


def message_of(error: ApiException) -> str:
    """What the API server said."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def is_away(error: ApiException) -> bool:
    """Whether the API server is out of reach or overloaded, rather than against it."""
    return error.status in _AWAY


def explain_api_error(error: ApiException, action: str) -> str:
    """Why an action failed, and what to do."""
    message = message_of(error)
    if error.status == 403 and "quota" in message:
        return f"cannot {action}: the namespace's resource quota is used up: {message}"
    if error.status == 403:
        return f"cannot {action}: refused by the cluster's access rules (RBAC): {message}"
    if error.status == 401:
        return f"cannot {action}: the API server does not accept this account's token: {message}"
    if error.status == 404 and "SparkApplication" in action:
        return (
            f"cannot {action}: the cluster knows no sparkapplications.sparkoperator.k8s.io/v1beta2: the Spark operator is "
            "not installed; install it, or set ECOMMERCE_SPARK__KUBERNETES__SUBMITTER=spark-submit"
        )
    if error.status in (400, 422):
        return f"cannot {action}: the API server finds it invalid: {message}"
    return f"cannot {action}: the API server answers {error.status}: {message}"

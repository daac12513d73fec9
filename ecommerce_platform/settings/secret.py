"""Which settings are secret, and how a secret shows in one that is not.

What belongs here: the list, derived from the types of the settings, and the patterns of values that hold a secret. The chart's
copy of both (helm/ecommerce-platform/files/, values.schema.json) is written from here by scripts/reference.py. What does not:
when they are asked (__init__.py, operations/doctor.py, the chart).

A problem names the variable and never repeats its value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, SecretStr

#: An address with a password in it: `scheme://user:password@host`, or `…?password=…`. Read by Python, Go and JSON schema alike.
CREDENTIALS_IN_ADDRESS = r'://[^\s"@/]*:[^\s"@?#]+@|[?&;][A-Za-z_.-]*([Pp]assword|[Pp]asswd|[Ss]ecret|[Tt]oken|[Cc]redential)[A-Za-z_.-]*=[^&;\s"]'
#: A key of an object (JSON in the environment) whose value is a secret by its name.
_REVEALING = (
    r"([Pp]assword|PASSWORD|[Pp]assphrase|PASSPHRASE|[Ss]ecret|SECRET|[Tt]oken|TOKEN|[Cc]redential|CREDENTIAL|"
    r"[Aa]ccess[-._]?[Kk]ey|ACCESS_KEY|[Aa]uthorization|[Aa]pi[-._]?[Kk]ey|API_KEY)"
)
SECRET_KEY_IN_OBJECT = rf'"[^"]*{_REVEALING}[^"]*"\s*:'
#: Objects that name Secrets and never hold one.
REFERENCES = (
    "ECOMMERCE_SPARK__KUBERNETES__EXECUTOR_SECRET_ENV",
    "ECOMMERCE_SPARK__KUBERNETES__SECRET_ENV",
    "ECOMMERCE_SPARK__KUBERNETES__VOLUMES",
)
#: Options of a catalog are set in the running session, never on a command line; on one machine they may be secret.
_SET_LATE = ("ECOMMERCE_SPARK__EXTRA", "spark.sql.catalog.")

_PLACE = "it is shown wherever settings are; expected the secret in a variable of its own, from a Secret"


def secret_variables(model: type[BaseModel], prefix: str = "ECOMMERCE") -> Iterator[str]:
    """The variable of every setting whose type is a secret."""
    for name, field in model.model_fields.items():
        variable = _variable(prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from secret_variables(field.annotation, variable)
        elif SecretStr in (field.annotation, *get_args(field.annotation)):
            yield variable


def problems_of_secrets(settings: BaseModel) -> Iterator[str]:
    """Secrets in settings that are not secret: in addresses, under keys of objects, or as the value of a secret repeated."""
    plain = list(_plain_values(settings))
    secrets = {variable: value for variable, value in _secret_values(settings) if len(value) >= 8}
    of_type = set(secret_variables(type(settings)))
    for variable, value in plain:
        texts = [str(value)] if not isinstance(value, dict | list | tuple) else list(_texts(value))
        if any(re.search(CREDENTIALS_IN_ADDRESS, text) for text in texts):
            yield f"{variable} holds a password in an address: {_PLACE}"
        if isinstance(value, dict) and variable not in REFERENCES:
            for key in value:
                late = variable == _SET_LATE[0] and str(key).startswith(_SET_LATE[1])
                if not late and (key in of_type or re.search(_REVEALING, str(key))):
                    yield f"{variable} holds a secret under the key {key}: {_PLACE}"
        for secret, text in secrets.items():
            if any(text in each for each in texts):
                yield f"{variable} repeats the value of {secret}: {_PLACE}"


def _variable(prefix: str, name: str) -> str:
    """The variable of a setting; `prefix` is that of its section."""
    return f"{prefix}{'_' if prefix == 'ECOMMERCE' else '__'}{name.upper()}"


def _values(model: BaseModel, prefix: str = "ECOMMERCE") -> Iterator[tuple[str, Any]]:
    for name in type(model).model_fields:
        value, variable = getattr(model, name), _variable(prefix, name)
        if isinstance(value, BaseModel):
            yield from _values(value, variable)
        else:
            yield variable, value


def _plain_values(settings: BaseModel) -> Iterator[tuple[str, Any]]:
    return (
        (name, value) for name, value in _values(settings) if value is not None and not isinstance(value, SecretStr)
    )


def _secret_values(settings: BaseModel) -> Iterator[tuple[str, str]]:
    return ((name, value.get_secret_value()) for name, value in _values(settings) if isinstance(value, SecretStr))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
    else:
        yield str(value)

"""S3 in the words of each library that reaches it: Iceberg's in Java, Hadoop's, PyIceberg's.

What belongs here: options made of the settings. What does not: which addresses are on S3 (settings/addresses.py), Arrow
(object_store.py).
"""

from __future__ import annotations

from ecommerce_platform.settings import S3Settings


def iceberg_s3_options(s3: S3Settings) -> dict[str, str]:
    """Iceberg's options in Spark for files on S3."""
    return {
        "client.region": s3.region,
        "s3.path-style-access": str(s3.path_style).lower(),
        "http-client.type": "apache",
        "http-client.apache.connection-timeout-ms": str(int(s3.connect_seconds * 1000)),
        "http-client.apache.socket-timeout-ms": str(int(s3.answer_seconds * 1000)),
        **_endpoint_and_keys(s3),
    }


def hadoop_s3_options(s3: S3Settings) -> dict[str, str]:
    """Hadoop's options for reading and writing `s3a://`; set in the running session for the same reason as above."""
    options = {
        "fs.s3a.endpoint.region": s3.region,
        "fs.s3a.path.style.access": str(s3.path_style).lower(),
        "fs.s3a.connection.establish.timeout": f"{int(s3.connect_seconds * 1000)}ms",
        "fs.s3a.connection.timeout": f"{int(s3.answer_seconds * 1000)}ms",
    }
    if s3.endpoint:
        options["fs.s3a.endpoint"] = s3.endpoint
        options["fs.s3a.connection.ssl.enabled"] = str(s3.endpoint.startswith("https")).lower()
    if s3.access_key_id and s3.secret_access_key:
        options["fs.s3a.access.key"] = s3.access_key_id.get_secret_value()
        options["fs.s3a.secret.key"] = s3.secret_access_key.get_secret_value()
        options["fs.s3a.aws.credentials.provider"] = "org.apache.hadoop.fs.s3a.SimpleAWSCredentialsProvider"
    return options


def pyiceberg_s3_options(s3: S3Settings) -> dict[str, str]:
    """PyIceberg's options for files on S3."""
    return {
        "s3.region": s3.region,
        "s3.force-virtual-addressing": str(not s3.path_style).lower(),
        "s3.connect-timeout": str(s3.connect_seconds),
        "s3.request-timeout": str(s3.answer_seconds),
        **_endpoint_and_keys(s3),
    }


def _endpoint_and_keys(s3: S3Settings) -> dict[str, str]:
    """What Iceberg's Java and Python call by the same names."""
    options = {"s3.endpoint": s3.endpoint} if s3.endpoint else {}
    if s3.access_key_id and s3.secret_access_key:
        options["s3.access-key-id"] = s3.access_key_id.get_secret_value()
        options["s3.secret-access-key"] = s3.secret_access_key.get_secret_value()
    return options

# One image for webserver, daemon, code server, run pods, Spark drivers and executors; `--target embedded` adds the stand-ins.
#
#   docker build --target runtime --build-arg REVISION=$(git rev-parse HEAD) -t ecommerce-platform:$(git rev-parse --short=12 HEAD) .
#
# Behind a proxy with a certificate of its own: --secret id=ca,src=/path/to/bundle.pem (used while building, not kept).
# The base must be Debian 12 with Python 3.11 and CA certificates: later releases have no Java 17.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm
# Stages of this file, or images that were built from them before (scripts/kubernetes/image.sh).
ARG PARTS=parts
ARG EMBEDDED_PARTS=embedded-parts

FROM ${BASE_IMAGE} AS base
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless tini procps ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /usr/share/doc/* /usr/share/man/* \
 && rm -f /usr/lib/jvm/*/lib/ct.sym /usr/lib/jvm/*/lib/server/classes_nocoops.jsa \
 && ln -sfn "$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")" /opt/java \
 && groupadd --gid 10001 platform \
 && useradd --uid 10001 --gid 10001 --home-dir /tmp --no-create-home --shell /usr/sbin/nologin platform

FROM base AS packages
COPY docker/trust.sh docker/trim.sh /build/
COPY requirements.lock requirements-runtime.lock /build/
WORKDIR /build
RUN --mount=type=secret,id=ca,target=/run/secrets/ca ./trust.sh /run/secrets/ca \
 && export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_LINK_MODE=copy \
 && awk '/^uv==/ {on=1} on {print} on && !/\\$/ {exit}' requirements.lock > uv.lock \
 && python3.11 -m venv uv && uv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r uv.lock \
 && python3.11 -m venv --without-pip /opt/venv \
 && uv/bin/uv pip install --quiet --compile-bytecode --python /opt/venv/bin/python --no-deps --require-hashes -r requirements-runtime.lock \
 && ./trim.sh /opt/venv/lib/python3.11/site-packages

FROM packages AS jars
ENV JAVA_HOME=/opt/java PATH=/opt/venv/bin:$PATH
COPY ecommerce_platform/__init__.py /build/ecommerce_platform/
COPY ecommerce_platform/settings/__init__.py ecommerce_platform/settings/addresses.py ecommerce_platform/settings/figures.py ecommerce_platform/settings/rules.py ecommerce_platform/settings/secret.py ecommerce_platform/settings/sections.py ecommerce_platform/settings/spark.py /build/ecommerce_platform/settings/
COPY ecommerce_platform/spark/__init__.py ecommerce_platform/spark/jars.py ecommerce_platform/spark/java.py /build/ecommerce_platform/spark/
# Whole seconds: a layer keeps no finer time, and the stamps that spare a start the checksums name the time.
RUN python -m ecommerce_platform.spark.jars \
 && mkdir /opt/jars && cp /root/.cache/ecommerce-platform/jars/*.jar /opt/jars/ && touch -d 2026-01-01T00:00:00Z /opt/jars/*.jar \
 && ECOMMERCE_SPARK__JARS_DIR=/opt/jars python -m ecommerce_platform.spark.jars \
 && rm -f /opt/jars/.lock && chmod -R a+rX /opt/jars

FROM packages AS stand-ins
COPY requirements-embedded.lock /build/
RUN export SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt UV_LINK_MODE=copy \
 && awk 'FNR == 1 {file++} /^[A-Za-z0-9]/ {split($1, pin, "=="); keep = (file == 2 && !(pin[1] in have)); if (file == 1) have[pin[1]] = 1} file == 2 && keep' \
      requirements-runtime.lock requirements-embedded.lock > more.lock \
 && uv/bin/uv pip install --quiet --compile-bytecode --python /opt/venv/bin/python --no-deps --require-hashes --target /opt/embedded -r more.lock

# What changes with a release of the packages or the jars, and not with each commit.
FROM base AS parts
ENV PATH=/opt/venv/bin:/opt/platform/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/platform \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    JAVA_HOME=/opt/java \
    SPARK_HOME=/opt/venv/lib/python3.11/site-packages/pyspark \
    PYSPARK_PYTHON=/opt/venv/bin/python \
    PYSPARK_DRIVER_PYTHON=/opt/venv/bin/python \
    HOME=/tmp \
    DAGSTER_HOME=/opt/dagster \
    DAGSTER_DISABLE_TELEMETRY=yes \
    DO_NOT_TRACK=1 \
    ECOMMERCE_DATA_DIR=/tmp/data \
    ECOMMERCE_DBT__TARGET_PATH=/tmp/dbt \
    ECOMMERCE_SPARK__JARS_DIR=/opt/jars \
    DAGSTER_DG_CHECK_DEFS_TARGET_PATH=/opt/platform \
    DAGSTER_DG_CHECK_DEFS_CHECK_YAML=false \
    DAGSTER_DG_LIST_DEFS_TARGET_PATH=/opt/platform \
    DAGSTER_DG_LAUNCH_TARGET_PATH=/opt/platform
COPY --from=packages /opt/venv /opt/venv
COPY --from=jars /opt/jars /opt/jars
RUN mkdir -p /opt/spark/conf /opt/dagster && chown 10001:10001 /opt/dagster

FROM parts AS embedded-parts
ENV PYTHONPATH=/opt/platform:/opt/embedded
COPY --from=stand-ins /opt/embedded /opt/embedded

FROM ${PARTS} AS runtime
ARG REVISION=unknown
COPY docker/entrypoint.sh docker/ecommerce-platform /opt/platform/bin/
# By its table [tool.dg], `dg` in the image knows the project.
COPY pyproject.toml /opt/platform/
COPY dbt_project /opt/platform/dbt_project
COPY ecommerce_platform /opt/platform/ecommerce_platform
# Parsed once, here: a run copies the manifest instead of parsing for seconds.
RUN ECOMMERCE_DBT__TARGET_PATH=/opt/platform/dbt-target python -m ecommerce_platform.transformation.project.manifest \
 && python -m compileall -q /opt/platform/ecommerce_platform \
 && rm -f /opt/platform/dbt-target/.*.lock && rm -rf /opt/platform/dbt_project/logs /tmp/* && chmod -R a+rX /opt/platform
LABEL org.opencontainers.image.title="ecommerce-platform" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
ENV ECOMMERCE_REVISION=${REVISION}
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["/opt/platform/bin/entrypoint.sh"]
CMD ["ecommerce-platform", "--help"]

FROM ${EMBEDDED_PARTS} AS embedded
ARG REVISION=unknown
COPY --from=runtime /opt/platform /opt/platform
LABEL org.opencontainers.image.title="ecommerce-platform" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
ENV ECOMMERCE_REVISION=${REVISION}
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["/opt/platform/bin/entrypoint.sh"]
CMD ["ecommerce-platform", "--help"]

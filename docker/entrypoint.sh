#!/bin/bash
# Starts whatever a container of this image is for: `driver` and `executor` are how Spark on Kubernetes names its two
# kinds; anything else is a command. The root file system may be read-only: what is written goes to /tmp.
set -euo pipefail

# The dbt manifest was parsed when the image was built; it lies in the image, and dbt writes beside it.
prepare_work() {
  local target=${ECOMMERCE_DBT__TARGET_PATH:-}
  if [ -n "$target" ] && [ ! -e "$target/parsed" ] && [ -d /opt/platform/dbt-target ]; then
    mkdir -p "$target"
    cp -r /opt/platform/dbt-target/* "$target"/
  fi
}

# Spark hands an executor's extra class path over as SPARK_CLASSPATH.
spark_class_path() {
  local path=${SPARK_CONF_DIR:-/opt/spark/conf} more
  for more in "${SPARK_CLASSPATH:-}" "${SPARK_EXTRA_CLASSPATH:-}" "$SPARK_HOME/jars/*"; do
    if [ -n "$more" ]; then path+=:$more; fi
  done
  printf '%s' "$path"
}

case "${1:-}" in
  driver)
    shift
    prepare_work
    # Of the process that puts the driver's command line together, not of the driver.
    export SPARK_LAUNCHER_OPTS=${SPARK_LAUNCHER_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1}
    exec tini -s -- /opt/platform/ecommerce_platform/spark/spark_submit.sh \
      --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" \
      --conf "spark.executorEnv.SPARK_DRIVER_POD_IP=$SPARK_DRIVER_BIND_ADDRESS" \
      --deploy-mode client "$@"
    ;;
  executor)
    java_options=()
    while IFS= read -r -d '' variable; do
      case "$variable" in SPARK_JAVA_OPT_*) java_options+=("${variable#*=}") ;; esac
    done < <(env -0 | sort -z -t_ -k4 -n)
    exec tini -s -- "$JAVA_HOME/bin/java" "${java_options[@]}" \
      "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$(spark_class_path)" \
      org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
      --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
      --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
      --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
    ;;
  *)
    prepare_work
    exec tini -s -- "$@"
    ;;
esac

#!/usr/bin/env bash
# spark_submit.sh ARGUMENTS: PySpark's own spark-submit (SPARK_HOME says where), whose JVM starts without the incubator module.
# Spark asks for that module for the linear algebra of MLlib, which the platform does not use. With it, each start prints the
# JVM's warning, and is slower: the JVM cannot take its modules from Java's archive.
set +o posix
export PYTHONHASHSEED=0

# By this, spark-class turns into the JVM.
exec() {
  local argument kept=()
  for argument in "$@"; do
    if [ "$argument" != --add-modules=jdk.incubator.vector ]; then kept+=("$argument"); fi
  done
  builtin exec "${kept[@]}"
}

source "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.SparkSubmit "$@"

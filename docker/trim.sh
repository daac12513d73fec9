#!/bin/bash
# trim.sh SITE_PACKAGES: takes out what no part of the platform loads, so that the image stays under 2 GB: test suites, source
# maps, and Arrow Flight, the jars of Spark's machine learning, Spark Connect and streaming state (the platform is batch).
set -euo pipefail
cd "$1"
# By name: in dbt a folder `tests` holds macros that it needs.
for package in numpy pandas pyarrow sympy networkx matplotlib mpl_toolkits kubernetes; do
  if [ -d "$package" ]; then find "$package" -type d -name tests -prune -exec rm -rf {} +; fi
done
find dagster_webserver -name '*.map' -delete
rm -rf pyspark/examples pyspark/data pyarrow/include pyarrow/*flight*
cd pyspark/jars
rm -f rocksdbjni-*.jar spark-mllib_*.jar spark-mllib-local_*.jar breeze*.jar spire*.jar cats-kernel_*.jar algebra_*.jar spark-connect_*.jar

#!/usr/bin/env bash
# install.sh TAG [PROFILE ...]: installs the platform with its stand-ins into the cluster of the current kubectl context: kind's
# on a laptop, the test node in CI. Namespaces and Secrets are made here, because the chart takes only what exists.
# Profiles are the chart's: `kind` always, then those named (ci). The images must be known to the cluster.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
chart=$here/../../helm/ecommerce-platform
tag=$1
shift
release=${RELEASE:-shop} namespace=${NAMESPACE:-ecommerce} workloads=${WORKLOADS:-ecommerce-workloads}

random() { head -c 24 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c 24; }
secret() { # secret NAME KEY=VALUE...: made once, the same in both namespaces; values come by standard input, not as arguments
  local name=$1 encoded='' pair
  shift
  if kubectl -n "$namespace" get secret "$name" >/dev/null 2>&1; then return; fi
  for pair in "$@"; do encoded+="  ${pair%%=*}: $(printf '%s' "${pair#*=}" | base64 -w0)"$'\n'; done
  for where in "$namespace" "$workloads"; do
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\ndata:\n%s' "$name" "$where" "$encoded" | kubectl apply -f - >/dev/null
  done
}

for where in "$namespace" "$workloads"; do
  kubectl get namespace "$where" >/dev/null 2>&1 || kubectl create namespace "$where" >/dev/null
  # Every pod of the platform fits the strictest of Kubernetes's profiles; one that does not is none of its own.
  kubectl label --overwrite namespace "$where" pod-security.kubernetes.io/{enforce,warn}=restricted >/dev/null
done
secret ecommerce-database "password=$(random)"
secret ecommerce-settings "ECOMMERCE_S3__ACCESS_KEY_ID=$(random)" "ECOMMERCE_S3__SECRET_ACCESS_KEY=$(random)" \
  "ECOMMERCE_SNOWFLAKE__PASSWORD=$(random)" "ECOMMERCE_CLICKHOUSE__PASSWORD=$(random)"

values=(--values "$chart/values-kind.yaml")
for profile in "$@"; do values+=(--values "$chart/values-$profile.yaml"); done
helm upgrade --install "$release" "$chart" --namespace "$namespace" "${values[@]}" \
  --set "image.tag=$tag,standIns.image.tag=${STAND_INS_TAG:-$tag-embedded},workloads.namespace=$workloads" --wait --timeout "${TIMEOUT:-10m}" >/dev/null
echo "installed: release $release, image tag $tag, namespaces $namespace and $workloads" >&2

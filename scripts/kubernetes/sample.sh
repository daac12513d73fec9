#!/usr/bin/env bash
# sample.sh TAG DAYS ORDERS_PER_DAY: fills the cluster's stand-ins of S3 and ClickHouse with the sample shop, by a pod of its own.
set -euo pipefail
tag=$1 days=$2 orders=$3
release=${RELEASE:-shop} namespace=${NAMESPACE:-ecommerce}
kubectl -n "$namespace" delete pod "$release-sample" --ignore-not-found --wait >/dev/null
kubectl -n "$namespace" apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: $release-sample, namespace: $namespace, labels: {app.kubernetes.io/instance: $release, app.kubernetes.io/component: sample}}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext: {runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: sample
      image: localhost/ecommerce-platform:${STAND_INS_TAG:-$tag-embedded}
      imagePullPolicy: IfNotPresent
      securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
      envFrom: [{configMapRef: {name: $release-settings}}, {secretRef: {name: ecommerce-settings}}]
      args:
        - bash
        - -euc
        - |
          python - <<'PYTHON'
          import boto3
          from ecommerce_platform.settings import load_settings
          s3 = load_settings().s3
          client = boto3.client("s3", endpoint_url=s3.endpoint, region_name=s3.region, aws_access_key_id=s3.access_key_id.get_secret_value(),
                                aws_secret_access_key=s3.secret_access_key.get_secret_value())
          for bucket in ("ecommerce", "ecommerce-scratch"):
              client.create_bucket(Bucket=bucket)
          PYTHON
          ecommerce-platform sample --days $days --orders-per-day $orders --no-faults --overwrite
          ecommerce-platform realtime load /tmp/data/realtime
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {sizeLimit: 4Gi}}]
END
for _ in $(seq 300); do
  phase=$(kubectl -n "$namespace" get pod "$release-sample" -o 'jsonpath={.status.phase}')
  case "$phase" in Succeeded | Failed) break ;; esac
  sleep 2
done
kubectl -n "$namespace" logs "$release-sample" >&2
[ "$phase" = Succeeded ] || { echo "sample.sh: the pod ended as $phase" >&2; exit 1; }
kubectl -n "$namespace" delete pod "$release-sample" >/dev/null

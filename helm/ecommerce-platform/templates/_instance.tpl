{{/* dagster.yaml. Keys under container_config and pod_spec_config are in Dagster's spelling: snake case. */}}
{{- define "platform.instance" -}}
{{ include "platform.storage" . }}
{{ include "platform.running" . }}
{{- end }}

{{/* What every process of the platform needs of it. Code server and exporter get no more: they launch nothing, and the run
     launcher would ask for a token of the cluster, which they have no right to. */}}
{{- define "platform.storage" -}}
{{- $name := include "platform.name" . -}}
storage:
  postgres:
    postgres_db:
      # SQLAlchemy would look for another driver.
      scheme: postgresql+psycopg2
      hostname: {{ include "platform.postgresHost" . }}
      port: {{ .Values.postgresql.port }}
      username: {{ .Values.postgresql.user }}
      password: {env: DAGSTER_PG_PASSWORD}
      db_name: {{ .Values.postgresql.database }}
      {{- if include "platform.databaseTls" . }}
      params: {sslmode: verify-full, sslrootcert: system}
      {{- end }}
local_artifact_storage:
  module: dagster.core.storage.root
  class: LocalArtifactStorage
  config: {base_dir: /tmp/artifacts}
compute_logs:
  {{- if .Values.dagster.computeLogs.enabled }}
  module: dagster.core.storage.local_compute_log_manager
  class: LocalComputeLogManager
  config: {base_dir: /logs}
  {{- else }}
  module: dagster.core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
  {{- end }}
telemetry: {enabled: false}
nux: {enabled: false}
{{- end }}

{{- define "platform.running" -}}
{{- $name := include "platform.name" . -}}
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
{{- /* Pools, limits of time and retention are those of ecommerce_platform/operations/dagster.yaml; a test keeps the two in step. No
       run_retries: the platform's sensor `retry_failed_runs` tries again, with pauses. */}}
concurrency:
  runs: {max_concurrent_runs: {{ .Values.dagster.maxConcurrentRuns }}}
  # One writer a table.
  pools: {granularity: run, default_limit: 1}
run_monitoring:
  enabled: true
  start_timeout_seconds: {{ .Values.dagster.monitoring.startTimeoutSeconds }}
  cancel_timeout_seconds: {{ .Values.dagster.monitoring.cancelTimeoutSeconds }}
  max_runtime_seconds: {{ .Values.dagster.monitoring.maxRuntimeSeconds }}
  max_resume_run_attempts: {{ .Values.dagster.monitoring.maxResumeRunAttempts }}
  poll_interval_seconds: {{ .Values.dagster.monitoring.pollIntervalSeconds }}
retention:
  schedule: {purge_after_days: 90}
  sensor: {purge_after_days: {skipped: 7, failure: 30, success: -1}}
run_launcher:
  module: dagster_k8s
  class: K8sRunLauncher
  config:
    service_account_name: {{ $name }}-run
    job_namespace: {{ include "platform.workloads" . }}
    job_image: {{ include "platform.image" . }}
    image_pull_policy: {{ .Values.image.pullPolicy }}
    {{- with .Values.image.pullSecrets }}
    image_pull_secrets: [{{ range $index, $secret := . }}{{ if $index }}, {{ end }}{name: {{ $secret }}}{{ end }}]
    {{- end }}
    dagster_home: /opt/dagster
    instance_config_map: {{ $name }}-instance
    env_config_maps: [{{ $name }}-settings]
    {{- with .Values.settingsSecrets }}
    env_secrets: {{ toJson . }}
    {{- end }}
    labels:
      app.kubernetes.io/name: ecommerce-platform
      app.kubernetes.io/instance: {{ $name }}
    resources: {{- toYaml .Values.workloads.resources | nindent 6 }}
    security_context: {{- include "platform.containerSecurity" . | nindent 6 }}
    run_k8s_config:
      container_config:
        env:
          - name: DAGSTER_PG_PASSWORD
            value_from: {secret_key_ref: {name: {{ include "platform.databaseSecret" . }}, key: password}}
          {{- if include "platform.catalogInDatabase" . }}
          - name: ECOMMERCE_LAKEHOUSE__CATALOG_PASSWORD
            value_from: {secret_key_ref: {name: {{ include "platform.databaseSecret" . }}, key: password}}
          {{- end }}
        volume_mounts:
          - {name: tmp, mount_path: /tmp}
          {{- if .Values.dagster.computeLogs.enabled }}
          - {name: compute-logs, mount_path: /logs}
          {{- end }}
          {{- if .Values.secretFiles.existingSecret }}
          - {name: secret-files, mount_path: {{ .Values.secretFiles.mountPath }}, read_only: true}
          {{- end }}
          {{- if .Values.trust.existingConfigMap }}
          - {name: trust, mount_path: /etc/ecommerce-platform/trust, read_only: true}
          {{- end }}
      pod_template_spec_metadata:
        annotations: {{- toYaml .Values.workloads.annotations | nindent 10 }}
      pod_spec_config:
        automount_service_account_token: true
        security_context:
          run_as_non_root: true
          run_as_user: {{ .Values.podSecurity.user }}
          run_as_group: {{ .Values.podSecurity.user }}
          fs_group: {{ .Values.podSecurity.user }}
          seccomp_profile: {type: RuntimeDefault}
        {{- with .Values.workloads.nodeSelector }}
        node_selector: {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- with .Values.workloads.tolerations }}
        tolerations: {{- toYaml . | nindent 10 }}
        {{- end }}
        volumes:
          - {name: tmp, empty_dir: {size_limit: {{ .Values.workloads.tmpSize }}}}
          {{- if .Values.dagster.computeLogs.enabled }}
          - {name: compute-logs, persistent_volume_claim: {claim_name: {{ $name }}-compute-logs}}
          {{- end }}
          {{- if .Values.secretFiles.existingSecret }}
          - {name: secret-files, secret: {secret_name: {{ .Values.secretFiles.existingSecret }}, default_mode: 288}}
          {{- end }}
          {{- if .Values.trust.existingConfigMap }}
          - {name: trust, config_map: {name: {{ .Values.trust.existingConfigMap }}}}
          {{- end }}
      job_spec_config:
        ttl_seconds_after_finished: {{ .Values.workloads.keepFinishedSeconds }}
{{- end }}

{{/* The platform's settings: the chart's own, then what the values name, which win. */}}
{{- define "platform.settings" -}}
{{- $name := include "platform.name" . -}}
{{- /* Of Dagster's events of one asset's days this many go to PostgreSQL at once. */}}
{{- $own := dict
  "DAGSTER_EVENT_BATCH_SIZE" "1000"
  "ECOMMERCE_PROFILE" .Values.profile
  "ECOMMERCE_SPARK__LAUNCHER" .Values.spark.launcher
  "ECOMMERCE_SPARK__KUBERNETES__SUBMITTER" .Values.spark.submitter
  "ECOMMERCE_SPARK__KUBERNETES__NAMESPACE" (include "platform.workloads" .)
  "ECOMMERCE_SPARK__KUBERNETES__IMAGE" (include "platform.image" .)
  "ECOMMERCE_SPARK__KUBERNETES__IMAGE_PULL_POLICY" .Values.image.pullPolicy
  "ECOMMERCE_SPARK__KUBERNETES__DRIVER_SERVICE_ACCOUNT" (printf "%s-spark" $name)
  "ECOMMERCE_SPARK__KUBERNETES__EXECUTOR_SERVICE_ACCOUNT" (printf "%s-executor" $name)
  "ECOMMERCE_SPARK__KUBERNETES__INSTANCE" $name
  "ECOMMERCE_SPARK__KUBERNETES__POD_LABELS" (dict "app.kubernetes.io/name" "ecommerce-platform" "app.kubernetes.io/instance" $name | toJson)
  "ECOMMERCE_SPARK__KUBERNETES__ENV_FROM_CONFIG_MAPS" (list (printf "%s-settings" $name) | toJson)
  "ECOMMERCE_SPARK__KUBERNETES__ENV_FROM_SECRETS" (.Values.settingsSecrets | toJson)
  "ECOMMERCE_SPARK__KUBERNETES__RUN_AS_USER" (.Values.podSecurity.user | toString)
-}}
{{- if .Values.image.pullSecrets }}
{{- $_ := set $own "ECOMMERCE_SPARK__KUBERNETES__IMAGE_PULL_SECRETS" (.Values.image.pullSecrets | toJson) }}
{{- end }}
{{- if .Values.spark.checkpoints.enabled }}
{{- $_ := set $own "ECOMMERCE_SPARK__KUBERNETES__CHECKPOINT_CLAIM" (printf "%s-spark-checkpoints" $name) }}
{{- end }}
{{- if .Values.workloads.jobResources }}
{{- $_ := set $own "ECOMMERCE_RUNS__RESOURCES" (.Values.workloads.jobResources | toJson) }}
{{- end }}
{{- if include "platform.catalogInDatabase" . }}
{{- $_ := set $own "ECOMMERCE_LAKEHOUSE__CATALOG_TYPE" "sql" }}
{{- $_ := set $own "ECOMMERCE_LAKEHOUSE__CATALOG_URI" (printf "postgresql://%s:%v/%s%s" (include "platform.postgresHost" .) .Values.postgresql.port .Values.postgresql.catalogDatabase (ternary "?sslmode=verify-full" "" (not (empty (include "platform.databaseTls" .))))) }}
{{- if and (eq .Values.profile "production") (not .Values.postgresql.tls) }}
{{- $_ := set $own "ECOMMERCE_UNENCRYPTED" "[\"catalog\"]" }}
{{- end }}
{{- $_ := set $own "ECOMMERCE_LAKEHOUSE__CATALOG_USER" .Values.postgresql.user }}
{{- $_ := set $own "ECOMMERCE_SPARK__KUBERNETES__SECRET_ENV" (dict "ECOMMERCE_LAKEHOUSE__CATALOG_PASSWORD" (printf "%s:password" (include "platform.databaseSecret" .)) | toJson) }}
{{- end }}
{{- $volumes := list }}
{{- $mounts := list }}
{{- if .Values.secretFiles.existingSecret }}
{{- $volumes = append $volumes (dict "name" "secret-files" "secret" (dict "secretName" .Values.secretFiles.existingSecret "defaultMode" 288)) }}
{{- $mounts = append $mounts (dict "name" "secret-files" "mountPath" .Values.secretFiles.mountPath "readOnly" true) }}
{{- end }}
{{- if .Values.trust.existingConfigMap }}
{{- $volumes = append $volumes (dict "name" "trust" "configMap" (dict "name" .Values.trust.existingConfigMap)) }}
{{- $mounts = append $mounts (dict "name" "trust" "mountPath" "/etc/ecommerce-platform/trust" "readOnly" true) }}
{{- range $variable := list "SSL_CERT_FILE" "REQUESTS_CA_BUNDLE" "AWS_CA_BUNDLE" }}
{{- $_ := set $own $variable "/etc/ecommerce-platform/trust/ca.crt" }}
{{- end }}
{{- end }}
{{- if $volumes }}
{{- $_ := set $own "ECOMMERCE_SPARK__KUBERNETES__VOLUMES" ($volumes | toJson) }}
{{- $_ := set $own "ECOMMERCE_SPARK__KUBERNETES__VOLUME_MOUNTS" ($mounts | toJson) }}
{{- end }}
{{- if .Values.standIns.enabled }}
{{- $_ := set $own "ECOMMERCE_S3__ENDPOINT" (printf "http://%s-s3.%s.svc:5000" $name .Release.Namespace) }}
{{- $_ := set $own "ECOMMERCE_SNOWFLAKE__HOST" (printf "%s-snowflake.%s.svc" $name .Release.Namespace) }}
{{- $_ := set $own "ECOMMERCE_SNOWFLAKE__PORT" "8085" }}
{{- $_ := set $own "ECOMMERCE_SNOWFLAKE__PROTOCOL" "http" }}
{{- $_ := set $own "ECOMMERCE_CLICKHOUSE__HOST" (printf "%s-clickhouse.%s.svc" $name .Release.Namespace) }}
{{- $_ := set $own "ECOMMERCE_CLICKHOUSE__PORT" "8123" }}
{{- end }}
{{- range $variable, $value := merge (dict) .Values.settings $own }}
{{ $variable }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

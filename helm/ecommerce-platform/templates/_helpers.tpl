{{/* Names and pieces that the templates share. */}}

{{- define "platform.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "platform.workloads" -}}
{{- .Values.workloads.namespace | default .Release.Namespace -}}
{{- end }}

{{- define "platform.image" -}}
{{- if not .Values.image.tag }}{{ fail "image.tag is empty: name the git revision that the image was built from" }}{{ end -}}
{{- if eq .Values.image.tag "latest" }}{{ fail "image.tag is latest: an upgrade could not tell two images apart; name the git revision" }}{{ end -}}
{{ .Values.image.repository }}:{{ .Values.image.tag }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "platform.standInImage" -}}
{{- $tag := .Values.standIns.image.tag | default (printf "%s-embedded" .Values.image.tag) -}}
{{ .Values.standIns.image.repository | default .Values.image.repository }}:{{ $tag }}{{ with .Values.standIns.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Labels of an object; call with a dict of root and component. */}}
{{- define "platform.labels" -}}
{{ include "platform.selector" . }}
app.kubernetes.io/version: {{ .root.Values.image.tag | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "platform.selector" -}}
app.kubernetes.io/name: ecommerce-platform
app.kubernetes.io/instance: {{ include "platform.name" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* The names of the webserver: its service's, and the ingress's. */}}
{{- define "platform.uiHosts" -}}
{{- $service := printf "%s-webserver" (include "platform.name" .) -}}
{{- $hosts := list $service -}}
{{- range $tail := list "" ".svc" ".svc.cluster.local" -}}
{{- $hosts = append $hosts (printf "%s.%s%s" $service $.Release.Namespace $tail) -}}
{{- end -}}
{{- if .Values.ingress.host }}{{ $hosts = append $hosts .Values.ingress.host }}{{ end -}}
{{- toJson (concat $hosts .Values.webserver.hosts) -}}
{{- end }}

{{- define "platform.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.podSecurity.user }}
runAsGroup: {{ .Values.podSecurity.user }}
fsGroup: {{ .Values.podSecurity.user }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "platform.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "platform.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "platform.postgresHost" -}}
{{- if .Values.postgresql.enabled -}}
{{ include "platform.name" . }}-postgresql.{{ .Release.Namespace }}.svc
{{- else -}}
{{ required "postgresql.host names the external database, as postgresql.enabled is false" .Values.postgresql.host }}
{{- end -}}
{{- end }}

{{/* Whether connections to the database are encrypted, and its server verified: in production, unless the values say otherwise. */}}
{{- define "platform.databaseTls" -}}
{{- if and (eq .Values.profile "production") .Values.postgresql.tls -}}
{{- if .Values.postgresql.enabled }}{{ fail "postgresql.enabled in profile production: the chart's own database has no TLS. Name an external one (postgresql.host), or say with postgresql.tls=false that connections to it are not encrypted" }}{{ end -}}
true
{{- end -}}
{{- end }}

{{- define "platform.databaseSecret" -}}
{{ required "postgresql.existingSecret names the Secret with the key `password`" .Values.postgresql.existingSecret }}
{{- end }}

{{/* The password of the database, for whatever opens the instance. */}}
{{- define "platform.databaseEnv" -}}
- name: DAGSTER_PG_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "platform.databaseSecret" . }}, key: password}}
{{- end }}

{{/* What code of the platform needs beside that: settings, and the catalog's password where it lies in the same database. */}}
{{- define "platform.codeEnv" -}}
{{ include "platform.databaseEnv" . }}
{{- if include "platform.catalogInDatabase" . }}
- name: ECOMMERCE_LAKEHOUSE__CATALOG_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "platform.databaseSecret" . }}, key: password}}
{{- end }}
{{- end }}

{{- define "platform.catalogInDatabase" -}}
{{- if and .Values.postgresql.catalogDatabase (not (hasKey .Values.settings "ECOMMERCE_LAKEHOUSE__CATALOG_URI")) (not (hasKey .Values.settings "ECOMMERCE_LAKEHOUSE__CATALOG_TYPE")) }}true{{ end -}}
{{- end }}

{{- define "platform.codeEnvFrom" -}}
- configMapRef: {name: {{ include "platform.name" . }}-settings}
{{- range .Values.settingsSecrets }}
- secretRef: {name: {{ . }}}
{{- end }}
{{- end }}

{{/* Volumes of every pod but the instance's: what is written goes to an emptyDir. */}}
{{- define "platform.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: {{ .Values.podSecurity.tmpSize }}}}
{{- if .Values.secretFiles.existingSecret }}
- name: secret-files
  secret: {secretName: {{ .Values.secretFiles.existingSecret }}, defaultMode: 288}
{{- end }}
{{- if .Values.trust.existingConfigMap }}
- name: trust
  configMap: {name: {{ .Values.trust.existingConfigMap }}}
{{- end }}
{{- end }}

{{- define "platform.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: instance, mountPath: /opt/dagster, readOnly: true}
{{- include "platform.codeMounts" . }}
{{- end }}

{{- define "platform.codeMounts" -}}
{{- if .Values.secretFiles.existingSecret }}
- {name: secret-files, mountPath: {{ .Values.secretFiles.mountPath }}, readOnly: true}
{{- end }}
{{- if .Values.trust.existingConfigMap }}
- {name: trust, mountPath: /etc/ecommerce-platform/trust, readOnly: true}
{{- end }}
{{- end }}

{{/* A change of the configuration, or of the image, is a change of the pods. */}}
{{- define "platform.checksums" -}}
checksum/instance: {{ include (print $.Template.BasePath "/configmaps.yaml") . | sha256sum }}
{{- end }}

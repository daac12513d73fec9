{{/* Refuses a secret among plain values. Which settings are secret, and how a secret shows in a value, comes from the platform's
     code (files/secret-settings.json, written by scripts/reference.py). No value is repeated in a message. */}}
{{- define "platform.refuseSecrets" -}}
{{- $rules := .Files.Get "files/secret-settings.json" | fromJson -}}
{{- $instead := "put it in a Secret and name that in settingsSecrets" -}}
{{- range $variable, $value := .Values.settings -}}
{{- $text := $value | toString -}}
{{- if has $variable $rules.variables -}}
{{- fail (printf "settings.%s is a secret: %s" $variable $instead) -}}
{{- end -}}
{{- if not (has $variable $rules.references) -}}
{{- if regexMatch $rules.secretKey $text -}}
{{- fail (printf "settings.%s holds a secret under one of its keys: %s" $variable $instead) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $part, $values := .Values -}}
{{- if regexMatch $rules.credentials (toRawJson $values) -}}
{{- fail (printf "%s holds an address with a password in it: %s" $part $instead) -}}
{{- end -}}
{{- end -}}
{{- end }}

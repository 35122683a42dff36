{{- define "kafka-heartbeat.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "kafka-heartbeat.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "kafka-heartbeat.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "kafka-heartbeat.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "kafka-heartbeat.selectorLabels" -}}
app.kubernetes.io/name: {{ include "kafka-heartbeat.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* Not those of the prober: what selects it must not select the test. */}}
{{- define "kafka-heartbeat.testLabels" -}}
app.kubernetes.io/name: {{ include "kafka-heartbeat.name" . | trunc 58 | trimSuffix "-" }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "kafka-heartbeat.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "kafka-heartbeat.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: prober
app.kubernetes.io/part-of: kafka-heartbeat
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "kafka-heartbeat.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "kafka-heartbeat.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "kafka-heartbeat.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "kafka-heartbeat.configSecret" -}}
{{- default (printf "%s-config" (include "kafka-heartbeat.fullname" .)) .Values.configExistingSecret -}}
{{- end -}}

{{/*
The checksum of the configuration. A Secret that the chart does not own is read from the cluster, where there is one:
Plain `helm template` sees no Secret, and then the checksum is that of the Secret's name.
*/}}
{{- define "kafka-heartbeat.configChecksum" -}}
{{- if .Values.configExistingSecret -}}
{{- $secret := lookup "v1" "Secret" .Release.Namespace .Values.configExistingSecret | default dict -}}
{{- get ($secret.data | default dict) "config.ini" | default .Values.configExistingSecret | sha256sum -}}
{{- else -}}
{{- .Values.config | sha256sum -}}
{{- end -}}
{{- end -}}

{{/*
The name of the volume of a Secret. The name of a Secret may have dots and 253 characters, the name of a volume is a DNS
label of at most 63. A name that has to be changed gets a piece of its checksum, so that no two Secrets share a volume.
*/}}
{{- define "kafka-heartbeat.secretVolume" -}}
{{- if or (contains "." .) (gt (len .) 56) -}}
secret-{{ . | replace "." "-" | trunc 47 }}-{{ sha256sum . | trunc 8 }}
{{- else -}}
secret-{{ . }}
{{- end -}}
{{- end -}}

{{- define "kafka-heartbeat.election" -}}
{{- default (include "kafka-heartbeat.fullname" .) .Values.ha.name -}}
{{- end -}}

#!/bin/sh
# What people do in a shell: one job with a curl process to start it and curl processes to poll it.
# Usage: one_curl.sh URL CA_FILE NUMBER
set -eu
body="{\"scriptName\": \"instant\", \"params\": {\"n\": \"$3\"}}"
answer=$(curl -sf --cacert "$2" -H 'X-API-Key: sandbox-key' -H 'Content-Type: application/json' -d "$body" "$1/v1/jobs")
id=${answer#*\"id\": \"}
id=${id%%\"*}
while :; do
    case $(curl -sf --cacert "$2" -H 'X-API-Key: sandbox-key' "$1/v1/adm/jobs/$id") in
    *ucceeded*) exit 0 ;;
    *failed* | *cancelled*) exit 1 ;;
    esac
    sleep 1
done

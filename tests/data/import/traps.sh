#!/bin/bash
trap 'curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d "{\"scriptName\":\"Clean up\"}"' EXIT
CURL="/usr/bin/curl -sk"
$CURL https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d '{"scriptName":"Main"}' || curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d '{"scriptName":"Plan B"}'
source ./env.sh
"$AFT_BIN" start -n "In a variable" -a "$K"
( cd /tmp && aft start -n Subshell -a "$K" )

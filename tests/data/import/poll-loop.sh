#!/usr/bin/env bash
# Start the nightly backup and wait for it. If it fails, please confirm with ops before a second try.
set -euo pipefail
API_KEY="k3y-S3CR3T-01"
BASE="https://aft.example.com:44399"

response=$(curl -sS -k -X POST "$BASE/v1/jobs" \
  -H "X-API-Key: $API_KEY" \
  -H "Content-Type: application/json" \
  -d '{"scriptName": "My Backup Job", "params": {"destination": "/archive/2026", "character": "goofy"}}')
job_id=$(echo "$response" | jq -r '.id')

while true; do
  status=$(curl -sS -k -H "X-API-Key: $API_KEY" "$BASE/v1/adm/jobs/$job_id" | jq -r '.status')
  case "$status" in
    finished) echo "done"; break ;;
    failed|cancelled) echo "failed: $status" >&2; exit 1 ;;
    *) sleep 10 ;;
  esac
done

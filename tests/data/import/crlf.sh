#!/bin/bash
DEST=/archive/2026
cat <<EOF | curl -s -k -X POST -H "X-API-Key: $KEY" -H "Content-Type: application/json" --data-binary @- https://127.0.0.1:44399/v1/jobs | jq .
{
  "scriptName": "My Backup Job",
  "params": {
    "destination": "$DEST",
    "price": "\$5",
    "big": 12345678901234567890, "exact": 1.10, "tiny": 1e5, "yes": true
  }
}
EOF

#!/bin/bash
payload=$(jq -n --arg d "$DEST" '{scriptName: "My Backup Job", params: {destination: $d}}')
curl -k "$AFT/v1/jobs" -H "X-API-Key: $KEY" -H "Content-Type: application/json" -d "$payload"

#!/bin/bash
if [ "$1" = "prod" ]; then
  HOST=aft.example.com
  SCRIPT="My Backup Job"
else
  HOST=test.example.com
  SCRIPT="My Backup Job"
fi
case "$2" in
  full) MODE=full ;;
  *) MODE=delta ;;
esac
curl -k "https://$HOST:44399/v1/jobs" -H "X-API-Key: $AFT_API_KEY" -H "Content-Type: application/json" \
  -d "{\"scriptName\":\"$SCRIPT\",\"params\":{\"mode\":\"$MODE\",\"region\":\"${3:-eu}\"}}"

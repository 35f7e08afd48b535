#!/usr/bin/env bash
ARGS=(-sS -k -H "X-API-Key: k3y-S3CR3T-02")
ARGS+=(-H 'Content-Type: application/json')
OPTS="--connect-timeout 5 --max-time 30"
curl "${ARGS[@]}" $OPTS $EXTRA -d @body.json https://127.0.0.1:44399/v1/jobs

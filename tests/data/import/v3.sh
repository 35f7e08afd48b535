curl -k https://127.0.0.1:44399/v1/jobs -H "X-API-Key: $KEY" -H "Content-Type: application/json" \
  -d '{"jobType":"SCRIPT","scriptId":"8f6e-1","params":[{"name":"destination","value":"/archive/2026"},{"name":"n","value":007}]}'
aft start -s 8f6e-2 -a "$KEY" --params '[{"name":"k","value":"v"}]'

API_KEY=$(pass show aft/key)
TOKEN=$(vault kv get -field=token secret/x)
curl -k https://h/v1/jobs -H "X-API-Key: $API_KEY" -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" -d '{"scriptName":"x"}'

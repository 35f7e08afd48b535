URL=${1:-https://h:44399/v1/jobs}
curl -k "$URL" -H "X-API-Key: $KEY" -H "Content-Type: application/json" -d '{"scriptName":"x"}'
curl -k "$ENDPOINT" -H "X-API-Key: $KEY" -H "Content-Type: application/json" -d '{"scriptName":"y"}'

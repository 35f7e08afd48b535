curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d '{"scriptName":"a","queue":"q1","params":{"list":[1,2],"map":{"x":1},"none":null,"ok":"v"}}'
curl -k https://h/v1/jobs -H "X-API-Key: $K" -d "{'scriptName':'single quotes'}"
curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d "$BODY"
curl -k https://h/v1/jobs -H "X-API-Key: $K" -F file=@x

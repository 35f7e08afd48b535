for region in eu us "ap south"; do
  aft start -n "Relay $region" -a "$AFT_API_KEY" --param "region=$region" --host 10.0.0.5:44399
done
for attempt in 1 2 3; do
  curl -k https://h/v1/jobs -H "X-API-Key: $AFT_API_KEY" -H "Content-Type: application/json" -d '{"scriptName":"Once only"}' && break
  sleep 5
done

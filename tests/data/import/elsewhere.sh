ssh -i id ops@far 'curl -sk -X POST https://127.0.0.1:44399/v1/jobs -H "X-API-Key: k3y-S3CR3T-22" -H "Content-Type: application/json" -d "{\"scriptName\":\"Far\"}"'
sudo -u aft timeout 60 /usr/local/bin/aft start -n Near -a "$K"
docker exec box curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d '{"scriptName":"Boxed"}'
retry 3 curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d '{"scriptName":"Again"}'
bash -c 'aft start -n Inner -a $K'
echo curl -k https://h/v1/jobs -d '{"scriptName":"only said"}'
curl -X POST https://hooks.example/services/T0/B0 -d '{"text":"done"}'

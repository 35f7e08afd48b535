curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d '{"scriptName":"First"}'
echo "it never ends
curl -k https://h/v1/jobs -H "X-API-Key: k3y-S3CR3T-27" -d '{"scriptName":"Second"}'

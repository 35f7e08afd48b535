curl -k --header=X-API-Key:k3y-S3CR3T-03 -HX-Other-Token:tok-S3CR3T-04 -u admin:pw-S3CR3T-05 -b "session=ck-S3CR3T-06" \
  -H "Authorization: Bearer br-S3CR3T-07" --proxy-user me:px-S3CR3T-08 -E cert.pem:pp-S3CR3T-09 --key-S3CR3T-10 \
  "https://usr:up-S3CR3T-11@h.example/v1/jobs?apikey=q-S3CR3T-12" -H "Content-Type: application/json" \
  -d '{"scriptName":"x","params":{"password":"pa-S3CR3T-13","note":"the key is k3y-S3CR3T-03","dbToken":"db-S3CR3T-14"}}'

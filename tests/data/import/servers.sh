aft start -n "One" -a k3y-S3CR3T-20 --host a.example:44399
aft start -n "Two" -a k3y-S3CR3T-21 --host b.example:44399
aft start -n "One" -a k3y-S3CR3T-20 --host a.example:44399
curl -k https://a.example:44399/v1/jobs -H 'X-API-Key: k3y-S3CR3T-20' -H 'Content-Type: application/json' -d '{"filePath":"/opt/x.syncjs"}' &
wait

$aft = 'C:\Program Files\AFT\aft.exe'
& $aft start -n "My Backup Job" -a $env:AFT_API_KEY --params '{\"destination\":\"/archive/2026\"}'
Start-Process -FilePath $aft -ArgumentList 'start', '-n', '"Two words"', '-a', 'k3y-S3CR3T-32' -Wait -NoNewWindow
Start-Process curl.exe "-k https://h/v1/jobs -H `"X-API-Key: k3y-S3CR3T-32`" -H `"Content-Type: application/json`" -d `"{\`"scriptName\`":\`"Third\`"}`""
if ($LASTEXITCODE -ne 0) { throw "aft failed with $LASTEXITCODE" }
curl.exe -k https://h/v1/jobs -H "X-API-Key: $env:AFT_API_KEY" -H 'Content-Type: application/json' --data-raw '{"scriptName":"Fourth"}'
curl -Uri https://h/v1/jobs -Method Post -Headers @{ 'X-API-Key' = $env:AFT_API_KEY } -ContentType application/json -Body '{"scriptName":"Fifth"}'

$dest = "/archive/2026"
$body = @"
{ "scriptName": "My Backup Job", "params": { "destination": "$dest", "host": "$env:COMPUTERNAME", "odd": "$($x.Name)" } }
"@
[System.Net.ServicePointManager]::ServerCertificateValidationCallback = { $true }
$bytes = [System.Text.Encoding]::UTF8.GetBytes($body)
iwr -UseBasicParsing -Method Post -Uri https://127.0.0.1:44399/v1/jobs -Headers @{ "X-API-Key" = (Get-Content .\aft.key -Raw).Trim() } -Body $bytes -ContentType 'application/json; charset=utf-8'

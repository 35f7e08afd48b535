$uri = 'https://127.0.0.1:44399' + '/v1/jobs'
$payload = [ordered]@{ scriptName = 'My Backup Job'; params = [ordered]@{} }
$payload.params['from'] = '{0:yyyyMMdd}' -f (Get-Date)
$payload.params.list = ('a', 'b') -join ','
$payload.params.size = 10kb
$payload.params.win = "C:\in\`$x"
$payload.params += @{ more = 'yes' }
$json = $payload | ConvertTo-Json -Compress
$json | Invoke-RestMethod -Uri $uri -Method POST -ContentType 'application/json' -Headers @{ 'X-API-Key' = $env:AFT_API_KEY } | Select-Object -ExpandProperty id

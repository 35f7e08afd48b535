function Start-AftJob {
    param([string]$Name, [hashtable]$With = @{}, [string]$Server = 'https://h:44399')
    $json = @{ scriptName = $Name; params = $With } | ConvertTo-Json
    Invoke-RestMethod -Method Post -Uri $Server/v1/jobs -Headers @{'X-API-Key' = $env:AFT_API_KEY} -ContentType 'application/json' -Body $json
}
Start-AftJob -Name 'Relay' -With @{ region = 'eu' }
Start-AftJob 'Report' -Server 'https://other:44399'
foreach ($n in 'A', 'B') { Start-AftJob -Name "Job $n" }

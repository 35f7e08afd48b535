<#
  Starts the backup. irm, curl and aft start are words here.
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)][string]$ApiKey,
    [string]$Server = "https://aft.example.com:44399",
    [int]$TimeoutSec = 30
)
$ErrorActionPreference = 'Stop'
$headers = @{}
$headers.Add("X-API-Key", $ApiKey)
$headers.Add("Accept", "application/json")
$body = @{
    scriptName = "My Backup Job"
    params     = @{
        destination = "/archive/$(Get-Date -Format 'yyyy')"   # a year's folder
        exact       = 1.10
        count       = 007
        ok          = $true
    }
} | ConvertTo-Json -Depth 5
try {
    $response = Invoke-RestMethod -Uri "$Server/v1/jobs" -Method Post -Headers $headers -Body $body `
        -ContentType "application/json" -SkipCertificateCheck -TimeoutSec 30
    Write-Host "Started $($response.id)"
}
catch {
    Write-Error "Failed: $_"
    exit 1
}
do {
    Start-Sleep -Seconds 5
    $job = Invoke-RestMethod -Uri "$Server/v1/adm/jobs/$($response.id)" -Headers $headers -SkipCertificateCheck
} while ($job.status -in 'queued', 'running')
if ($job.status -ne 'finished') { exit 1 }

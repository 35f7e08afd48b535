$params = @{
    Uri         = 'https://127.0.0.1:44399/v1/jobs'
    Method      = 'POST'
    Headers     = @{ 'X-API-Key' = 'k3y-S3CR3T-30' }
    ContentType = 'application/json'
    Body        = '{"scriptName":"Splatted","params":{"a":"it''s"}}'
}
if ($PSVersionTable.PSVersion.Major -ge 6) { $params.SkipCertificateCheck = $true }
Invoke-RestMethod @params | Out-Null
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

$headers = New-Object "System.Collections.Generic.Dictionary[[String],[String]]"
$headers.Add("X-API-Key", "k3y-S3CR3T-31")
$headers.Add("Content-Type", "application/json")

$body = @"
{
    `"scriptName`": `"My Backup Job`",
    `"params`": {
        `"character`": `"goofy`"
    }
}
"@

$response = Invoke-RestMethod 'https://127.0.0.1:44399/v1/jobs' -Method 'POST' -Headers $headers -Body $body
$response | ConvertTo-Json

$secret = ConvertTo-SecureString 'pw-S3CR3T-33' -AsPlainText -Force
$cred = New-Object System.Management.Automation.PSCredential ('me', $secret)
$key = Get-Secret -Name aft -AsPlainText
Invoke-RestMethod -Method Post -Uri 'https://me:up-S3CR3T-34@h/v1/jobs' -Credential $cred -Headers @{ 'X-API-Key' = $key; Authorization = 'Bearer br-S3CR3T-35'; Cookie = 'a=ck-S3CR3T-36' } `
  -ContentType 'application/json' -Body (ConvertTo-Json @{ scriptName = 'x'; params = @{ apiToken = 'tk-S3CR3T-37' } })

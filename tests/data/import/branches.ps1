$server = if ($args[0] -eq 'prod') { 'https://prod:44399' } else { 'https://test:44399' }
$mode = 'full'
if ((Get-Date).DayOfWeek -ne 'Sunday') { $mode = 'delta' }
switch ($mode) {
    'full' { irm "$server/v1/jobs" -Method Post -Headers @{'X-API-Key'=$env:K} -ContentType 'application/json' -Body (@{scriptName='Full'}|ConvertTo-Json) }
    default { irm "$server/v1/jobs" -Method Post -Headers @{'X-API-Key'=$env:K} -ContentType 'application/json' -Body (@{scriptName='Delta';params=@{mode=$mode}}|ConvertTo-Json) }
}

@echo off
powershell -NoProfile -ExecutionPolicy Bypass -Command "Invoke-RestMethod -Method Post -Uri https://h:44399/v1/jobs -Headers @{'X-API-Key'='k3y-S3CR3T-42'} -ContentType 'application/json' -Body (@{scriptName='Wrapped'} | ConvertTo-Json)"
if errorlevel 1 goto :eof
cmd /c aft start -n Inner -a %KEY%

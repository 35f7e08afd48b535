curl ^"https://127.0.0.1:44399/v1/jobs^" ^
  -H ^"accept: */*^" ^
  -H ^"accept-language: en-US,en;q=0.9^" ^
  -H ^"content-type: application/json^" ^
  -b ^"sid=ck-S3CR3T-40^" ^
  -H ^"origin: https://127.0.0.1:44399^" ^
  -H ^"sec-ch-ua: ^\^"Chromium^\^";v=^\^"130^\^"^" ^
  -H ^"x-api-key: k3y-S3CR3T-41^" ^
  --data-raw ^"^{^\^"scriptName^\^":^\^"My Backup Job^\^",^\^"params^\^":^{^\^"rate^\^":^\^"100^%^\^",^\^"and^\^":^\^"a ^& b^\^"^}^}^" ^
  --insecure

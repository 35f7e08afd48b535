@echo off
setlocal
rem curl and aft start in a comment
set AFT="C:\Program Files\AFT\aft.exe"
set HOST=127.0.0.1:44399
curl.exe -sk -X POST https://%HOST%/v1/jobs ^
  -H "X-API-Key: %AFT_API_KEY%" ^
  -H "Content-Type: application/json" ^
  -d "{\"scriptName\":\"My Backup Job\",\"params\":{\"who\":\"%USERNAME%\",\"rate\":\"5%%\"}}" > %TEMP%\out.txt 2>&1
if errorlevel 1 exit /b 1
aft.exe start -n "Second job" -a %AFT_API_KEY% --params "{\"a\":\"b\"}" --host %HOST%
if %ERRORLEVEL% NEQ 0 (
  echo failed
  exit /b %ERRORLEVEL%
)
for %%f in (C:\in\*.csv) do aft.exe start -n Csv -a %AFT_API_KEY% --param "file=%%f" --param "day=%DATE:~6,4%"
if exist C:\flag call aft start -n Flagged -a %1

curl -K aft.curl
curl -k https://127.0.0.1:44399/v1/jobs -H @aft.headers -d @body.json
curl -k https://127.0.0.1:44399/v1/jobs -H @aft.headers -d @nowhere.json

#!/bin/bash
read -r -d '' IGNORED <<'X'
it's text with curl in it
X
BODY=$(cat <<-'JSON'
	{"scriptName": "It's here", "params": {"a": "$NOT_EXPANDED", "b": "`date`"}}
	JSON
)
curl -k https://h.example:44399/v1/jobs -H "X-API-Key: $(cat ~/.aft-key)" --json "$BODY"

TODAY=$(date +%Y%m%d)
YESTERDAY=$(date -d yesterday +%F)
curl -k "https://h:44399/v1/jobs" -H "X-API-Key: $KEY" -H "Content-Type: application/json" -d "{\"scriptName\":\"Daily\",\"params\":{\"dir\":\"/in/$TODAY\",\"back\":\"$YESTERDAY\",\"now\":\"$(date +%H:%M)\",\"name\":\"f%C3%BCr\",\"epoch\":\"$(date +%s)\"}}"

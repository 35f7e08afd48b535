i=0
find /data -name '*.csv' | while read -r f; do
  i=$((i+1))
  curl -k https://h/v1/jobs -H "X-API-Key: $K" -H "Content-Type: application/json" -d "{\"scriptName\":\"Transform a CSV\",\"params\":{\"file\":\"$f\",\"n\":$i}}"
done
for f in /in/*.xml; do aft start -n Xml -a "$K" --param file="$f"; done

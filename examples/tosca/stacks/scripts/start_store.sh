#!/bin/sh
set -eu
echo "$goods" >/srv/store/goods.txt
cat >/etc/systemd/system/store.service <<UNIT
[Service]
ExecStart=/usr/bin/python3 -m http.server $port --directory /srv/store
UNIT
systemctl start store
until python3 -c "import socket; socket.create_connection(('localhost', $port))" 2>/dev/null; do
  sleep 0.1
done

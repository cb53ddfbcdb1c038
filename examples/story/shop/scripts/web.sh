#!/bin/bash
# Serves the shop's page, on port 80.
set -euo pipefail

mkdir -p /srv/web
curl --silent --fail --retry 10 --retry-delay 1 --retry-connrefused \
    --output /srv/web/stock.json http://10.50.0.10:8000/stock.json
echo '<h1>The shop is open</h1>' > /srv/web/index.html

cat > /etc/systemd/system/web.service <<'END'
[Unit]
Description=The shop

[Service]
ExecStart=/usr/bin/python3 -m http.server --directory /srv/web 80

[Install]
WantedBy=multi-user.target
END

systemctl daemon-reload
systemctl enable --quiet web
systemctl restart web

# Give it a moment. Whether it serves is for the specs to judge.
curl --silent --output /dev/null --retry 3 --retry-delay 1 --retry-connrefused http://localhost/ || true

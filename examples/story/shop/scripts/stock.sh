#!/bin/bash
# Serves the list of what is in stock, on port 8000.
set -euo pipefail

mkdir -p /srv/stock
echo '{"apples": 12, "pears": 7}' > /srv/stock/stock.json

cat > /etc/systemd/system/stock.service <<'END'
[Unit]
Description=What is in stock

[Service]
User=www-data
ExecStart=/usr/bin/python3 -m http.server --directory /srv/stock 8000

[Install]
WantedBy=multi-user.target
END

systemctl daemon-reload
systemctl enable --quiet stock
systemctl restart stock

#!/bin/bash
# Installs what the application needs, and starts it as a user of its own.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends python3-pymysql

id greeter &> /dev/null || useradd --system --home-dir /opt/greeter --shell /usr/sbin/nologin greeter

systemctl daemon-reload
systemctl enable --quiet --now greeter

# Wait until it listens. What it answers is for the specs to judge.
curl --silent --output /dev/null --retry 20 --retry-delay 1 --retry-connrefused http://localhost:8080/

#!/bin/bash
# Installs nginx, and makes it the load balancer.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends nginx

rm --force /etc/nginx/sites-enabled/default
ln --symbolic --force /etc/greeter/nginx.conf /etc/nginx/sites-enabled/greeter
nginx -t -q
systemctl enable --quiet nginx
systemctl reload-or-restart nginx

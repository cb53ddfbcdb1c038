#!/bin/bash
# Installs nginx, and makes it the load balancer.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

# Its package would start it at once; it is to start when it is configured.
systemctl mask --quiet nginx
apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends nginx
systemctl unmask --quiet nginx

rm --force /etc/nginx/sites-enabled/default
ln --symbolic --force /etc/greeter/nginx.conf /etc/nginx/sites-enabled/greeter
nginx -t -q
systemctl enable --quiet nginx
systemctl restart nginx

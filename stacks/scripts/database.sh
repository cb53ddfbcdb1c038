#!/bin/bash
# Installs MariaDB, lets the other network reach it, and gives it the application's data.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

apt-get update --quiet=2
apt-get install --quiet=2 --yes --no-install-recommends mariadb-server

cat > /etc/mysql/mariadb.conf.d/90-greeter.cnf <<'END'
[mariadbd]
bind-address = 0.0.0.0
END
systemctl restart mariadb

mariadb < /etc/greeter/database.sql

#!/bin/bash
# Writes every commit that comes by into the ledger.
set -euo pipefail

mkdir -p /srv/ledger
echo "$INFRACI_COMMIT" >> /srv/ledger/entries

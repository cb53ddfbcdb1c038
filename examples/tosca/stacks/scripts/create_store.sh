#!/bin/sh
set -eu
mkdir -p /srv/store

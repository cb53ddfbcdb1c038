#!/bin/sh
# Mounts the volume, which is formatted only once, and writes this release into the database on it.
set -eu
disk=/dev/disk/by-id/virtio-$(echo $volume | cut -c 1-20)

# A volume is attached to a server that runs already.
for second in $(seq 120); do
    [ -b "$disk" ] && break
    sleep 1
done
blkid "$disk" || mkfs.ext4 -q -L journal "$disk"
mkdir -p /var/lib/journal
echo 'LABEL=journal /var/lib/journal ext4 defaults,nofail 0 2' >> /etc/fstab
mount -a

echo $release > /etc/journal-release
python3 - << 'END'
import sqlite3

with sqlite3.connect("/var/lib/journal/journal.sqlite") as journal:
    journal.execute("CREATE TABLE IF NOT EXISTS releases (number INTEGER)")
    journal.execute("INSERT INTO releases VALUES ($release)")
END

# Runs once inside the new root file system, after the packages are configured.

# Born anew in each server: identity, keys, package lists.
rm -f /etc/ssh/ssh_host_* /var/lib/dbus/machine-id /etc/hostname
: > /etc/machine-id
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/*.log
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap
rm -rf /usr/share/man/* /usr/share/locale/*
ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf

# Nothing may take the processor, which is emulated, or the dpkg lock.
systemctl mask --quiet \
    apt-daily.timer apt-daily.service apt-daily-upgrade.timer apt-daily-upgrade.service \
    dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service man-db.timer \
    systemd-timesyncd.service systemd-pstore.service systemd-firstboot.service \
    systemd-repart.service systemd-binfmt.service systemd-hwdb-update.service ldconfig.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service getty@tty1.service \
    serial-getty@ttyS0.service getty-static.service systemd-networkd-wait-online.service \
    dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount sys-kernel-config.mount \
    sys-kernel-debug.mount sys-kernel-tracing.mount proc-sys-fs-binfmt_misc.automount \
    modprobe@configfs.service modprobe@drm.service modprobe@efi_pstore.service \
    modprobe@fuse.service systemd-ask-password-console.path systemd-ask-password-wall.path \
    systemd-logind.service systemd-random-seed.service systemd-sysusers.service \
    systemd-network-generator.service systemd-journal-flush.service kmod-static-nodes.service \
    systemd-modules-load.service \
    cloud-init-hotplugd.socket cloud-init-hotplugd.service
systemctl set-default --quiet multi-user.target
systemctl enable --quiet systemd-networkd.service systemd-resolved.service

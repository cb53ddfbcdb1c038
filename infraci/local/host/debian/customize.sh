# Runs once inside the new root file system (chroot), after the packages are configured.

# Born anew in each server: identity, keys, package lists.
rm -f /etc/ssh/ssh_host_*
: > /etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/hostname /etc/resolv.conf
rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb
rm -rf /var/log/apt /var/log/*.log /var/log/journal
# Ansible's cache_valid_time goes by this folder's age: an empty one is not to look fresh.
touch --date=@0 /var/lib/apt/lists

# The options this image was built with are not the server's.
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap \
    /etc/dpkg/dpkg.cfg.d/98build
# What was unpacked before there was an option to leave it out.
rm -rf /usr/share/man/* /usr/share/locale/*
find /usr/share/doc -type f ! -name copyright -delete
find /usr/share/doc -type l -delete
find /usr/share/doc -type d -empty -delete

# A container has no terminals, devices, kernel modules, boot loader or swap of its own.
systemctl mask --quiet \
    console-getty.service getty-static.service getty@tty1.service \
    systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
    systemd-udev-trigger.service systemd-modules-load.service kmod-static-nodes.service \
    systemd-pstore.service systemd-firstboot.service systemd-repart.service \
    systemd-binfmt.service systemd-random-seed.service systemd-machine-id-commit.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service \
    systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-initctl.socket \
    systemd-journald-audit.socket systemd-networkd.service systemd-networkd-wait-online.service \
    systemd-ask-password-console.path systemd-ask-password-wall.path \
    systemd-remount-fs.service systemd-hwdb-update.service ldconfig.service \
    dev-hugepages.mount dev-mqueue.mount sys-fs-fuse-connections.mount \
    sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
    proc-sys-fs-binfmt_misc.automount \
    cloud-init-hotplugd.socket cloud-init-hotplugd.service

# Nothing may take the dpkg lock, or the machine's time, behind the commit's back.
systemctl mask --quiet \
    apt-daily.timer apt-daily.service apt-daily-upgrade.timer apt-daily-upgrade.service \
    dpkg-db-backup.timer fstrim.timer e2scrub_all.timer man-db.timer

systemctl set-default --quiet multi-user.target

# What systemd would otherwise do at a first boot has been done by the packages.
touch /etc/.updated /var/.updated

systemctl enable --quiet sessions-without-cgroup-v2.service

# What `mount` and `umount` run for a file system on a volume.
for type in ext2 ext3 ext4 xfs btrfs vfat; do
    ln -s ../libexec/mount-volume "/usr/sbin/mount.$type"
    ln -s ../libexec/mount-volume "/usr/sbin/umount.$type"
done

# Runs once in the image that has Heat's agents (chroot), before customize.sh.

# os-collect-config comes with all locales. It needs one, which Python takes C.UTF-8 for, and whose
# files are links to those of others.
cp --recursive --dereference /usr/lib/locale/en_US.utf8 /usr/lib/en_US.utf8
find /usr/lib/locale -mindepth 1 -maxdepth 1 ! -name C.utf8 -exec rm -r {} +
mv /usr/lib/en_US.utf8 /usr/lib/locale/en_US.utf8

# Puppet is applied by deployments; no agent of its own looks for a Puppet server.
systemctl disable --quiet puppet.service

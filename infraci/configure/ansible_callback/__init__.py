"""What Ansible loads of ours, by this folder's path: nothing else may lie here."""

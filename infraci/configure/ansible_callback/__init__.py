"""The folder of infraci's callback plugin, which Ansible loads by its path; holds nothing else."""

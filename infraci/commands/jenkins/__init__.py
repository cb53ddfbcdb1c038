"""``infraci jenkins``: a controller's jobs, builds and results; one file a sub-verb."""

from __future__ import annotations

import click

from infraci.commands.jenkins.alert import alert
from infraci.commands.jenkins.jenkinsfile import jenkinsfile
from infraci.commands.jenkins.pipelines import pipelines
from infraci.commands.jenkins.prune import prune
from infraci.commands.jenkins.results import results
from infraci.commands.jenkins.setup import setup
from infraci.commands.jenkins.trigger import trigger
from infraci.commands.jenkins.watch import watch


@click.group(
    "jenkins", short_help="Set up a Jenkins controller, build commits there, show results."
)
def command() -> None:
    """Set up a Jenkins controller, build commits there, show results.

    The controller and its user are read from JENKINS_URL, JENKINS_USER_ID, and JENKINS_API_TOKEN
    or JENKINS_API_TOKEN_FILE; or from git's config (docs/jenkins.md).
    """


for _command in (setup, prune, trigger, watch, results, alert, pipelines, jenkinsfile):
    command.add_command(_command)

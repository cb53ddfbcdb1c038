FROM jenkins/jenkins:2.452.2-lts-jdk21

COPY --chown=jenkins:jenkins plugins.txt /usr/share/jenkins/ref/plugins.txt
RUN jenkins-plugin-cli --plugin-file /usr/share/jenkins/ref/plugins.txt
COPY --chown=jenkins:jenkins jenkins.yaml /usr/share/jenkins/jenkins.yaml

ENV CASC_JENKINS_CONFIG=/usr/share/jenkins/jenkins.yaml \
    JAVA_OPTS=-Djenkins.install.runSetupWizard=false

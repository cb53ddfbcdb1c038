# Loaded by Ruby before RSpec is: Serverspec looks at the run's server, over the run's SSH.
#
# TARGET_HOST is the server's name in the ssh_config that SSH_CONFIG names.

require "rspec/core" # which Specinfra wants to find
require "specinfra"
require "specinfra/helper/set"
require "net/ssh"

module Infraci
  CONFIG = ENV.fetch("SSH_CONFIG")
  HOST = ENV.fetch("TARGET_HOST")

  # The run's ssh_config stands in the place of the user's own, for bastions too.
  module SshConfig
    def default_files
      [CONFIG]
    end

    def for(host, files = nil)
      files ? super(host, files) : super(host, [CONFIG]).merge(config: CONFIG)
    end
  end

  # Specs for the machine that they run on are meant for the server, never for this machine.
  module Backend
    def set(name, *values)
      return super unless name.to_sym == :backend && values.first.to_s == "exec"

      options = Net::SSH::Config.for(HOST)
      super(:backend, :ssh)
      super(:host, options[:host_name])
      super(:ssh_options, options)
    end
  end

  # A server that is gone costs one wait, not one a check.
  module Connection
    def create_ssh
      raise @lost if @lost

      super
    rescue Net::SSH::Exception, SystemCallError, SocketError, IOError => error
      @lost = error
      raise
    end
  end
end

Net::SSH::Config.singleton_class.prepend(Infraci::SshConfig)
Specinfra::Helper::Set.prepend(Infraci::Backend)
Specinfra::Backend::Ssh.prepend(Infraci::Connection)

# Loaded by Ruby before RSpec is: Serverspec looks at the run's server, over the run's SSH.
#
# TARGET_HOST is the server's name in the ssh_config that SSH_CONFIG names.

require "rspec/core" # which Specinfra wants to find
require "specinfra"
require "specinfra/helper/set"
require "net/ssh"
require "securerandom"

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

  # A server that is gone costs one wait, not one a check. One that drops the connection, as sshd
  # does with many logins at once (MaxStartups), is tried again for a while.
  module Connection
    DROPPED = [Net::SSH::Disconnect, Errno::ECONNRESET, Errno::EPIPE].freeze
    BUSY_S = 120

    def create_ssh
      raise @lost if @lost

      ends = Process.clock_gettime(Process::CLOCK_MONOTONIC) + BUSY_S
      begin
        super
      rescue *DROPPED
        raise if Process.clock_gettime(Process::CLOCK_MONOTONIC) > ends

        sleep(0.5 + rand)
        retry
      end
    rescue Net::SSH::Exception, SystemCallError, SocketError, IOError => error
      @lost = error
      raise
    end
  end

  # The login shell only becomes the /bin/sh that runs the command, as in infraci's own ssh/command_script.py;
  # what it prints before that is no part of the command's output.
  module LoginShell
    UNSAFE = %r{[^A-Za-z0-9_./:,=@%+ -]}n

    def ssh_exec!(command)
      mark = "<#{SecureRandom.hex(8)}["
      streams = has_terminal? ? [:stdout] : [:stdout, :stderr]
      prints = ["printf %s '#{mark}'", ("printf %s '#{mark}' >&2" if streams.size > 1)].compact
      script = [*prints, command].join("; ").b
      escaped = script.gsub(UNSAFE) { |byte| format('\\0%03o', byte.ord) }
      result = super(%q(exec /bin/sh -c 'eval "$(printf %b "$1")"' sh ) + "'#{escaped}'")
      streams.each do |stream|
        _, found, rest = result[stream].partition(mark)
        result[stream] = rest unless found.empty?
      end
      result
    end

    private

    # A terminal joins both streams.
    def has_terminal?
      get_config(:sudo_password) || get_config(:request_pty)
    end
  end

  # What sudo refuses is why an example fails, and no end of RSpec's; nothing waits for a password.
  class SudoRefusedError < StandardError; end

  module Sudo
    REFUSED = /\A(?:sudo: |.* (?:is not in the sudoers file|may not run sudo|is not allowed to execute))/
    BESIDES = /^sudo: unable to resolve host/
    TERMINAL = "sudo: sorry, you must have a tty to run sudo"
    PASSWORD = "sudo: a password is required"

    def ssh_exec!(command)
      result = super
      printed = result[:stderr].lines.grep_v(BESIDES).join
      failed = sudo? && !result[:exit_status].to_i.zero? && result[:stdout].empty?
      raise SudoRefusedError, printed if failed && printed.match?(REFUSED)

      result
    end

    private

    def sudo
      get_config(:sudo_password) || get_config(:request_pty) ? super : "#{super} -n"
    end

    # Specinfra would end RSpec, and tell what to set in spec_helper.rb.
    def abort(said)
      raise SudoRefusedError, said.include?("request_pty") ? TERMINAL : PASSWORD
    end
  end
end

Net::SSH::Config.singleton_class.prepend(Infraci::SshConfig)
Specinfra::Helper::Set.prepend(Infraci::Backend)
Specinfra::Backend::Ssh.prepend(Infraci::Connection)
Specinfra::Backend::Ssh.prepend(Infraci::LoginShell)
Specinfra::Backend::Ssh.prepend(Infraci::Sudo)

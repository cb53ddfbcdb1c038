require 'spec_helper'

describe user('ledger') do
  it { should exist }
end

describe file('/srv/ledger') do
  it { should be_directory }
  it { should be_mode 750 }
end

require 'spec_helper'

describe file('/srv/www/index.html') do
  it { should be_file }
  its(:content) { should match(/This is web; its database is at 10\.60\.0\.\d+\./) }
end

describe file('/srv/www/new') do
  it { should be_owned_by 'root' }
end

# The ledger's user and its folder.
class ledger {
  user { 'ledger':
    ensure => present,
    system => true,
    home   => '/srv/ledger',
  }

  file { '/srv/ledger':
    ensure => directory,
    owner  => 'ledger',
    mode   => '0750',
  }

  file { '/srv/ledger/where':
    content => "${facts['infraci_server']}\n",
    owner   => 'ledger',
  }
}

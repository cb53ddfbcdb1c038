"""The OpenStack APIs of the embedded cloud, as far as Heat and its clients use them."""

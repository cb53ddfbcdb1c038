"""The services of the OpenStack, a file each: configuration, schema, processes."""

"""Where a commit's programs run without rights: few files, no network, limits."""

"""One package per provider, each behind the contract of `signedin.providers.base`."""

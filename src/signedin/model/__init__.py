"""What clients and providers speak about: options, events, results, errors."""

"""An AFT!-like server on loopback: our assumption of AFT!, not its contract."""

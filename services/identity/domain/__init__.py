"""Rules of signing in. Pure: facts in, decisions out, time as an argument."""

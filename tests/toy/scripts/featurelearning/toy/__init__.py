"""A paper of one study, for tests."""

"""The outer door's checks: shares nothing with what it checks but the policy's words."""

"""Somebody else's test suites, each with and without the agent: do they come out the same?"""

"""A git repository that a test makes, in the place of one on the network."""

import subprocess


def git(folder, *arguments):
    """Run git in a folder, as nobody in particular; returns what it prints."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(folder, message="files"):
    """Commit everything in a folder, which becomes a repository; returns the revision."""
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")

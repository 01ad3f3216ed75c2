"""What is compared by barge_in.py: each contender in a process of its own, behind one Protocol."""

"""What runs in processes of its own, and says in one line of JSON what it has found."""

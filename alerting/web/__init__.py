"""What this program answers to the outside: providers' callbacks, and for now nothing else."""

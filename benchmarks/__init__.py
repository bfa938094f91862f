"""Speed, memory and accuracy, each beside the best peer and measured in the same run."""

"""What the model would say of changed data: counterfactuals, and stress tests. It says nothing of causes."""

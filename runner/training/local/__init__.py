"""Training on this machine, with torch, transformers and peft."""

"""The GPU engine: models run by PyTorch and the transformers library, an extra.

Imports here are absolute, so `import transformers` means the library. No other package may import torch.
"""

from support_either_pool import either

__all__ = ["either"]

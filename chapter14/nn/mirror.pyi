from torch.nn import *  # noqa: F403

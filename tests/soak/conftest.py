from integration.conftest import halfmap, tiny_particles

__all__ = ["halfmap", "tiny_particles"]

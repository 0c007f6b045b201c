"""Real-ESRGAN: generators, official weights, discriminator and losses."""

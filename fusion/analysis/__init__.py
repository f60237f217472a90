"""Analysis of modalities before and after a fusion: attribution, heterogeneity, similarity, causality."""

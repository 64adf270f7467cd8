"""Classifiers on frozen features: linear, nearest neighbours, learnt pooling, few-shot."""
